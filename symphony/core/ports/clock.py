"""Time, as an argument."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the time, aware UTC; within one process it never goes back."""
        ...

    async def sleep_until(self, due: datetime) -> None:
        """Return at or after `due`."""
        ...
