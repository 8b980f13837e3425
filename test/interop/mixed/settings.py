"""What WildDuck's API sets for all servers is what this server goes by."""

from __future__ import annotations

import datetime
import os
from typing import Any

from bson import ObjectId

from test.interop.case import Setting, expect
from test.interop.mixed.cluster import SOON, Cluster, within
from test.interop.wildduck_server import WildDuck, request
from test.support.databases import helper
from test.support.server_process import ServerProcess, automatic_ports

_VALUES = {
    "const:max:storage": 3000,
    "const:max:mailboxes": 6,
    "const:max:recipients": 11,
    "const:max:forwards": 12,
    "const:max:filters": 13,
    "const:max:imap:upload": 1014,
    "const:max:imap:download": 1015,
    "const:max:pop3:download": 1016,
    "const:archive:time": 3_600_000,
    "const:authlog:time": 7_200_000,
}
#: Members of C{limits} that both APIs show.
_LIMITS = ("recipients", "forwards", "filters", "imapUpload", "imapDownload", "pop3Download")


def same_limits(setting: Setting) -> str:
    """C{POST /settings/:key}, and then a server of ours that looks when it starts."""
    databases = helper()
    number = databases.take()
    mongo = f"mongodb://127.0.0.1:{databases.mongo_port}/test{number}"
    redis = f"redis://127.0.0.1:{databases.redis_port}/{number}"
    folder = setting.place("settings")
    sets = [f"mongo.uri={mongo}", f"redis.uri={redis}", "mongo.mixed_cluster=true", *automatic_ports()]
    ours = ServerProcess(os.path.join(folder, "data"), sets)
    with WildDuck(mongo, redis, os.path.join(folder, "wildduck.log")) as theirs:
        mixed = Cluster(ours, theirs, databases.client[f"test{number}"], databases.redis(number))
        user = mixed.account("settings", there=True)
        for key, value in _VALUES.items():
            mixed.api("theirs", "POST", f"/settings/{key}", {"value": value})
        ours.start()
        try:
            _check(mixed, ours, user)
        finally:
            ours.close()
    expect(not ours.errors(), f"the server's log: {ours.errors()}")
    return f"{len(_VALUES)} settings"


def _check(mixed: Cluster, server: ServerProcess, user: ObjectId) -> None:
    def call(method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        return request(server.ports["api"], method, f"/users/{user}{path}", body, content_type)

    ours, theirs = call("GET", "")[1]["limits"], mixed.api("theirs", "GET", f"/users/{user}")["limits"]
    quota = ours["quota"]["allowed"], theirs["quota"]["allowed"]
    expect(quota == (3000, 3000), f"the quota here and there: {quota}")
    for name in _LIMITS:
        expect(ours[name]["allowed"] == theirs[name]["allowed"], f"{name}: {ours[name]}, {theirs[name]}")
    status, _ = call("POST", "/mailboxes", {"path": "sixth"})
    expect(status == 200, f"the sixth mailbox: {status}")
    status, answer = call("POST", "/mailboxes", {"path": "seventh"})
    expect(answer.get("code") == "LimitReached", f"the seventh mailbox: {status} {answer}")
    inbox = mixed.mailbox(user, "INBOX")
    messages = f"/mailboxes/{inbox}/messages"
    _, answer = call("POST", messages, b"Subject: s\r\n\r\n" + b"x" * 1000, "message/rfc822")
    status, refused = call("POST", messages, b"Subject: s\r\n\r\n" + b"x" * 3000, "message/rfc822")
    expect(refused.get("code") == "OverQuotaError", f"a message over the quota: {status} {refused}")
    call("DELETE", f"{messages}/{answer['message']['id']}")
    row = mixed.database["archived"].find_one({"user": user})
    kept = row["rdate"] - row["archived"].replace(tzinfo=datetime.timezone.utc).timestamp() * 1000
    expect(_near(kept, 3_600_000), f"archived for {kept} ms")
    server.imap("settings").close()
    signed_in = {"user": user, "protocol": "IMAP"}
    row = within(SOON, lambda: mixed.database["authlog"].find_one(signed_in), "the sign-in is logged")
    kept = (row["expires"] - row["created"]).total_seconds() * 1000
    expect(_near(kept, 7_200_000), f"the sign-in is logged for {kept} ms")


def _near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= 1
