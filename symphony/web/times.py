"""Times and durations as the HTTP API gives them [CONTRACT 7.1]."""

from datetime import UTC, datetime, timedelta


def time_view(moment: datetime | None) -> str | None:
    """Return a time in UTC with milliseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_view(duration: timedelta) -> float:
    """Return a duration in seconds, to the millisecond, never negative."""
    return max(0.0, round(duration.total_seconds(), 3))
