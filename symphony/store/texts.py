"""Times and JSON as the text that the store's columns hold."""

import json
from datetime import UTC, datetime
from typing import Any


def instant_text(at: datetime) -> str:
    """Return an aware time as ISO 8601 in UTC with microseconds; texts sort as the times do.

    Raises:
        ValueError: the time is naive.
    """
    if at.tzinfo is None:
        raise ValueError(f"a naive time cannot be stored: {at!r}")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def optional_instant_text(at: datetime | None) -> str | None:
    """Return the text, or None for None."""
    return None if at is None else instant_text(at)


def optional_instant(text: str | None) -> datetime | None:
    """Return the time, or None for None."""
    return None if text is None else datetime.fromisoformat(text)


def json_text(value: Any) -> str:
    """Return compact JSON; what JSON cannot hold becomes its text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
