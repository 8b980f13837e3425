"""Sizes and times as people write them."""

from __future__ import annotations

import re
from typing import Any

import click

from wildduck.config import parse_size

_AGE = re.compile(r"(\d{1,9})\s*([smhd]?)\Z")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class SizeType(click.ParamType):
    """Bytes: C{1000000} or C{'2 GiB'}."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """@return: bytes."""
        if isinstance(value, int):
            return value
        size = parse_size(value)
        if size is None:
            self.fail(f"{value!r} is neither a number of bytes nor a size such as '64 MiB'", param, ctx)
        return size


class AgeType(click.ParamType):
    """A length of time: C{90} (seconds), C{30m}, C{24h}, C{7d}."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """@return: seconds."""
        if isinstance(value, int):
            return value
        match = _AGE.match(value)
        if not match:
            self.fail(f"{value!r} is not a time such as 0, 30m, 24h or 7d", param, ctx)
        return int(match.group(1)) * _SECONDS[match.group(2)]
