"""Who made the commits of an issue: what their trailers say when they leave.

Trailers are lines at the end of a commit's message, in the form of `git interpret-trailers`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from symphony.core.text import one_line

ISSUE: Final = "Symphony-Issue"
ATTEMPT: Final = "Symphony-Attempt"
ADAPTER: Final = "Symphony-Adapter"
MODEL: Final = "Symphony-Model"
TRAILERS: Final = (ISSUE, ATTEMPT, ADAPTER, MODEL)
VALUE_SHOWN: Final = 120  # characters
AUTHOR: Final = re.compile(
    r"^\s*(?P<name>[^<>\x00-\x1f]*\w[^<>\x00-\x1f]*?)\s*<(?P<email>[^<>\s]+@[^<>\s]+)>\s*$"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """One attempt, as its commits name it.

    Attributes:
        number: the attempt's, from 1.
        model: as its agent calls it; empty when it did not say.
    """

    number: int
    adapter: str
    model: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Provenance:
    """An issue and its attempts, the oldest first."""

    issue_id: str
    attempts: tuple[Origin, ...] = ()

    def trailers(self, committed: float) -> tuple[str, ...]:
        """Return the lines for a commit that was made at this time, in seconds since 1970.

        A commit belongs to the last attempt that had begun by then. The time is the guest's own word:
        of one before all attempts the first is named.
        """
        lines = [(ISSUE, self.issue_id)]
        origin = self._at(committed)
        if origin is not None:
            lines += [(ATTEMPT, str(origin.number)), (ADAPTER, origin.adapter), (MODEL, origin.model)]
        return tuple(f"{name}: {one_line(value, VALUE_SHOWN)}" for name, value in lines if value)

    def _at(self, committed: float) -> Origin | None:
        # git keeps whole seconds
        begun = [origin for origin in self.attempts if int(origin.started_at.timestamp()) <= committed]
        return begun[-1] if begun else next(iter(self.attempts), None)


def without_trailers(message: str) -> str:
    """Return a commit's message without the lines that only symphony may write."""
    names = tuple(f"{name.casefold()}:" for name in TRAILERS)
    return "".join(
        line for line in message.splitlines(keepends=True) if not line.lstrip().casefold().startswith(names)
    )


def parse_author(text: str) -> tuple[str, str]:
    """Return name and address of `Name <address>`.

    Raises:
        ValueError: it is nothing of that form.
    """
    found = AUTHOR.match(text)
    if found is None:
        raise ValueError(text)
    return found["name"], found["email"]
