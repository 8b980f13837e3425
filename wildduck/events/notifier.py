"""
Pings: "something of this account changed, look into the journal".

The journal in MongoDB is the truth; a ping only says when to look, and may be
lost (store.md §2).  The form is WildDuck's (spec/schema.md §10): a JSON object
on C{wd_events} whose C{e} is the user's id, without C{p}.  WildDuck gathers
pings for 100 ms before it sends one; here the first goes out at once, and
those that come while it is on its way are sent together after it.  Beside WildDuck
pings go by its worker channels where it uses them (L{wildduck.events.worker_channels}).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from bson.errors import InvalidId
from bson.objectid import ObjectId
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from wildduck.database import Redis
from wildduck.errors import DomainError
from wildduck.events.worker_channels import WorkerChannels
from wildduck.limits import UNSENT_PINGS

CHANNEL = "wd_events"

#: A listener takes nothing: it looks for itself what has changed.
Listener = Callable[[], None]
#: Takes C{{"command": "LOGOUT" or "DROP", …}} as WildDuck sends it.
CommandListener = Callable[[dict[str, Any]], None]


class Notifier:
    """
    One for each worker, on one subscription.

    Nothing of it raises, and one listener's exception is not another's.
    """

    log = Logger()

    def __init__(self, redis: Redis, workers: WorkerChannels | None = None) -> None:
        """@param workers: in a mixed cluster."""
        self._redis = redis
        self._workers = workers
        #: Tells our own pings when they come back; their listeners were told at once.
        self._origin = os.urandom(6).hex()
        self._listeners: dict[ObjectId, list[Listener]] = {}
        self._command_listeners: dict[ObjectId, list[CommandListener]] = {}
        #: Users whose ping is on its way: whether another must follow.
        self._sending: dict[ObjectId, bool] = {}
        #: Users whose ping did not go out: another server may be back at Redis before this one.
        self._unsent: set[ObjectId] = set()
        self._ends: list[Callable[[], None]] = []
        redis.when_connected(self._send_again)

    def start(self) -> None:
        """Hear the pings of others."""
        if self._ends:
            return
        self._ends.append(self._redis.subscribe(CHANNEL, self._heard, self._gap))
        if self._workers is not None:
            self._ends.append(self._redis.subscribe(self._workers.channel, self._heard, self._gap))
            self._workers.start(self._listeners.keys)

    def stop(self) -> None:
        """Hear them no more."""
        while self._ends:
            self._ends.pop()()
        if self._workers is not None:
            self._workers.stop()

    async def leave(self) -> None:
        """L{stop}, and let WildDuck know that this worker serves nobody any more."""
        self.stop()
        if self._workers is not None:
            await self._workers.leave_all()

    # --- telling -------------------------------------------------------------------

    async def changed(self, user: ObjectId) -> None:
        """
        The account's mailboxes changed and the journal says so.

        Listeners of this worker are told before this returns; for Redis it does not wait.
        """
        self.wake(user)
        self._ping(user)

    def _ping(self, user: ObjectId) -> None:
        """Tell the other servers."""
        if user in self._sending:
            self._sending[user] = True
            return
        self._sending[user] = False
        Deferred.fromCoroutine(self._send(user)).addErrback(self._failed)

    async def _send(self, user: ObjectId) -> None:
        payload = json.dumps({"e": str(user), "o": self._origin}, separators=(",", ":")).encode("ascii")
        try:
            while True:
                await self._publish(user, payload)
                if not self._sending[user]:
                    return
                self._sending[user] = False
        except DomainError:
            # What is lost for good is found when the database is asked now and then (store.md §2).
            if len(self._unsent) < UNSENT_PINGS:
                self._unsent.add(user)
            self.log.debug("a ping was not sent")
        finally:
            del self._sending[user]

    def _send_again(self) -> None:
        """Redis is back."""
        users, self._unsent = self._unsent, set()
        for user in users:
            self._ping(user)

    async def _publish(self, user: ObjectId, payload: bytes) -> None:
        channels = [CHANNEL]
        if self._workers is not None and await self._workers.used():
            channels = await self._workers.serving(user)
        for channel in channels:
            await self._redis.publish(channel, payload)

    async def log_out(self, user: ObjectId, reason: str) -> None:
        """
        End all sessions of an account, on every server, WildDuck's too.

        Where Redis does not answer they stay until they end by themselves.

        @param reason: what their clients are told.
        """
        if not await self._command(user, {"command": "LOGOUT", "reason": reason}):
            self.log.warn("the sessions of account {user} could not be ended", user=str(user))

    async def drop(self, user: ObjectId, mailbox: ObjectId) -> None:
        """
        End WildDuck's sessions in a mailbox that was deleted.

        Ours find out by themselves, with the ping that follows.
        """
        await self._command(user, {"command": "DROP", "mailbox": str(mailbox)})

    async def _command(self, user: ObjectId, command: dict[str, Any]) -> bool:
        """@return: whether it was sent."""
        ping = {"e": str(user), "p": command}
        try:
            await self._publish(user, json.dumps(ping, separators=(",", ":")).encode("ascii"))
        except DomainError:
            return False
        return True

    def _failed(self, failure: Any) -> None:
        self.log.failure("a ping was not sent", failure)

    # --- hearing -------------------------------------------------------------------

    def listen(
        self, user: ObjectId, callback: Listener, on_command: CommandListener | None = None
    ) -> Callable[[], None]:
        """
        Be told of changes to an account, by whomever.

        @param callback: called without arguments, at least once after every
            change; also when pings may have been missed.
        @param on_command: called with the payload of a ping that has one.
        @return: call it to be told no more.
        """
        self.start()
        if self._workers is not None and user not in self._listeners:
            self._workers.serve(user, lambda: self.wake(user))
        self._listeners.setdefault(user, []).append(callback)
        if on_command is not None:
            self._command_listeners.setdefault(user, []).append(on_command)

        def unlisten() -> None:
            _remove(self._listeners, user, callback)
            if on_command is not None:
                _remove(self._command_listeners, user, on_command)
            if self._workers is not None and user not in self._listeners:
                self._workers.leave(user)

        return unlisten

    def _heard(self, payload: bytes) -> None:
        event = _parse(payload)
        if event is None:
            return
        user, ping = event
        command = ping.get("p")
        if isinstance(command, dict):
            for listener in list(self._command_listeners.get(user, ())):
                self._call(listener, command)
        elif ping.get("o") != self._origin:
            self.wake(user)

    def _gap(self) -> None:
        """The subscription begins, or is back after a loss: everybody looks, for what was missed."""
        for user in list(self._listeners):
            self.wake(user)

    def wake(self, user: ObjectId) -> None:
        """Let the listeners of this worker look, as if a ping had come."""
        for listener in list(self._listeners.get(user, ())):
            self._call(listener)

    def _call(self, listener: Callable[..., None], *arguments: Any) -> None:
        try:
            listener(*arguments)
        except Exception:
            self.log.failure("a listener failed")


def _parse(payload: bytes) -> tuple[ObjectId, dict[str, Any]] | None:
    """The user and the whole of a ping; C{None} for what is none."""
    try:
        ping = json.loads(payload)
        return ObjectId(ping["e"]), ping
    except (ValueError, KeyError, TypeError, InvalidId, RecursionError):
        return None


def _remove(listeners: dict[ObjectId, list[Any]], user: ObjectId, callback: Any) -> None:
    """Take out one registration of a callback, and the user with the last."""
    callbacks = listeners.get(user)
    if callbacks and callback in callbacks:
        callbacks.remove(callback)
        if not callbacks:
            del listeners[user]
