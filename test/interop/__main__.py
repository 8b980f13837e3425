"""
C{python -m test.interop [--list] [CASE…]}: other people's programs against the server.

It fetches what it lacks (Debian, npm and PyPI packages, all of them into C{.interop/}), starts a
server with private databases in a temporary folder, and says of each case whether it holds, fails or is
skipped, and why.  Exit status 1: something failed, or the server's log shows an error.

A new case is a function in the module of its kind of client, and a row of L{CASES}; it gets a
L{Setting}, by which it has accounts, folders to use as C{HOME}, and ports to connect to.  Those of
IMAP and POP3 without TLS are relays that record (L{test.interop.recorder}); what was said there
is judged when the case has ended (L{test.interop.transcript}), and the log of a client in TLS when the
case gives it to L{Setting.judge_log}.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback

from test.interop import (
    clients,
    comparison,
    curl,
    drains,
    fuzzing,
    libraries,
    mirrors,
    python,
    resync,
    screen,
    screen_resyncs,
    sorting,
    workers,
)
from test.interop.api import comparison as api_comparison
from test.interop.case import Case, Failed, Setting, Skipped
from test.interop.mixed import (
    announced,
    corpus as mixed_corpus,
    encrypted,
    guide,
    locks,
    odd,
    settings,
    sign_in as mixed_sign_in,
    tasks,
    tokens,
    writers,
)
from test.interop.programs import Missing
from test.support.server_process import ServerProcess, automatic_ports

CASES = (
    Case("swaks", clients.swaks_plain),
    Case("swaks-starttls", clients.swaks_starttls),
    Case("curl", clients.curl_account),
    Case("imaplib", clients.imaplib_reads),
    Case("imaplib-works", python.imaplib_works),
    Case("imaplib-resyncs", resync.imaplib_resyncs),
    Case("openssl", clients.openssl_implicit),
    Case("openssl-starttls", clients.openssl_starttls),
    Case("imapclient", libraries.imapclient),
    Case("imapflow", libraries.imapflow),
    Case("mbsync", mirrors.mbsync),
    Case("mbsync-tls", mirrors.mbsync_tls),
    Case("offlineimap", mirrors.offlineimap),
    Case("offlineimap-compressed", mirrors.offlineimap_compressed),
    Case("neomutt", screen.neomutt),
    Case("neomutt-tls", screen.neomutt_tls),
    Case("neomutt-condstore", screen_resyncs.condstore),
    Case("neomutt-qresync", screen_resyncs.qresync),
    Case("curl-imap", curl.imap),
    Case("curl-imaps", curl.imaps),
    Case("imapfilter", sorting.imapfilter),
    Case("imapfilter-idles", sorting.imapfilter_idles),
    Case("imapfilter-starttls", sorting.imapfilter_starttls),
    Case("imapfilter-tls", sorting.imapfilter_tls),
    Case("curl-pop3", curl.pop3),
    Case("curl-pop3s", curl.pop3s),
    Case("openssl-pop3", clients.openssl_pop3),
    Case("poplib", python.poplib_window),
    Case("fetchmail", drains.fetchmail),
    Case("fetchmail-cut", drains.fetchmail_cut),
    Case("getmail", drains.getmail),
    Case("getmail-cut", drains.getmail_cut),
    Case("mpop", drains.mpop),
    Case("mpop-cut", drains.mpop_cut),
    Case("imapflow-works", workers.imapflow),
    Case("imapflow-tls", workers.imapflow_tls),
    Case("imapclient-works", workers.imapclient),
    Case("imapclient-condstore", resync.imapclient_condstore),
    Case("imapclient-qresync", resync.imapclient_qresync),
    Case("imapflow-qresync", resync.imapflow),
    Case("imapclient-tls", workers.imapclient_tls),
    Case("dovecot", comparison.dovecot_structures),
    Case("wildduck-api", api_comparison.same_answers),
    Case("wildduck-corpus", mixed_corpus.served_there),
    Case("wildduck-announces", announced.from_here),
    Case("wildduck-announced", announced.from_there),
    Case("wildduck-workers", announced.by_worker_channels),
    Case("wildduck-locks", locks.waited_for),
    Case("wildduck-encrypts", encrypted.no_clear_copy),
    Case("wildduck-writers", writers.random_writers),
    Case("wildduck-odd", odd.odd_documents),
    Case("schemathesis", fuzzing.schemathesis),
    Case("wildduck-passwords", mixed_sign_in.same_passwords),
    Case("wildduck-counts", mixed_sign_in.same_counts),
    Case("wildduck-tasks", tasks.done_once),
    Case("wildduck-tokens", tokens.both_take),
    Case("wildduck-settings", settings.same_limits),
    Case("wildduck-guide", guide.followed),
)

#: POP3 clients shall see all of a large mailbox.
_SETTINGS = ("pop3.max_messages=0",)


def main(names: list[str]) -> int:
    """
    Run the named cases, all if none is named; C{--list}: name them and run none.

    @return: exit status.
    """
    if "--list" in names:
        print("\n".join(case.name for case in CASES))
        return 0
    known = {case.name: case for case in CASES}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no such case: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in names] or list(CASES)
    folder = tempfile.mkdtemp(prefix="wildduck-interop-")
    server = ServerProcess(os.path.join(folder, "data"), [*automatic_ports(), *_SETTINGS])
    try:
        server.start()
        setting = Setting(server, folder)
        try:
            failed = sum(not _run(case, setting) for case in chosen)
        finally:
            problems = setting.close()
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print(problem)
    errors = server.errors()
    for line in errors:
        print(f"the server's log: {line}")
    return 1 if failed or errors or problems else 0


def _run(case: Case, setting: Setting) -> bool:
    """Run one case and print what came of it; false if it failed."""
    began = time.monotonic()
    try:
        said, word, good = setting.run(case), "ok", True
    except (Skipped, Missing) as reason:
        said, word, good = str(reason), "SKIPPED", True
    except Failed as failure:
        said, word, good = str(failure), "FAILED", False
    except Exception as error:
        traceback.print_exc()
        said, word, good = f"{type(error).__name__}: {error}", "FAILED", False
    print(f"{case.name:22} {word:8} {time.monotonic() - began:5.1f} s  {said}", flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
