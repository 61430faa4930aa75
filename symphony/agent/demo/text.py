"""What the demo agent repeats of others, bounded and without control characters."""

import re

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ELLIPSIS = "…"


def plain(text: str, limit: int) -> str:
    """Return text of at most `limit` characters in which nothing can move a cursor or a reader."""
    cleaned = CONTROL.sub("", text.replace("\r\n", "\n"))
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + ELLIPSIS


def one_line(text: str, limit: int = 200) -> str:
    """Return the text on one line, white space folded."""
    return plain(" ".join(plain(text, limit * 8).split()), limit)
