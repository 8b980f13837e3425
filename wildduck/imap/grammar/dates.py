"""Dates, and dates with times (RFC 3501 §9 'date', 'date-time')."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

from wildduck.imap.grammar.cursor import Cursor

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_NUMBER_OF = {name.upper(): number for number, name in enumerate(_MONTHS, 1)}
_DATE_TIME = re.compile(
    rb'"( [0-9]|[0-9]{2})-([A-Za-z]{3})-([0-9]{4})'
    rb' ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')


def parse_date(cursor: Cursor) -> date:
    """
    A day, quoted or not.

    @raise ProtocolError: broken, or no such day.
    """
    start = cursor.position
    match = cursor.match(_DATE)
    if match is None:
        raise cursor.error("broken date")
    _quote, day, month, year = match.groups()
    try:
        return date(int(year), _NUMBER_OF.get(month.upper(), 0), int(day))
    except ValueError:
        cursor.position = start
        raise cursor.error("no such date") from None


def compose_date(day: date) -> bytes:
    return b"%d-%b-%04d" % (day.day, _MONTHS[day.month - 1], day.year)


def date_time(cursor: Cursor) -> datetime:
    """
    A quoted date, time and zone, as an aware time.

    A leap second counts as the second before it.

    @raise ProtocolError: broken, or no such date.
    """
    start = cursor.position
    match = cursor.match(_DATE_TIME)
    if match is None:
        raise cursor.error("broken date and time")
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    try:
        offset = timedelta(hours=int(zone_hours), minutes=_sixty(zone_minutes))
        return datetime(
            int(year),
            _NUMBER_OF.get(month.upper(), 0),
            int(day),
            int(hour),
            int(minute),
            59 if second == b"60" else int(second),
            tzinfo=timezone(-offset if sign == b"-" else offset),
        )
    except ValueError:
        cursor.position = start
        raise cursor.error("no such date and time") from None


def _sixty(digits: bytes) -> int:
    if int(digits) >= 60:
        raise ValueError(digits)
    return int(digits)


def compose_date_time(time: datetime) -> bytes:
    """
    @param time: aware; a naive one is in UTC, as databases give it.
    """
    offset = time.utcoffset()
    minutes = 0 if offset is None else int(offset.total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return b'"%02d-%b-%04d %02d:%02d:%02d %b%02d%02d"' % (
        time.day,
        _MONTHS[time.month - 1],
        time.year,
        time.hour,
        time.minute,
        time.second,
        b"-" if minutes < 0 else b"+",
        hours,
        rest,
    )
