"""What agents and files say, made safe to print: bounded, without control characters."""

import re
from collections.abc import Sequence

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ELLIPSIS = "…"
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def plain(text: str, limit: int) -> str:
    """Return text of at most `limit` characters in which nothing can move a cursor or a reader.

    Line feeds and tabs stay; carriage returns, escapes and bidirectional overrides go.
    """
    cleaned = CONTROL.sub("", text.replace("\r\n", "\n"))
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + ELLIPSIS


def counted(number: int, noun: str) -> str:
    """Return the number with its noun: `1 issue`, `2 issues`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_of(names: Sequence[str], most: int, limit: int = 200) -> str:
    """Return the first names, each on one line, and how many more there are: `a, b and 3 more`."""
    shown = ", ".join(one_line(name, limit) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `42s`, `3m 5s`, `2h 0m`, `4d 1h`."""
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE}s"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE}m"
    return f"{whole // DAY}d {whole % DAY // HOUR}h"


def one_line(text: str, limit: int = 200) -> str:
    """Return the text on one line, white space folded, for titles, logs and tables."""
    return plain(" ".join(plain(text, limit * 8).split()), limit)
