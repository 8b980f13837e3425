"""
Answers: what a route says, as structs, and how they become bytes.

Members have WildDuck's names.  The structs give the OpenAPI document its
response schemas, and each answer is held against its struct before it is
sent: one that does not fit is our fault and never a surprise for clients that
trust the document.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec
from bson import ObjectId
from msgspec import UNSET, Struct, UnsetType

from wildduck import limits

__all__ = ["UNSET", "Answer", "ErrorAnswer", "Made", "Success", "UnsetType", "WrongAnswer", "encode", "iso"]


class Answer(Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of answers and of the objects in them; C{UNSET} members are left out."""


class Success(Answer, kw_only=True):
    """C{success}, with what subclasses add."""

    success: bool = True


class Made(Success, kw_only=True):
    """@ivar id: of what was made."""

    id: str


class ErrorAnswer(Struct, kw_only=True):
    """
    The error envelope (spec/api.md 'Error envelope'); some errors add members.

    @ivar error: text for people.
    @ivar code: what programs look at.
    @ivar details: for each failed parameter (levels joined by commas) what is wrong.
    """

    error: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    details: dict[str, str] | UnsetType = UNSET


class WrongAnswer(Exception):
    """An answer does not fit its struct; the text says where."""


def iso(time: datetime) -> str:
    """C{2026-01-02T03:04:05.678Z}; MongoDB's naive times are UTC."""
    if time.tzinfo is not None:
        time = time.astimezone(timezone.utc)
    # Not by strftime, which on Linux gives years before 1000 less than four digits.
    return time.replace(tzinfo=None).isoformat("T", "milliseconds") + "Z"


def _hook(value: Any) -> Any:
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, str):
        # A script (bson.Code), which a document can have in place of a text.
        return str.__str__(value)
    raise TypeError(f"{type(value).__name__} can not be part of an answer")


_encoder = msgspec.json.Encoder(enc_hook=_hook)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(value: Any) -> bytes:
    """JSON as it is sent: two blanks for each level and a line break at the end."""
    return pretty(compact(value))


def compact(value: Any) -> bytes:
    """JSON in its shortest form."""
    return _encoder.encode(value)


def pretty(encoded: bytes) -> bytes:
    """JSON as it is sent, from its shortest form, which what is very long stays in."""
    if len(encoded) > limits.API_INDENTED:
        return encoded + b"\n"
    return msgspec.json.format(encoded, indent=2) + b"\n"


def check(encoded: bytes, answer: type[Answer]) -> None:
    """@raise WrongAnswer: the JSON does not fit the struct."""
    decoder = _decoders.get(answer)
    if decoder is None:
        decoder = _decoders[answer] = msgspec.json.Decoder(answer)
    try:
        decoder.decode(encoded)
    except msgspec.ValidationError as error:
        raise WrongAnswer(f"{answer.__name__}: {error}") from None
