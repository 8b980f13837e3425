"""Each dialogue of C{test/imap/dialogues} is a test, named by its file and its title."""

from __future__ import annotations

from test.imap.dialogue import Run
from test.support.dialogue import cases_of

globals().update(cases_of(Run, __name__))
