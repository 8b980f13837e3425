"""
The zone of an INTERNALDATE.

A database knows moments, WildDuck's C{idate} is one.  RFC 3501 has more: FETCH
INTERNALDATE of a message is "as specified by the date-time" of its APPEND
(§2.3.3, §6.3.11), and SEARCH ON goes by the day in it "disregarding time and
timezone" (§6.4.4), which is another than that of UTC for some hours of each day.
So the zone is kept, in a field of ours that WildDuck copies with the message and
reads nowhere (store.md §6), unless it is UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

#: Minutes east of UTC, an integer; missing: UTC.
FIELD = "native.zone"

#: A zone is less than a day away, in minutes.
MOST = 24 * 60 - 1


def fields_of(moment: datetime) -> dict[str, Any]:
    """
    What a document has of the zone of its C{idate}.

    @param moment: aware.
    """
    offset = moment.utcoffset()
    minutes = 0 if offset is None else round(offset.total_seconds()) // 60
    return {"native": {"zone": minutes}} if minutes else {}


def zone_of(document: Mapping[str, Any]) -> int:
    """
    Minutes east of UTC.

    @param document: with L{FIELD}; whatever is stored there.
    """
    native = document.get("native")
    zone = native.get("zone") if isinstance(native, Mapping) else None
    return zone if isinstance(zone, int) and -MOST <= zone <= MOST else 0


def placed(moment: datetime, document: Mapping[str, Any]) -> datetime:
    """
    The same moment in the zone of its document.

    @param moment: in UTC, naive or aware.
    """
    zone = zone_of(document)
    if not zone:
        return moment
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone(timedelta(minutes=zone)))
    except OverflowError:
        # It would lie in the year 0 or 10,000, which no protocol can write.
        return moment
