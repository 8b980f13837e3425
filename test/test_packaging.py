"""What is installed, and that twistd finds the plugin in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

from twisted.trial import unittest

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SOURCES = ("wildduck", "twisted", "test", "setup.py", "setup.cfg", "pyproject.toml", "README.rst", "LICENSE")
_FIND = (
    "from twisted.application.service import IServiceMaker; from twisted.plugin import getPlugins;"
    "print(sorted(p.module for p in getPlugins(IServiceMaker) if p.tapname == 'wildduck'))"
)


def _run(*argv: str, path: str, folder: str) -> str:
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *argv], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done
    return done.stdout


class PackagingTests(unittest.SynchronousTestCase):
    """The checkout and the wheel."""

    def folder(self) -> str:
        path = tempfile.mkdtemp(prefix="wildduck-packaging-")
        self.addCleanup(shutil.rmtree, path)
        return path

    def assertFound(self, path: str) -> None:
        """twistd finds the plugin with this folder on the path, and its options."""
        elsewhere = self.folder()
        self.assertEqual(_run("-c", _FIND, path=path, folder=elsewhere), "['wildduck.service']\n")
        twistd = "from twisted.scripts.twistd import run; run()"
        usage = _run("-c", twistd, "wildduck", "--help", path=path, folder=elsewhere)
        for option in ("--config", "--data", "--set"):
            self.assertIn(option, usage)

    def test_checkout(self) -> None:
        """The plugin is found in a checkout."""
        self.assertFound(_ROOT)

    def test_no_init(self) -> None:
        """twisted/ and twisted/plugins/ have no __init__.py, which would hide Twisted's own."""
        for names in (("twisted",), ("twisted", "plugins")):
            self.assertFalse(os.path.exists(os.path.join(_ROOT, *names, "__init__.py")))

    def _wheel(self) -> str:
        """A wheel, built from a copy so that nothing is left in the checkout."""
        source, output = self.folder(), self.folder()
        ignored = shutil.ignore_patterns("__pycache__", "dropin.cache")
        for name in _SOURCES:
            path = os.path.join(_ROOT, name)
            if os.path.isdir(path):
                shutil.copytree(path, os.path.join(source, name), ignore=ignored)
            else:
                shutil.copy(path, source)
        pip = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", output)
        _run(*pip, source, path="", folder=source)
        (name,) = os.listdir(output)
        return os.path.join(output, name)

    def test_wheel(self) -> None:
        """The wheel holds the package, the plugin and the command, no tests; the plugin is found in it."""
        with zipfile.ZipFile(self._wheel()) as wheel:
            names = wheel.namelist()
            target = self.folder()
            wheel.extractall(target)
        tops = {name.partition("/")[0] for name in names}
        self.assertEqual({top for top in tops if not top.endswith(".dist-info")}, {"wildduck", "twisted"})
        self.assertEqual(
            [name for name in names if name.startswith("twisted/")], ["twisted/plugins/wildduck_plugin.py"]
        )
        modules = {
            os.path.relpath(os.path.join(folder, name), _ROOT)
            for folder, _, files in os.walk(os.path.join(_ROOT, "wildduck"))
            for name in files
            if name.endswith(".py")
        }
        self.assertEqual({name for name in names if name.startswith("wildduck/")}, modules)
        (entry_points,) = [name for name in names if name.endswith("/entry_points.txt")]
        with open(os.path.join(target, entry_points)) as file:
            self.assertIn("wildduck = wildduck.command_line.main:main", file.read())
        self.assertFound(target)
