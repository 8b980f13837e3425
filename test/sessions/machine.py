"""Sessions on one mailbox that do whatever comes to hypothesis' mind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, seed as with_seed, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from test.sessions.actions import MAILBOXES, Action, Plain, Select, actions, stores
from test.sessions.ledger import Ledger, Truth
from test.sessions.modes import MODES
from test.sessions.player import Player
from test.support.blocking_lmtp import Lmtp
from test.support.server_process import ServerProcess

_MOST_SESSIONS = 3
_NOOP = Plain("NOOP")
_MESSAGE = b"Subject: delivered\r\n\r\nText.\r\n"

_who = st.integers(0, _MOST_SESSIONS - 1)
_some = st.lists(actions, min_size=1, max_size=3)
_modes = st.lists(st.sampled_from(sorted(MODES)), min_size=2, max_size=_MOST_SESSIONS)
#: What sessions do at the same time, by session.
_turns = st.dictionaries(_who, _some, min_size=2, max_size=_MOST_SESSIONS)


@dataclass
class Stage:
    """
    Where machines run one after the other, each with an account of its own.

    @ivar servers: one or two processes on the same databases.
    @ivar database: the main one, blocking.
    @ivar lmtp: for mail to come in.
    @ivar failure: the first thing that went wrong in this run, with all that was said.
    """

    servers: Sequence[ServerProcess]
    database: Any
    lmtp: Lmtp
    numbers: Iterator[int] = field(default_factory=count)
    failure: str = ""


class Sessions(RuleBasedStateMachine):
    """Two or three sessions of one account, spread over the processes."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._transcript: list[str] = []
        self._players: list[Player] = []
        self._user = f"sessions{next(stage.numbers)}"
        self._address = stage.servers[0].account(self._user)
        self._ledgers: dict[str, Ledger] = {}
        self._failed = False

    def teardown(self) -> None:
        try:
            if not self._failed:
                self.compare(True)
        finally:
            for player in (*self._players, self._witness):
                player.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What goes wrong comes with all that was said."""
        try:
            yield
        except Exception as error:
            self._failed = True
            text = "\n".join((*self._transcript, f"{self._user}: {error!r}"))
            self._stage.failure = self._stage.failure or text
            raise AssertionError(text) from error

    @initialize(modes=_modes, deliveries=st.integers(1, 6))
    def begin(self, modes: list[str], deliveries: int) -> None:
        """All select INBOX, one after the other, and learn what is there."""
        servers, sessions = self._stage.servers, len(modes)
        # One more looks on; it is with the last of the others.
        imaps = [servers[index % len(servers)].imap(self._user) for index in range(sessions)]
        imaps.append(servers[-1].imap(self._user))
        imaps[0].command(f"CREATE {MAILBOXES[1]}")
        user = self._stage.database.users.find_one({"username": self._user})["_id"]
        self._ledgers = {name: Ledger(name, user, self._stage.database) for name in MAILBOXES}
        self._players = [
            Player(f"s{index}", imap, self._ledgers, self._transcript, mode)
            for index, (imap, mode) in enumerate(zip(imaps, (*modes, "plain"), strict=True))
        ]
        self._witness = self._players.pop()
        for _ in range(deliveries):
            self._deliver()
        with self._explained():
            for player in self._players:
                player.do(Select("SELECT", MAILBOXES[0]))
                player.ask_all()

    @rule(who=_who, some=_some)
    def alone(self, who: int, some: list[Action]) -> None:
        """One session does something, or two things without waiting between."""
        with self._explained():
            player = self._player(who)
            player.do(*self._possible(player, some))

    @rule(turns=_turns, mail=st.booleans())
    def together(self, turns: dict[int, list[Action]], mail: bool) -> None:
        """Several sessions act at once; mail may come in."""
        with self._explained():
            busy = []
            for who, some in turns.items():
                player = self._player(who)
                player.send(self._possible(player, some))
                busy.append(player)
            if mail:
                self._deliver()
            for player in busy:
                player.finish()

    @rule(rounds=st.lists(_turns, min_size=2, max_size=5))
    def long(self, rounds: list[dict[int, list[Action]]]) -> None:
        """The same again and again, so that less often all is quiet."""
        for turns in rounds:
            self.together(turns, False)

    @rule(changes=st.lists(st.tuples(_who, stores), min_size=2, max_size=5))
    def flags(self, changes: list[tuple[int, Action]]) -> None:
        """Who knows all flags changes some, one after the other and without asking for those of others."""
        with self._explained():
            self._compare(True)
            for who, store in changes:
                player = self._player(who)
                player.do(*self._possible(player, [store]))
            self._compare(False)

    @rule(who=_who, away=st.lists(_turns, min_size=1, max_size=2), mailbox=st.sampled_from(MAILBOXES))
    def come_back(self, who: int, away: list[dict[int, list[Action]]], mailbox: str) -> None:
        """A session that knows all leaves, and opens the mailbox again after others have been at work."""
        with self._explained():
            player = self._player(who)
            player.do(Select("SELECT", mailbox))
            player.ask_all()
            player.do(Plain("UNSELECT"))
        for turns in away:
            others = {key: some for key, some in turns.items() if self._player(key) is not player}
            self.together(others, True)
        with self._explained():
            player.do(Select("SELECT", mailbox))
            self._compare(False)

    @rule()
    def mail(self) -> None:
        """A message comes in."""
        self._deliver()

    @rule(who=_who)
    def idle(self, who: int) -> None:
        """A session begins to wait."""
        with self._explained():
            self._player(who).idle()

    @rule(ask=st.booleans())
    def compare(self, ask: bool) -> None:
        """What each session knows is what is stored; if they ask, they know all."""
        with self._explained():
            self._compare(ask)

    # --- how ------------------------------------------------------------------------

    def _player(self, who: int) -> Player:
        return self._players[who % len(self._players)]

    def _possible(self, player: Player, some: Sequence[Action]) -> list[Action]:
        """Without a mailbox it selects one first."""
        first = some[0].command(player.replay)
        if first.selected and player.replay is None:
            return [Select("SELECT", MAILBOXES[0]), *some]
        return list(some)

    def _deliver(self) -> None:
        self._transcript.append("a message is delivered")
        (reply,) = self._stage.lmtp.data(_MESSAGE, [self._address])
        assert reply.code == 250, reply

    def _compare(self, ask: bool) -> None:
        self._transcript.append("all is quiet")
        truths = {name: ledger.truth() for name, ledger in self._ledgers.items()}
        selected = [player for player in self._players if player.replay is not None]
        # First those who must hear by themselves.
        selected.sort(key=lambda player: not player.idles)
        for player in selected:
            if not player.idles:
                player.do(_NOOP)
            player.check(truths[player.mailbox])
        if ask:
            self._ask(selected, truths)

    def _ask(self, selected: Sequence[Player], truths: Mapping[str, Truth]) -> None:
        """Let all sessions that do not idle, and one that has just opened the mailbox, tell all."""
        idling = {player.mailbox for player in selected if player.idles}
        told = set()
        for player in selected:
            if not player.idles:
                player.ask_all()
                player.check(truths[player.mailbox])
                if not player.read_only and not player.mode.rev2:
                    told.add(player.mailbox)
        for name in told - idling:
            self._ledgers[name].check_recent()
        for name, truth in truths.items():
            self._witness.do(Select("EXAMINE", name))
            self._witness.ask_all()
            self._witness.check(truth)
        self._witness.do(Plain("UNSELECT"))


def run(stage: Stage, *, examples: int, steps: int, seed: int, shrink: bool = False) -> None:
    """
    @param examples: accounts, one after the other.
    @param steps: of each.
    @param shrink: look for the shortest way to fail, which takes minutes.
    @raise AssertionError: something did not hold, with all that was said.
    """

    def machine() -> Sessions:
        return Sessions(stage)

    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    stage.failure = ""
    try:
        run_state_machine_as_test(with_seed(seed)(machine), settings=how)
    except Exception as error:
        if not stage.failure:
            raise
        # Hypothesis does it again, and says no more than "flaky" of a race that comes out well then.
        again = "" if isinstance(error, AssertionError) else ", not when it is done again"
        raise AssertionError(f"seed {seed}: {stage.failure}{again}") from error
