"""ENVELOPE, BODY and BODYSTRUCTURE of the whole corpus, ours against Dovecot's."""

from __future__ import annotations

import tempfile
from typing import Any

from test.interop import structures
from test.interop.case import Failed, Setting, Skipped, output_of
from test.interop.dovecot_differences import ROWS, unexplained
from test.interop.programs import find
from test.support.blocking_imap import Imap
from test.support.corpus import Sample, folder, samples
from test.support.dovecot import Dovecot

#: Any name signs in with it; the folder goes with the comparison.
_PASSWORD = "interop"
_ITEMS = "(RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)"


def dovecot_structures(setting: Setting) -> str:
    """The corpus appended to both: the same answers, but for those that the table explains."""
    version = output_of([find("dovecot"), "--version"]).strip()
    corpus = samples()
    if not corpus:
        raise Skipped(f"no corpus in {folder()} (WILDDUCK_CORPUS names another folder)")
    setting.account("structures")
    with setting.server.imap("structures") as client:
        ours = answers(client, corpus)
    theirs = _dovecots(corpus)
    problems = []
    for sample, our, their in zip(corpus, ours, theirs, strict=True):
        problems += [f"{sample.name}: {problem}" for problem in compare(sample.name, our, their)]
    problems += [f"{row.message}: listed, but not in the corpus" for row in _gone(corpus)]
    if problems:
        raise Failed("\n".join(problems))
    return (
        f"{len(corpus)} messages as Dovecot {version} has them, "
        f"but for {len({row.message for row in ROWS})} where the RFCs are on our side"
    )


def _dovecots(corpus: list[Sample]) -> list[dict[str, Any]]:
    # Its UNIX sockets want a short path.
    with (
        tempfile.TemporaryDirectory(prefix="dovecot-") as place,
        Dovecot(place, find("dovecot"), _PASSWORD) as peer,
        peer.client("structures") as client,
    ):
        return answers(client, corpus)


def answers(client: Imap, corpus: list[Sample]) -> list[dict[str, Any]]:
    """Append the corpus to an empty INBOX and ask for the structures."""
    for sample in corpus:
        client.append("INBOX", sample.complete)
    client.select()
    return [client.fetch(uid, _ITEMS) for uid in client.uids()]


def compare(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """What differs in one message and has no reason in the table."""
    found = structures.differences(_envelope(ours), _envelope(theirs))
    found |= structures.differences(_structure(ours, "BODYSTRUCTURE"), _structure(theirs, "BODYSTRUCTURE"))
    problems = unexplained(name, found)
    # BODY is BODYSTRUCTURE without the extension data, and differs where that does.
    ours_body = _structure(ours, "BODY")
    for field, pair in structures.differences(ours_body, _structure(theirs, "BODY")).items():
        if found.get(field) != pair and not any(row.anything for row in ROWS if row.message == name):
            problems.append(f"BODY {field}: ours {pair[0]!r}, Dovecot's {pair[1]!r}")
    extended = _structure(ours, "BODYSTRUCTURE")
    problems += [
        f"BODY {field}: {value!r}, but BODYSTRUCTURE has {extended.get(field)!r}"
        for field, value in ours_body.items()
        if extended.get(field) != value
    ]
    return problems


def _envelope(row: dict[str, Any]) -> dict[str, Any]:
    return structures.envelope_fields(row["ENVELOPE"], "envelope ")


def _structure(row: dict[str, Any], item: str) -> dict[str, Any]:
    return structures.structure_fields(row[item])


def _gone(corpus: list[Sample]) -> list[Any]:
    names = {sample.name for sample in corpus}
    return [row for row in ROWS if row.message not in names]
