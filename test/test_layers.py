"""
The floors of the house hold, and what watches them sees a breach.

The contracts are import-linter's, in pyproject.toml; C{make lint} checks the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

from twisted.trial import unittest

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

#: Module, an import it must not have, and a word of the contract that forbids it.
_BREACHES = (
    ("lmtp/planted.py", "import wildduck.imap.session", "wildduck.lmtp.planted -> wildduck.imap.session"),
    ("pop3/planted.py", "import wildduck.imap.session", "wildduck.pop3.planted -> wildduck.imap.session"),
    ("mailstore/planted.py", "import wildduck.api", "wildduck.mailstore.planted -> wildduck.api"),
    ("accounts/planted.py", "import txmongo", "wildduck.accounts.planted -> txmongo"),
    (
        "imap/grammar/planted.py",
        "from twisted.internet import defer",
        "wildduck.imap.grammar.planted -> twisted",
    ),
    ("mime/planted.py", "import wildduck.database", "wildduck.mime.planted -> wildduck.database"),
    ("network/planted.py", "import wildduck.mailstore", "wildduck.network.planted -> wildduck.mailstore"),
    ("api/frame/planted.py", "import wildduck.api.users", "wildduck.api.frame.planted -> wildduck.api.users"),
)


def lint(folder: str) -> tuple[int, str]:
    """import-linter's exit status and output for the package in a folder."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
            "--config",
            os.path.join(folder, "pyproject.toml"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": folder, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


class LayersTests(unittest.SynchronousTestCase):
    """An arrow only points down."""

    def test_kept(self) -> None:
        """Every contract holds."""
        status, output = lint(_ROOT)
        self.assertEqual(status, 0, output)
        self.assertIn("5 kept, 0 broken", output)

    def _copy(self) -> str:
        folder = tempfile.mkdtemp(prefix="wildduck-layers-")
        self.addCleanup(shutil.rmtree, folder)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(os.path.join(_ROOT, "wildduck"), os.path.join(folder, "wildduck"), ignore=ignored)
        shutil.copy(os.path.join(_ROOT, "pyproject.toml"), folder)
        return folder

    def test_breaches(self) -> None:
        """Each kind of breach, planted in a copy, is named."""
        folder = self._copy()
        for path, line, _ in _BREACHES:
            with open(os.path.join(folder, "wildduck", path), "w") as file:
                file.write(f"{line}\n")
        status, output = lint(folder)
        self.assertEqual(status, 1, output)
        for _, _, words in _BREACHES:
            self.assertIn(words, output)

    def test_new_package(self) -> None:
        """A package that has no floor is refused."""
        folder = self._copy()
        os.mkdir(os.path.join(folder, "wildduck", "planted"))
        with open(os.path.join(folder, "wildduck", "planted", "__init__.py"), "w"):
            pass
        status, output = lint(folder)
        self.assertEqual(status, 1, output)
        self.assertIn("planted", output)
