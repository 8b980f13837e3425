"""Who is told of a change."""

from __future__ import annotations

from wildduck.events.notifier import Notifier

__all__ = ["Notifier"]
