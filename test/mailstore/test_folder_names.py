"""Names of special-use mailboxes."""

from __future__ import annotations

from twisted.trial import unittest

from wildduck.mailstore.folder_names import SPECIAL_USES, folder_name


class FolderNameTests(unittest.SynchronousTestCase):
    """spec/behaviour.md §1.6."""

    def names(self, language: str) -> list[str]:
        return [folder_name(use, language) for use in SPECIAL_USES]

    def test_english(self) -> None:
        """English is the default."""
        self.assertEqual(["Sent Mail", "Trash", "Drafts", "Junk"], self.names(""))
        self.assertEqual(self.names("en"), self.names("tlh"))

    def test_estonian(self) -> None:
        """A language has its own names."""
        self.assertEqual(["Saadetud kirjad", "Prügikast", "Mustandid", "Rämpspost"], self.names("et"))

    def test_region_is_left_out(self) -> None:
        """The part before _ or - picks the names."""
        self.assertEqual(self.names("pt"), self.names("pt_BR"))
        self.assertEqual(self.names("de"), self.names("DE-at"))

    def test_missing_name_is_english(self) -> None:
        """Urdu has a name for Drafts alone."""
        self.assertEqual(["Sent Mail", "Trash", "ڈرافٹ", "Junk"], self.names("ur"))

    def test_unknown_use(self) -> None:
        """There is no name for an unknown use."""
        self.assertRaises(KeyError, folder_name, "\\All", "en")
