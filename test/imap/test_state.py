"""Tests of the tables: states, commands, capabilities."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wildduck.imap.capabilities import Circumstances, capabilities
from wildduck.imap.commands.table import TABLE
from wildduck.imap.grammar.requests import PARSERS
from wildduck.imap.state import TRANSITIONS, Move, State, after


class StateTests(SynchronousTestCase):
    def test_complete(self) -> None:
        """Every state can be ended, and every state is in the table."""
        for state in State:
            self.assertIs(after(state, Move.END), State.LOGOUT)
            self.assertIn(state, TRANSITIONS)

    def test_impossible(self) -> None:
        """A move that the table does not have is a mistake of ours."""
        self.assertRaises(RuntimeError, after, State.NOT_AUTHENTICATED, Move.SELECT)
        self.assertRaises(RuntimeError, after, State.LOGOUT, Move.SIGN_IN)


class TableTests(SynchronousTestCase):
    def test_grammar_and_table(self) -> None:
        """Every command that is understood can be executed, and the other way round."""
        self.assertEqual({name.decode() for name in PARSERS}, set(TABLE))

    def test_expunge(self) -> None:
        """No command that uses sequence numbers lets EXPUNGE be sent (RFC 3501 §7.4.1)."""
        for row in TABLE.values():
            self.assertFalse(row.uses_sequence_numbers and row.may_report_expunge, row.name)


class CapabilityTests(SynchronousTestCase):
    def listed(self, state: State, secure: bool = True, can_start_tls: bool = False) -> tuple[str, ...]:
        return capabilities(Circumstances(state, secure, can_start_tls, 1000))

    def test_before_sign_in(self) -> None:
        """A secure connection can sign in, another must use STARTTLS first."""
        self.assertEqual(
            self.listed(State.NOT_AUTHENTICATED),
            ("IMAP4rev1", "IMAP4rev2", "LITERAL-", "ID", "AUTH=PLAIN", "SASL-IR"),
        )
        self.assertEqual(
            self.listed(State.NOT_AUTHENTICATED, secure=False, can_start_tls=True),
            ("IMAP4rev1", "IMAP4rev2", "LITERAL-", "ID", "STARTTLS", "LOGINDISABLED"),
        )

    def test_after_sign_in(self) -> None:
        """What serves to sign in is no longer listed."""
        for state in (State.AUTHENTICATED, State.SELECTED):
            listed = self.listed(state, can_start_tls=True)
            self.assertEqual(listed[:4], ("IMAP4rev1", "IMAP4rev2", "LITERAL+", "ID"))
            self.assertIn("APPENDLIMIT=1000", listed)
            self.assertFalse({"STARTTLS", "SASL-IR", "AUTH=PLAIN", "LITERAL-"}.intersection(listed))

    def test_literals(self) -> None:
        """LITERAL+ and LITERAL- are never listed together (RFC 7888 §5)."""
        for state in State:
            self.assertLessEqual(len({"LITERAL+", "LITERAL-"}.intersection(self.listed(state))), 1)
