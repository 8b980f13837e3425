"""The OpenAPI document: valid, complete, the same by command and over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from test.api.test_application import ApiCase
from test.support.server_process import environment
from wildduck.api.frame.openapi import document
from wildduck.config import ApiSettings


class DocumentTests(ApiCase):
    api_settings = ApiSettings(token="master")

    async def test_valid(self) -> None:
        """It follows OpenAPI 3.1, needs no token, and has every route."""
        status, answer = await self.caller.call("GET", "/openapi.json")
        self.assertEqual(status, 200)
        OpenAPIV31SpecValidator(answer).validate()  # type: ignore[arg-type]
        served = {
            f"{method.upper()} {path.replace('{', '<').replace('}', '>')}"
            for path, operations in answer["paths"].items()
            for method in operations
        }
        self.assertEqual(served, {route.name for route in self.application.routes})
        rules = {rule.endpoint for rule in self.application.klein.url_map.iter_rules()}
        self.assertEqual(served, rules)

    def test_described(self) -> None:
        """Every route has a summary and a tag, and says what it takes."""
        made: Any = document(self.application.routes)
        for path, operations in made["paths"].items():
            for method, operation in operations.items():
                self.assertTrue(operation.get("tags"), (method, path))
                self.assertNotEqual(operation["summary"][:4], f"{method.upper():4}"[:4], (method, path))

    def test_names(self) -> None:
        """A schema has a word for its name: two answers of one name would have those of our modules."""
        made: Any = document(self.application.routes)
        self.assertEqual([name for name in made["components"]["schemas"] if not name.isidentifier()], [])

    def test_command(self) -> None:
        """'wildduck openapi' prints the same, without a server."""
        done = subprocess.run(
            [sys.executable, "-m", "wildduck.command_line", "openapi"],
            capture_output=True, text=True, env=environment(), timeout=120,
        )  # fmt: skip
        self.assertEqual(done.stderr, "")
        self.assertEqual(json.loads(done.stdout), json.loads(json.dumps(document(self.application.routes))))
