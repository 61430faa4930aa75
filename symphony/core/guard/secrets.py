"""Keys, tokens and passwords in a text, found by their known shapes and by how they look.

A shape alone is not enough: what a person wrote as a placeholder has little entropy, or says what it is.
Every pattern is bounded in length and begins where a word begins, so that a text of any kind is read in
time that grows with its length and no faster.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from symphony.core.guard.assigned import assigned_secrets
from symphony.core.guard.entropy import is_drawn
from symphony.core.guard.finding import Match
from symphony.core.guard.shapes import SHAPES
from symphony.core.redaction import REDACTED, Redactor

TEXT_LIMIT: Final = 1 << 17  # characters of one text that are looked at
NAME_BEFORE: Final = 80  # characters before a secret in which its name is looked for
KEY_BODY: Final = 1_000  # characters after the first line of a private key in which its letters begin
NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]{0,60})[\"'`]?\s{0,4}(?::=|=>|[:=])\s{0,4}[\"'`]?$")
PLAIN_NAME: Final = re.compile(r"[A-Za-z]{1,20}\d{0,4}(?:[_.-]{1,2}[A-Za-z]{0,20}\d{0,4}){0,12}")
REDACTOR: Final = Redactor(())


def find_secrets(text: str, limit: int = TEXT_LIMIT) -> Iterator[Match]:
    """Yield each secret in the first `limit` characters of the text, no place twice."""
    text = text[:limit]
    low = lower(text)
    taken: list[tuple[int, int]] = []
    for rule, span in chain(_shaped(text, low), assigned_secrets(text, low)):
        if not any(start < span[1] and span[0] < end for start, end in taken[-OVERLAPS:]):
            taken.append(span)
            yield Match(rule, _excerpt(text, span), *span)
    yield from _private_keys(text, low)


def without_secrets(text: str) -> str:
    """Return a short text with every secret in it taken out."""
    for match in sorted(find_secrets(text), key=lambda found: -found.start):
        text = f"{text[: match.start]}{REDACTED}{text[match.end :]}"
    return REDACTOR.text(text)


def _shaped(text: str, low: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for shape in SHAPES:
        if any(marker in low for marker in shape.markers):
            for found in shape.pattern.finditer(text):
                span = found.span("secret") if "secret" in shape.pattern.groupindex else found.span()
                if is_drawn(text[slice(*span)], shape.least) and shape.holds(found):
                    yield shape.rule, span


def lower(text: str) -> str:
    """Return the text in lower case, no character of it longer than before."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


OVERLAPS: Final = 64  # secrets that are compared with; more in one text are a dump, found either way


def _excerpt(text: str, span: tuple[int, int]) -> str:
    name = NAME.search(text, max(0, span[0] - NAME_BEFORE), span[0])
    hidden = f"[redacted, {span[1] - span[0]} characters]"
    return f"{name[1]}={hidden}" if name and not _tells(name[1]) else hidden


def _tells(name: str) -> bool:
    """Say whether what stands before a secret may be one as well."""
    return PLAIN_NAME.fullmatch(name) is None or any(shape.pattern.search(name) for shape in SHAPES)


PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d:"
)
KEY_LETTERS: Final = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,200}")


def _private_keys(text: str, low: str) -> Iterator[Match]:
    if "private key" not in low and "putty-user-key" not in low:
        return
    for begin in PRIVATE_KEY.finditer(text):
        ends = text.find("-----", begin.end(), begin.end() + KEY_BODY)
        ends = min(len(text), begin.end() + KEY_BODY) if ends < 0 else ends
        for letters in KEY_LETTERS.finditer(text, begin.end(), ends):
            if is_drawn(letters[0], 4.0):
                yield Match("private-key", "[redacted, a private key]", begin.start(), letters.end())
                break
