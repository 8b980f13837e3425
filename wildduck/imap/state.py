"""
The states of an IMAP session (RFC 3501 §3, RFC 8437 §5) and what moves between them.

Two rules: everything that depends on the state is in the tables of this module
and of L{wildduck.imap.commands.table}; and a transition that no table has is a
bug of ours, not of the client's, for the command table has let nothing through
that could cause it.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


class Move(Enum):
    """What happens to a session."""

    SIGN_IN = auto()
    SELECT = auto()
    DESELECT = auto()
    SIGN_OUT = auto()
    END = auto()


#: From each state, by what happens, to the next.
TRANSITIONS: dict[State, dict[Move, State]] = {
    State.NOT_AUTHENTICATED: {
        Move.SIGN_IN: State.AUTHENTICATED,
        Move.END: State.LOGOUT,
    },
    State.AUTHENTICATED: {
        Move.SELECT: State.SELECTED,
        Move.SIGN_OUT: State.NOT_AUTHENTICATED,
        Move.END: State.LOGOUT,
    },
    State.SELECTED: {
        Move.DESELECT: State.AUTHENTICATED,
        Move.END: State.LOGOUT,
    },
    State.LOGOUT: {
        Move.END: State.LOGOUT,
    },
}

#: States in which a command may be given (RFC 3501 §6).
ANY = frozenset((State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED))
NOT_SIGNED_IN = frozenset((State.NOT_AUTHENTICATED,))
SIGNED_IN = frozenset((State.AUTHENTICATED, State.SELECTED))
ONLY_SELECTED = frozenset((State.SELECTED,))


def after(state: State, move: Move) -> State:
    """
    The next state.

    @raise RuntimeError: no such transition.
    """
    following = TRANSITIONS[state].get(move)
    if following is None:
        raise RuntimeError(f"{move.name} in state {state.value}")
    return following
