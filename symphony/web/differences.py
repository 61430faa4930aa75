"""What differs between two texts, line by line, for a person who has to choose."""

import difflib
from dataclasses import dataclass
from typing import Final

LINES: Final = 2_000  # of both texts; comparing longer ones takes seconds
CONTEXT: Final = 2  # equal lines around a difference


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a comparison.

    Attributes:
        sign: `-` for a line that only the file has, `+` for one that was only typed, a blank for
            both, and `…` for what is left out.
    """

    sign: str
    text: str


def differences(theirs: str, mine: str) -> tuple[Difference, ...]:
    """Return what differs, the file's text first; nothing for texts that are too long to compare."""
    before, after = theirs.split("\n"), mine.split("\n")
    if len(before) + len(after) > LINES:
        return ()
    found = list(difflib.unified_diff(before, after, lineterm="", n=CONTEXT))[2:]
    return tuple(
        Difference("…", "") if line.startswith("@@") else Difference(line[0], line[1:]) for line in found
    )
