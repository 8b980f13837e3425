"""Who is told of a change."""

from __future__ import annotations

from wildduck.events.notifier import Notifier
from wildduck.events.worker_channels import WorkerChannels

__all__ = ["Notifier", "WorkerChannels"]
