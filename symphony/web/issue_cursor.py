"""How much of an issue a page shows: the words that a viewer comes back with."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from symphony.web.part import Part

MARK: Final = 8  # letters
CURSOR: Final = re.compile(rf"(?P<offset>[0-9]{{1,15}})(?:\.(?P<marks>(?:[0-9a-f]{{{MARK}}}){{0,20}}))?")


@dataclass(frozen=True, slots=True)
class IssueCursor:
    """How much a page shows; it means the same after a restart of the daemon.

    Attributes:
        offset: of the run log's first line that is not on it.
        seen: marks of the other parts, as they are on it.
    """

    offset: int
    seen: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "IssueCursor | None":
        """Return a cursor as it was given out; None for anything else."""
        found = CURSOR.fullmatch(text)
        if found is None:
            return None
        marks = found["marks"] or ""
        seen = (marks[start : start + MARK] for start in range(0, len(marks), MARK))
        return cls(int(found["offset"]), tuple(seen))

    def __str__(self) -> str:
        return f"{self.offset}.{''.join(self.seen)}"


def mark_of(part: Part) -> str:
    """Return what changes whenever the part looks different."""
    return hashlib.sha256(f"{part.id} {part.html}".encode("utf-8", "replace")).hexdigest()[:MARK]
