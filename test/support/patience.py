"""Tests by hypothesis on a machine that is busy with others."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings


def patient(**more: Any) -> settings:
    """Settings by which a pause of the machine is no failure of the test."""
    return settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], **more)
