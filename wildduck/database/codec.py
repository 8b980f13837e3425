"""
Python values and BSON: decided once, for all that is read and written.

Dates are aware C{datetime}s in UTC; one that Python can't express is cut to
its earliest or latest.  Binary of subtype 0 is C{bytes}.  Integers beyond 32
bits are written as int64 and come back as C{Int64}, an C{int} that stays one
when it is written again; WildDuck writes its large numbers as doubles, so what
must be whole is to be passed through C{int} by the reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from wildduck.database.failures import TOO_LARGE
from wildduck.errors import DatabaseFailure
from wildduck.limits import BSON_BYTES

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, tzinfo=timezone.utc, datetime_conversion=DatetimeConversion.DATETIME_CLAMP
)

#: A command may be longer than the longest document by this much.
_FRAME = 16 * 1024


def encode(document: Mapping[str, Any]) -> bytes:
    """
    @raise DatabaseFailure: the document holds what BSON can't, or is longer
        than mongod takes (code 10334), which would cost the connection.
    """
    try:
        data: bytes = bson.encode(document, codec_options=CODEC)
    except (BSONError, OverflowError, UnicodeEncodeError, TypeError, RecursionError) as error:
        # The text of these shows the document.
        raise DatabaseFailure(None, f"Document can not be stored ({type(error).__name__})") from None
    if len(data) > BSON_BYTES + _FRAME:
        raise DatabaseFailure(TOO_LARGE)
    return data


def decode(data: bytes | bytearray | memoryview) -> dict[str, Any]:
    """
    @raise DatabaseFailure: not BSON.
    """
    try:
        return bson.decode(data, codec_options=CODEC)
    except (BSONError, ValueError) as error:
        raise DatabaseFailure(None, f"Stored document can not be read ({type(error).__name__})") from None
