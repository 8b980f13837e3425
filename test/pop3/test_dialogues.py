"""Each dialogue of C{test/pop3/dialogues} is a test, named by its file and its title."""

from __future__ import annotations

from test.pop3.dialogue import Run
from test.support.dialogue import cases_of

globals().update(cases_of(Run, __name__))
