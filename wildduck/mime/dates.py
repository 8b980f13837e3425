"""
The Date field (RFC 5322 §3.3, §4.3): a moment, a day, or nothing.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

from wildduck.mime.parameters import without_comments

#: No date is longer; what follows is not looked at.
_LENGTH = 512

_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: number for number, name in enumerate(_NAMES.split(), start=1)}

#: RFC 5322 §4.3.  Single letters were defined wrongly in RFC 822 and mean
#: nothing, as any unknown name does.
_ZONES = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}

_DATE = re.compile(
    r"(?:[A-Za-z]{2,9}\.?[ ,]+)?"
    r"(?P<day>\d{1,2})[ .-]+(?P<month>[A-Za-z]{3})[A-Za-z]{0,6}[ .,-]+(?P<year>\d{2,5})"
    r"[ ,]+(?P<hour>\d{1,2})[ ]?:[ ]?(?P<minute>\d{1,2})(?:[ ]?:[ ]?(?P<second>\d{1,2})(?:[.]\d{1,9})?)?"
    r"(?:[ ]?(?P<zone>[+-]\d{4}|[A-Za-z]{1,5}(?P<offset>[+-]\d{4})?))?"
)
#: The day of a date whose time can not be read.
_DAY = re.compile(
    r"(?:[A-Za-z]{2,9}\.?[ ,]+)?"
    r"(?P<day>\d{1,2})[ .-]+(?P<month>[A-Za-z]{3})[A-Za-z]{0,6}[ .,-]+(?P<year>\d{4})(?!\d)"
)
# C's asctime, as in old mail.
_ASCTIME = re.compile(
    r"(?:[A-Za-z]{3}[ ,]+)?(?P<month>[A-Za-z]{3}) (?P<day>\d{1,2}) (?P<hour>\d{1,2}):(?P<minute>\d{1,2}):"
    r"(?P<second>\d{1,2}) (?:(?P<zone>[+-]\d{4}|[A-Za-z]{1,5}(?P<offset>[+-]\d{4})?) )?(?P<year>\d{4})"
)


def parse(value: str) -> datetime | None:
    """
    Read a date.

    @param value: the body of a Date field, with comments and folding.
    @return: the moment in UTC, whole seconds; C{None} where there is no date,
        or one that does not exist or lies outside the years 1 to 9999.
    """
    read = _read(value)
    return None if read is None else _moment(*read)


def written(value: str) -> date | None:
    """
    The day as it is written, whatever the time and the zone.

    @return: C{None} where L{parse} gives none.
    """
    read = _read(value)
    return None if read is None or _moment(*read) is None else read[0].date()


def sent(value: str) -> datetime | None:
    """
    As L{parse}, but where only the day can be read that day at 00:00:00 in UTC (RFC 5256 §2.2).
    """
    moment = parse(value)
    if moment is not None:
        return moment
    match = _DAY.match(" ".join(without_comments(value[:_LENGTH]).split()))
    month = _MONTHS.get(match["month"].lower()) if match is not None else None
    if match is None or month is None:
        return None
    try:
        return datetime(int(match["year"]), month, int(match["day"]), tzinfo=timezone.utc)
    except ValueError:
        return None


def _moment(local: datetime, zone: str) -> datetime | None:
    try:
        return local - _offset(zone)
    except OverflowError:
        return None


def _read(value: str) -> tuple[datetime, str] | None:
    """The time as it is written, marked as UTC though it is not, and its zone."""
    text = " ".join(without_comments(value[:_LENGTH]).split())
    match = _DATE.match(text) or _ASCTIME.match(text)
    if match is None:
        return None
    month = _MONTHS.get(match["month"].lower())
    if month is None:
        return None
    year = _full_year(match["year"])
    second = min(int(match["second"] or 0), 59 if match["second"] == "60" else 99)
    try:
        day, hour, minute = (int(match[name]) for name in ("day", "hour", "minute"))
        local = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return None
    return local, match["offset"] or match["zone"] or ""


def _full_year(digits: str) -> int:
    """RFC 5322 §4.3: two digits up to 49 are 2000 and later, other short years count from 1900."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year <= 49 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _offset(zone: str) -> timedelta:
    if zone[:1] in ("+", "-"):
        hours, minutes = int(zone[1:3]), int(zone[3:5])
        if hours > 23 or minutes > 59:
            return timedelta()
        offset = timedelta(hours=hours, minutes=minutes)
        return -offset if zone[0] == "-" else offset
    return timedelta(hours=_ZONES.get(zone.lower(), 0))
