"""Keeping events below a level out of the log."""

from __future__ import annotations

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)


def limit_log(level: str) -> None:
    """
    Let only events of this level and above reach the log that twistd opened.

    twistd sets its observer up by its own options (file, syslog, standard
    output); it offers no filter, so the observers in place are wrapped.

    @param level: name of a L{LogLevel}.
    """
    predicate = LogLevelFilterPredicate(LogLevel.levelWithName(level))
    for observer in list(globalLogPublisher._observers):
        globalLogPublisher.removeObserver(observer)
        globalLogPublisher.addObserver(FilteringLogObserver(observer, [predicate]))
