"""One thing that happens next to an issue, with its time where the clock decides it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from symphony.core.text import duration


@dataclass(frozen=True, slots=True)
class Step:
    """What happens next.

    Attributes:
        text: a sentence without its full stop; it names what brings it about where no time does.
        at: when the clock brings it about, aware UTC; None where an event or a person does.
    """

    text: str
    at: datetime | None = None

    def sentence(self, now: datetime) -> str:
        """Return it with its time, absolute and as seen from now."""
        return f"{self.text}." if self.at is None else f"{self.text}, {when(self.at, now)}."


def when(at: datetime, now: datetime) -> str:
    """Return a time in UTC and how far off it is."""
    seconds = (at - now).total_seconds()
    away = f"in {duration(seconds)}" if seconds >= 0 else f"due {duration(-seconds)} ago"
    return f"at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {away}"
