"""Whether two reports tell the same failure, whatever numbers differ in them."""

import re

COMPARED = 8_000  # characters; the start of a failure names it
CHANGING = re.compile(r"[0-9a-fA-F]*[0-9][0-9a-fA-F]*")  # times, sizes, process ids, commits, temporary names


def repeats(text: str, earlier: str) -> bool:
    """Say whether a report tells what an earlier one did, but for numbers and ids."""
    return _trace(text) == _trace(earlier)


def _trace(text: str) -> str:
    return " ".join(CHANGING.sub("#", text[:COMPARED]).split())
