"""CLOSE, UNSELECT, CHECK: commands on the selected mailbox (RFC 3501 §6.4, RFC 3691)."""

from __future__ import annotations

from dataclasses import dataclass

from wildduck.imap.grammar.values import Command


@dataclass(frozen=True, slots=True)
class Close(Command):
    verb = "CLOSE"


@dataclass(frozen=True, slots=True)
class Unselect(Command):
    verb = "UNSELECT"


@dataclass(frozen=True, slots=True)
class Check(Command):
    verb = "CHECK"
