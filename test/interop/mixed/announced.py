"""What one server does is served and announced by the other: to an IDLE session and an event stream."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from test.interop.case import Failed, Setting, expect
from test.interop.mixed.cluster import SOON, Cluster, cluster, within
from test.interop.mixed.event_stream import EventStream
from test.interop.mixed.shown import same
from test.support.blocking_imap import CommandFailed, Imap
from test.support.messages import generated

_WORKERS_SETTING = "const:imap:use_wd_worker_channels"
#: WildDuck asks for the setting anew after so many seconds.
_SETTING_SECONDS = 5.5


def from_there(setting: Setting) -> str:
    """WildDuck does it, this server tells."""
    return _both_watch(cluster(setting), "theirs", "ours", "from-there")


def from_here(setting: Setting) -> str:
    """This server does it, WildDuck tells."""
    return _both_watch(cluster(setting), "ours", "theirs", "from-here")


def by_worker_channels(setting: Setting) -> str:
    """Both, with pings to the workers that serve the account only."""
    mixed = cluster(setting)
    with _worker_channels(mixed):
        kept = mixed.database["settings"].find_one({"key": _WORKERS_SETTING})
        expect(kept and kept["value"] == "true", f"WildDuck keeps the setting as {kept}")
        there = _both_watch(mixed, "theirs", "ours", "workers-there")
        here = _both_watch(mixed, "ours", "theirs", "workers-here")
    return f"there: {there}; here: {here}"


@contextmanager
def _worker_channels(mixed: Cluster) -> Iterator[None]:
    """WildDuck's setting is on."""
    mixed.api("theirs", "POST", f"/settings/{_WORKERS_SETTING}", {"value": True})
    time.sleep(_SETTING_SECONDS)
    try:
        yield
    finally:
        mixed.api("theirs", "POST", f"/settings/{_WORKERS_SETTING}", {"value": False})
        time.sleep(_SETTING_SECONDS)


@dataclass
class _Scene:
    """
    @ivar actor: a session of the server that does things, INBOX selected.
    @ivar idle: a session of the server that tells, in IDLE with INBOX selected.
    @ivar events: an event stream of the server that tells.
    @ivar slowest: seconds until the last telling that took longest.
    """

    mixed: Cluster
    user: ObjectId
    name: str
    doer: str
    watcher: str
    actor: Imap
    idle: Imap
    events: EventStream
    slowest: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def now(self) -> None:
        """Something has just been done."""
        self.began = time.monotonic()

    def told(self, *last: Any, by: Imap | None = None) -> list[Any]:
        """
        The untagged response that begins so, in IDLE.

        @param by: another session than L{idle}.
        @raise Failed: it does not come soon.
        """
        client = by or self.idle
        heard: list[Any] = []
        while True:
            left = SOON - (time.monotonic() - self.began)
            if left <= 0 or not client.readable(left):
                raise Failed(f"{self.watcher} does not tell {last} within {SOON:g} s, but {heard}")
            mark, response = client.read()
            heard.append(response)
            if mark == "*" and response[: len(last)] == list(last):
                self.slowest = max(self.slowest, time.monotonic() - self.began)
                return response

    def event(self, command: str, **members: Any) -> dict[str, Any]:
        """The event with these members, which is to come soon."""

        def fits(event: dict[str, Any]) -> bool:
            return event.get("command") == command and all(event.get(k) == v for k, v in members.items())

        found = self.events.wait(fits, SOON, f"{command} {members}")
        self.slowest = max(self.slowest, time.monotonic() - self.began)
        return found

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the API of the server that does things, below the account."""
        return self.mixed.api(self.doer, method, f"/users/{self.user}{path}", body)

    def same(self, *mailboxes: str) -> None:
        """Both servers show the same messages."""
        for mailbox in mailboxes:
            same(self.mixed, self.name, mailbox)


@contextmanager
def _scene(mixed: Cluster, doer: str, watcher: str, name: str) -> Iterator[_Scene]:
    user = mixed.account(name, there=doer == "theirs")
    port = (mixed.ours.ports if watcher == "ours" else mixed.theirs.ports)["api"]
    with (
        mixed.imap(doer, name) as actor,
        mixed.imap(watcher, name) as idle,
        EventStream(port, user) as events,
    ):
        actor.select()
        idle.select()
        idle.idle()
        yield _Scene(mixed, user, name, doer, watcher, actor, idle, events)


def _both_watch(mixed: Cluster, doer: str, watcher: str, name: str) -> str:
    with _scene(mixed, doer, watcher, name) as scene:
        mixed.fill_counters(scene.user)
        _arrivals(scene)
        mixed.fill_counters(scene.user)
        _flags(scene)
        mixed.fill_counters(scene.user)
        _transfers(scene)
        _mailboxes(scene)
        _dropped(scene)
        _by_api(scene)
        within(SOON, lambda: not mixed.wrong_counters(scene.user), "the counters in Redis are right")
        _sign_off(scene)
    return f"everything told within {scene.slowest * 1000:.0f} ms"


def _arrivals(scene: _Scene) -> None:
    """A delivery by LMTP and an APPEND: messages 1 and 2."""
    message = generated(1, 1500)
    with scene.mixed.lmtp(scene.doer) as client:
        scene.now()
        (reply,) = client.data(message, [f"{scene.name}@example.com"])
    expect(reply.code == 250, f"LMTP: {reply}")
    scene.told(1, b"EXISTS")
    inbox = str(scene.mixed.mailbox(scene.user, "INBOX"))
    scene.event("EXISTS", uid=1, mailbox=inbox)
    scene.event("COUNTERS", mailbox=inbox, total=1, unseen=1)
    # WildDuck's session, told of nothing yet, would count what it appends first.
    scene.actor.select()
    scene.actor.append("INBOX", _with_attachment(), options='(\\Flagged $Work) "02-Jan-2020 03:04:05 +0000"')
    scene.now()
    scene.told(2, b"EXISTS")
    scene.event("EXISTS", uid=2, mailbox=inbox)
    scene.same("INBOX")
    scene.actor.select()


def _flags(scene: _Scene) -> None:
    """Flags are set, removed and replaced."""
    for change, flags in (
        ("+FLAGS (\\Seen $Label1)", {b"\\Seen", b"$Label1"}),
        ("-FLAGS ($Label1)", {b"\\Seen"}),
        ("FLAGS (\\Answered $Other)", {b"\\Answered", b"$Other"}),
    ):
        scene.actor.command(f"STORE 1 {change}")
        scene.now()
        response = scene.told(1, b"FETCH")
        items = dict(zip(response[2][::2], response[2][1::2], strict=True))
        expect(set(items[b"FLAGS"]) - {b"\\Recent"} == flags, f"told {response} after {change}")
        if scene.events is not None:
            scene.events.wait(
                lambda event, flags=flags: (
                    event.get("command") == "FETCH" and {flag.encode() for flag in event["flags"]} == flags
                ),
                SOON,
                f"flags {flags}",
            )
    scene.same("INBOX")


def _transfers(scene: _Scene) -> None:
    """COPY to another mailbox, within the mailbox, MOVE away, EXPUNGE."""
    scene.actor.command("CREATE Work")
    scene.actor.command("COPY 1:2 Work")
    scene.same("Work")
    scene.actor.command("COPY 2 INBOX")
    scene.now()
    scene.told(3, b"EXISTS")
    scene.same("INBOX")
    scene.actor.select()
    with scene.mixed.imap(scene.watcher, scene.name) as other:
        other.select("Work")
        other.idle()
        scene.actor.command("MOVE 2 Work")
        scene.now()
        scene.told(2, b"EXPUNGE")
        scene.told(3, b"EXISTS", by=other)
    scene.event("EXPUNGE", uid=2)
    scene.same("INBOX", "Work")
    scene.actor.command("STORE 1 +FLAGS.SILENT (\\Deleted)")
    scene.actor.command("EXPUNGE")
    scene.now()
    scene.told(1, b"EXPUNGE")
    scene.event("EXPUNGE", uid=1)
    scene.same("INBOX", "Work")


def _by_api(scene: _Scene) -> None:
    """The API marks, uploads, moves and deletes; message 1 has UID 3."""
    inbox, work = (scene.mixed.mailbox(scene.user, path) for path in ("INBOX", "Work"))
    scene.api("PUT", f"/mailboxes/{inbox}/messages/3", {"seen": True})
    scene.now()
    scene.told(1, b"FETCH")
    text = generated(7, 900).decode("latin-1")
    scene.api("POST", f"/mailboxes/{inbox}/messages", {"raw": text, "unseen": True})
    scene.now()
    scene.told(2, b"EXISTS")
    scene.same("INBOX")
    scene.api("PUT", f"/mailboxes/{inbox}/messages/3", {"moveTo": str(work)})
    scene.now()
    scene.told(1, b"EXPUNGE")
    scene.event("EXPUNGE", uid=3, mailbox=str(inbox))
    scene.same("INBOX", "Work")
    scene.api("DELETE", f"/mailboxes/{inbox}/messages/4")
    scene.now()
    scene.told(1, b"EXPUNGE")
    scene.event("EXPUNGE", uid=4, mailbox=str(inbox))
    scene.same("INBOX", "Work")


def _mailboxes(scene: _Scene) -> None:
    """Made, named anew and deleted by IMAP and by the API."""
    with scene.mixed.imap(scene.watcher, scene.name) as reader:
        scene.actor.command("CREATE Plans")
        scene.now()
        made = scene.mixed.mailbox(scene.user, "Plans")
        scene.event("CREATE", path="Plans", mailbox=str(made))
        expect("Plans" in _listed(reader), f"LIST of {scene.watcher} lacks what was made")
        scene.actor.command("RENAME Plans Ideas")
        scene.now()
        scene.event("RENAME", path="Ideas", mailbox=str(made))
        names = _listed(reader)
        expect("Ideas" in names and "Plans" not in names, f"after RENAME {scene.watcher} lists {names}")
        scene.actor.command("DELETE Ideas")
        scene.now()
        scene.event("DELETE", mailbox=str(made))
        expect("Ideas" not in _listed(reader), f"{scene.watcher} lists what was deleted")
        by_api = scene.api("POST", "/mailboxes", {"path": "ByApi"})["id"]
        scene.now()
        scene.event("CREATE", path="ByApi", mailbox=by_api)
        scene.api("PUT", f"/mailboxes/{by_api}", {"path": "ByApi2"})
        scene.now()
        scene.event("RENAME", path="ByApi2", mailbox=by_api)
        expect("ByApi2" in _listed(reader), f"{scene.watcher} does not list what the API made and renamed")
        scene.api("DELETE", f"/mailboxes/{by_api}")
        scene.now()
        scene.event("DELETE", mailbox=by_api)


def _dropped(scene: _Scene) -> None:
    """A session whose mailbox is deleted ends."""
    scene.actor.command("CREATE Doomed")
    with scene.mixed.imap(scene.watcher, scene.name) as client:
        client.select("Doomed")
        client.idle()
        scene.actor.command("DELETE Doomed")
        scene.now()
        _goodbye(client, f"{scene.watcher}: the selected mailbox is deleted")


def _sign_off(scene: _Scene) -> None:
    """A new password ends the sessions."""
    scene.mixed.api(scene.doer, "PUT", f"/users/{scene.user}", {"password": "another password"})
    scene.now()
    _goodbye(scene.idle, f"{scene.watcher}: the password is changed")
    scene.event("LOGOUT")
    for server in ("ours", "theirs"):
        try:
            scene.mixed.imap(server, scene.name).close()
        except CommandFailed:
            continue
        raise Failed(f"{server} still takes the old password")


def _goodbye(client: Imap, when: str) -> None:
    """BYE comes soon, in IDLE."""
    deadline = time.monotonic() + SOON
    while client.readable(max(0.0, deadline - time.monotonic())):
        mark, response = client.read()
        if mark == "*" and response[:1] == [b"BYE"]:
            return
    raise Failed(f"no BYE within {SOON:g} s: {when}")


def _listed(client: Imap) -> list[str]:
    return [row[-1].decode() for row in client.command('LIST "" "*"').untagged if row[:1] == [b"LIST"]]


def _with_attachment() -> bytes:
    """A message with an attachment, 20 kB."""
    encoded = base64.encodebytes(bytes(range(256)) * 60).replace(b"\n", b"\r\n")
    return (
        b"Subject: with attachment\r\nMessage-ID: <a@example.net>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        b"Content-Type: text/plain\r\n\r\nsee below\r\n--b\r\n"
        b'Content-Type: application/pdf; name="x.pdf"\r\n'
        b'Content-Disposition: attachment; filename="x.pdf"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"--b--\r\n"
    )
