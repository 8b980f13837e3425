"""What the API has accepted is kept: C{kill -9} in the midst of uploads, changes and deletions."""

from __future__ import annotations

import http.client
import json
import random
import threading
from typing import Any

from bson import ObjectId

from test.integration.callers import Callers
from test.integration.test_kill import message
from test.support.databases import blocking_database, blocking_redis
from test.support.server_process import ServerProcess, ServerTestCase

_THREADS = 3
_UPLOADS = 150
#: Accepted uploads after which the server is killed.
_KILLS = (40, 90)
_PAUSE = 0.05


class _Uploaders(Callers):
    """
    Each uploads messages, moves some and deletes others.

    @ivar accepted: what each accepted message became by the last answer: C{INBOX}, C{Sent Mail} or C{""}.
    """

    def __init__(self, server: ServerProcess, user: str, boxes: dict[str, str]) -> None:
        self.accepted: dict[str, str] = {}
        #: Whose last call was not answered: either of two things may hold of them.
        self.doubtful: dict[str, str] = {}
        self._path = f"/users/{user}/mailboxes"
        self._boxes = boxes
        super().__init__(server, _THREADS)

    def _run(self, number: int) -> None:
        rng = random.Random(number)
        made = 0
        while len(self.accepted) < _UPLOADS and not self.problems:
            name = f"t{number}.{made}"
            made += 1
            answer = self._call("POST", f"{self._boxes['INBOX']}/messages", message(name, rng))
            if answer is not None:
                self._set(name, "INBOX")
                self._change(name, answer["message"]["id"], made % 3)

    def _change(self, name: str, uid: int, what: int) -> None:
        path = f"{self._boxes['INBOX']}/messages/{uid}"
        if what == 1:
            self.doubtful[name] = "Sent Mail"
            body = json.dumps({"moveTo": self._boxes["Sent Mail"], "flagged": True}).encode()
            if self._call("PUT", path, body, "application/json") is not None:
                self._set(name, "Sent Mail")
        elif what == 2:
            self.doubtful[name] = ""
            if self._call("DELETE", path) is not None:
                self._set(name, "")

    def _set(self, name: str, place: str) -> None:
        with self._changed:
            self.accepted[name] = place
            self.doubtful.pop(name, None)
            self._changed.notify_all()

    def _call(self, method: str, path: str, body: bytes | None = None, kind: str = "message/rfc822") -> Any:
        """@return: C{None}: the server or its database is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.ports["api"], timeout=60)
        try:
            connection.request(method, f"{self._path}/{path}", body, {"Content-Type": kind})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            threading.Event().wait(_PAUSE)
            return None
        finally:
            connection.close()
        if answer.status == 200:
            return json.loads(content)
        if answer.status != 503:
            self.problems.append(f"{method} {path}: {answer.status} {content!r}")
        threading.Event().wait(_PAUSE)
        return None


class KillTests(ServerTestCase):
    def test_server(self) -> None:
        """Each accepted message is where its last answer says, once, and the verifier mends the rest."""
        server = self.server()
        server.account("kill")
        db = blocking_database(server.settings(server.data))
        redis = blocking_redis(server.settings(server.data))
        user = db.users.find_one({"username": "kill"})["_id"]
        boxes = {row["path"]: str(row["_id"]) for row in db.mailboxes.find({"user": user})}
        callers = _Uploaders(server, str(user), boxes)
        for count in _KILLS:
            callers.wait_for(count)
            server.kill()
            server.start()
            # The locks that it held end by themselves, some time later.
            held = redis.keys("mail:mbwr:*")
            if held:
                redis.delete(*held)
        callers.join()
        self.assertEqual(callers.problems, [])
        places = {ObjectId(id): path for path, id in boxes.items()}
        found: dict[str, list[str]] = {}
        for row in db.messages.find({"user": user}):
            name = row["msgid"].strip("<>").partition("@")[0]
            found.setdefault(name, []).append(places[row["mailbox"]])
        for name, place in callers.accepted.items():
            there = found.pop(name, [])
            allowed = [[place] if place else []]
            if name in callers.doubtful:
                allowed.append([callers.doubtful[name]] if callers.doubtful[name] else [])
            self.assertIn(there, allowed, name)
        # What was stored though nobody heard of it: at most one for each caller and kill.
        self.assertLessEqual(len(found), _THREADS * len(_KILLS))
        self.assertTrue(all(len(there) == 1 for there in found.values()), found)
        repaired = server.command("verify", "--min-age", "0", "--repair")
        self.assertEqual(repaired.returncode, 0, repaired)
        clean = server.command("verify", "--min-age", "0", "--contents")
        self.assertEqual((clean.returncode, clean.stdout), (0, "nothing found\n"), repaired)
