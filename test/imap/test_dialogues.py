"""Each dialogue of C{test/imap/dialogues} is a test, named by its file and its title."""

from __future__ import annotations

import os
import re
from typing import Any

from twisted.trial.unittest import TestCase

from test.imap.dialogue import FOLDER, Dialogue, Run, read


def _test(dialogue: Dialogue) -> Any:
    async def test(self: TestCase) -> None:
        await Run(dialogue).play(self)

    test.__doc__ = dialogue.title
    return test


def _methods(file: str) -> dict[str, Any]:
    methods: dict[str, Any] = {}
    for dialogue in read(file):
        name = "test_" + re.sub(r"\W+", "_", dialogue.title.lower()).strip("_")
        assert name not in methods, f"{file} has two dialogues with the title {dialogue.title!r}"
        methods[name] = _test(dialogue)
    return methods


for _file in sorted(os.listdir(FOLDER)):
    if _file.endswith(".txt") and _file != "README.txt":
        _name = "".join(word.title() for word in re.split(r"\W+", _file.removesuffix(".txt"))) + "Dialogues"
        globals()[_name] = type(
            _name,
            (TestCase,),
            {"__doc__": f"The dialogues of {_file}.", "__module__": __name__, **_methods(_file)},
        )
