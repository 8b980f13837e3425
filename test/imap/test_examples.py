"""Each example of the RFCs has its dialogue, as C{test/imap/dialogues/EXAMPLES} says."""

from __future__ import annotations

import os
import re

from twisted.trial.unittest import SynchronousTestCase

from test.imap.dialogue import FOLDER
from test.support import dialogue


class ExampleTests(SynchronousTestCase):
    def test_dialogues_exist(self) -> None:
        """All that are named exist, and no section is named twice for one dialogue."""
        titles = {
            f"{name}: {found.title}"
            for name in os.listdir(FOLDER)
            if name.endswith(".txt") and name != "README.txt"
            for found in dialogue.read(FOLDER, name)
        }
        with open(os.path.join(FOLDER, "EXAMPLES"), encoding="utf-8") as file:
            rfcs = file.read().split("\n\n")[2:]
        self.assertGreater(len(rfcs), 10)
        for rfc in rfcs:
            first, *lines = rfc.strip().split("\n")
            self.assertRegex(first, r"^RFC \d{4}, ")
            self.assertEqual(len(lines), len(set(lines)))
            for line in lines:
                match = re.fullmatch(r"(?:\d[\d.]*|BASE\S+) +(- .+|\S+\.txt: .+)", line)
                assert match is not None, f"{first}: {line}"
                if not match.group(1).startswith("- "):
                    self.assertIn(match.group(1), titles, f"{first}: {line}")
