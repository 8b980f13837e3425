"""The table in docs/performance.rst."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from bench.results import Line, table
from test.support.server_process import ROOT

PATH = os.path.join(ROOT, "docs", "performance.rst")

_BEGIN, _END = ".. The table is written by python -m bench --write-docs.", ".. End of the table."


def write(about: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """Put the results between the two comments, and leave the rest of the page as it is."""
    with open(PATH, encoding="utf-8") as file:
        text = file.read()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert begin and end, f"{PATH} has no place for the table"
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(f"{before}{_BEGIN}\n\n{_facts(about)}\n\n{table(lines)}\n\n{_END}{after}")


def _facts(about: Mapping[str, Any]) -> str:
    durability = about["durability"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    servers = "\n".join(f"- {title}: {durability[name]}" for name, title in about["servers"].items())
    return (
        f"{servers}\n\nDatabases: {versions}, on {about['storage']}, as is Dovecot's mail;"
        f" {about['cores']} cores; a mailbox of {about['messages']:,} messages; {about['rounds']} rounds."
    )
