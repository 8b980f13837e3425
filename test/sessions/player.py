"""One session: a client that replays what it is told and sends what it is given."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from test.sessions.actions import Action, Command
from test.sessions.by_uid import UidReplay
from test.sessions.ledger import Ledger
from test.sessions.modes import MODES
from test.sessions.replay import Replay, Wrong, numbers
from test.support.blocking_imap import Imap

_CODE = re.compile(rb"\[(?:APPENDUID \d+|COPYUID \d+ ([\d:,]+)) ([\d:,]+)\]")
_FULL = "FETCH 1:* (UID FLAGS)"
_MAY_FAIL = (b"[EXPUNGEISSUED]", b"[MODIFIED ")
_HIGHEST = re.compile(rb"\[HIGHESTMODSEQ (\d+)\]")
_VALIDITY = re.compile(rb"\[UIDVALIDITY (\d+)\]")

#: A session in IDLE is told what happens in no more than these seconds.
IDLE_SECONDS = 20.0


class Player:
    """
    @ivar replay: of the selected mailbox, C{None} without one.
    @ivar mailbox: its name.
    @ivar read_only: it was opened by EXAMINE.
    @ivar idles: it waits for C{DONE}.
    @ivar mode: what it has enabled.
    """

    def __init__(
        self,
        name: str,
        imap: Imap,
        ledgers: Mapping[str, Ledger],
        transcript: list[str],
        mode: str = "plain",
    ) -> None:
        """
        @param imap: signed in.
        @param mode: name of one of L{MODES}.
        @param transcript: gets everything that is sent and received.
        """
        self.replay: Replay | None = None
        self.mailbox = ""
        self.read_only = False
        self.idles = False
        self._name = name
        self._imap = imap
        self._ledgers = ledgers
        self._transcript = transcript
        self._sent: list[tuple[str, Command]] = []
        #: What the command that is being answered may be refused for.
        self._refused = False
        self._misplaced = False
        self._invalid = False
        #: A SELECT before whose C{CLOSED} all is about the mailbox that was open until then.
        self._closing: Command | None = None
        #: By mailbox: UIDVALIDITY, HIGHESTMODSEQ, UIDs and flags.
        self._remembered: dict[str, tuple[int, int, dict[int, frozenset[str]]]] = {}
        self.mode = MODES[mode]
        for line in self.mode.says:
            self._note(">", line)
            imap.command(line)

    def close(self) -> None:
        self._imap.close()

    # --- sending ------------------------------------------------------------------

    def send(self, actions: Sequence[Action]) -> None:
        """Send commands without waiting; one that idles is called back first."""
        if self.idles:
            self._note(">", "DONE")
            self._imap.send_line(b"DONE")
            self.idles = False
        for action in actions:
            command = self._adapted(action.command(self.replay))
            tag = self._imap.send(command.text, *command.more)
            self._note(">", f"{tag} {command.text}")
            self._sent.append((tag, command))

    def _adapted(self, command: Command) -> Command:
        """As a session of its mode says it."""
        if self.mode.by_uid and command.name == "SEARCH":
            return replace(command, name="UID SEARCH", text="UID " + command.text.replace(" 1:*", ""))
        if self.mode.notify and command.silent:
            # Whether what comes meanwhile was before it or after can't be told.
            return replace(command, text=command.text.replace(".SILENT", ""), silent=None)
        if (
            self.mode.qresync
            and command.name in ("SELECT", "EXAMINE")
            and command.mailbox in self._remembered
        ):
            validity, modseq, known = self._remembered[command.mailbox]
            return replace(command, text=f"{command.text} (QRESYNC ({validity} {modseq}))", known=known)
        return command

    def finish(self) -> None:
        """
        Read until all is answered.

        @raise Wrong: by a rule of L{Replay} or L{Ledger}, or something was refused that can be done.
        """
        while self._sent:
            tag, command = self._sent[0]
            self._begin(command)
            while True:
                mark, response = self._read()
                if mark == tag:
                    break
                if response[:1] == [b"ESEARCH"] and response[1] != [b"TAG", tag.encode()]:
                    raise Wrong(f"{self._name} gets what another search than {tag} has found")
                self._untagged(mark, response, command)
            del self._sent[0]
            self._end(command, *response)

    def do(self, *actions: Action) -> None:
        self.send(actions)
        self.finish()

    def idle(self) -> None:
        """Send IDLE and stay in it."""
        if self.idles:
            return
        tag = self._imap.send("IDLE")
        self._note(">", f"{tag} IDLE")
        command = Command("IDLE", "IDLE", selected=False)
        self._sent.append((tag, command))
        self._begin(command)
        mark = ""
        while mark != "+":
            mark, response = self._read()
            self._untagged(mark, response, command)
        self.idles = True

    def hear(self, seconds: float) -> bool:
        """Take in one response to IDLE, if it comes within that time."""
        if not self._imap.readable(seconds):
            return False
        mark, response = self._read()
        self._untagged(mark, response, self._sent[0][1])
        return True

    # --- the truth ------------------------------------------------------------------

    def check(self, truth: Sequence[tuple[int, frozenset[str]]]) -> None:
        """
        Hold what it knows against what is stored, while nobody does anything.

        One that idles hears it in time, another asks once.

        @raise Wrong: they differ.
        """
        assert self.replay is not None
        if self.idles:
            until = time.monotonic() + IDLE_SECONDS
            while self.replay.differences(truth) and self.hear(until - time.monotonic()):
                pass
        differences = self.replay.differences(truth)
        if differences:
            raise Wrong(f"{self._name}: {self.mailbox}: {differences}")
        if self.idles:
            return
        if not self.mode.notify and self._imap.readable(0):
            raise Wrong(f"{self._name} is told something without having asked: {self._read()}")

    def ask_all(self) -> None:
        """
        Learn UID and flags of all messages.

        @raise Wrong: some are not told, or others are recent than RECENT said.
        """
        assert self.replay is not None
        replay = self.replay
        if replay.messages:
            uid = "UID " if self.mode.by_uid else ""
            self._imap_command(Command(f"{uid}FETCH", uid + _FULL))
        recents = 0
        for message in replay.messages:
            if not message.uid or message.flags is None:
                raise Wrong(f"{self._name}: not all messages were told")
            recents += bool(message.recent)
        if not replay.recents - replay.doubtful <= recents <= replay.recents:
            raise Wrong(f"{self._name}: {recents} recent instead of {replay.recents} less {replay.doubtful}")
        self._remember()

    def _imap_command(self, command: Command) -> None:
        tag = self._imap.send(command.text)
        self._note(">", f"{tag} {command.text}")
        self._sent.append((tag, command))
        self.finish()

    # --- reading --------------------------------------------------------------------

    def _read(self) -> tuple[str, list[Any]]:
        mark, response = self._imap.read()
        self._note("<", f"{mark} {response}")
        return mark, response

    def _note(self, direction: str, text: str) -> None:
        self._transcript.append(f"{time.monotonic():.3f} {self._name} {direction} {text}")

    def _begin(self, command: Command) -> None:
        """The server comes to this command when the one before is answered."""
        if command.name == "IDLE" and self._sent[0][0] and self.idles:
            return
        replay = self.replay
        self._refused = command.writes and replay is not None and self.read_only
        self._misplaced = command.selected and replay is None
        self._invalid = False
        if replay is not None and command.by_seq and not self._refused:
            self._invalid = replay.places(command.ranges) is None
        if command.name in ("SELECT", "EXAMINE"):
            if self.mode.qresync and replay is not None:
                self._closing = command
            else:
                self._select(command)
        elif command.silent and replay is not None and not self._refused and not self._invalid:
            by_uid = not command.by_seq
            replay.store(command.silent.mode, command.silent.flags, command.ranges, by_uid)

    def _select(self, command: Command) -> None:
        self._leave()
        ledger, read_only = self._ledgers[command.mailbox], command.name == "EXAMINE"
        kind = UidReplay if self.mode.uidonly else Replay
        replay = kind(self.mode, lambda uid: None if read_only else ledger.recent(uid, replay))
        self.replay, self.mailbox, self.read_only = replay, command.mailbox, read_only

    def _remember(self) -> None:
        """If all is known, for the next SELECT with QRESYNC."""
        known = None if self.replay is None else self.replay.complete()
        if self.replay is not None and known is not None and self.replay.modseq:
            self._remembered[self.mailbox] = (self.replay.validity, self.replay.modseq, known)

    def _leave(self) -> None:
        if self.replay is not None and not self.read_only:
            known = sum(bool(message.uid and message.recent) for message in self.replay.messages)
            self._ledgers[self.mailbox].unclaimed += max(0, self.replay.recents - known)
        self.replay = None

    def _untagged(self, mark: str, response: Sequence[Any], command: Command) -> None:
        if mark == "+":
            return
        if mark != "*":
            raise Wrong(f"{self._name} gets an answer to {mark}")
        if response[0] in (b"NO", b"BAD", b"BYE"):
            raise Wrong(f"{self._name} is told {response}")
        if response[0] == b"OK":
            self._closed(response[1])
            self._codes(response[1])
            self._issued(command, response[1])
        elif self.replay is not None:
            self.replay.untagged(response, command.name)

    def _end(self, command: Command, status: bytes, text: bytes) -> None:
        if self._closing is not None:
            raise Wrong(f"{self._name}: {command.name} without CLOSED")
        if status == b"OK" and not self._refused and not self._misplaced:
            self._codes(text)
            self._issued(command, text)
            self._done(command)
        elif not (
            (status == b"NO" and (self._refused or text.startswith(_MAY_FAIL)))
            or (status == b"NO" and command.name == "UID REPLACE")
            or (status == b"BAD" and (self._invalid or self._misplaced))
        ):
            raise Wrong(
                f"{self._name}: {command.text}: {status!r} {text!r}, {self._refused=} {self._misplaced=}"
            )

    def _done(self, command: Command) -> None:
        if command.name == "UNSELECT":
            self._remember()
        if command.name in ("CLOSE", "UNSELECT"):
            self._leave()
        if command.name in ("SELECT", "EXAMINE"):
            assert self.replay is not None
            if not self.replay.announced:
                raise Wrong(f"{self._name}: {command.name} without EXISTS")
            if command.known is not None:
                self.replay.resume(command.known)

    def _closed(self, text: bytes) -> None:
        """What follows C{CLOSED} is about the mailbox that is opened (RFC 7162 §3.2.11)."""
        closing, self._closing = self._closing, None
        if closing is not None and text.startswith(b"[CLOSED]"):
            self._remember()
            self._select(closing)
        else:
            self._closing = closing

    def _codes(self, text: bytes) -> None:
        highest, validity = _HIGHEST.match(text), _VALIDITY.match(text)
        if self.replay is not None and highest:
            self.replay.modseq = int(highest[1])
        if self.replay is not None and validity:
            self.replay.validity = int(validity[1])

    def _issued(self, command: Command, text: bytes) -> None:
        match = _CODE.match(text)
        if not match:
            return
        uids = numbers(match[2])
        if match[1] and len(numbers(match[1])) != len(uids):
            raise Wrong(f"{self._name}: {text!r}")
        self._ledgers[command.mailbox].issue(uids)
