"""The command line of a declared tool: literal text with `{name}` where an argument goes.

Pure. There is no shell: each entry of the template becomes one argument of the program, or none,
or with `{name...}` as many as a list has. A value can never become an option: an argument that
begins with it must not begin with `-`, unless the template has `--` before it.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from symphony.core.errors import SymphonyError

PIECE: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}|[{}]")
UNFIT: Final = re.compile("[\x00\ud800-\udfff]")  # what no argument of a program can hold
END_OF_OPTIONS: Final = "--"


class BadTemplate(SymphonyError):
    """An entry of `argv` that cannot be read."""

    code = "tool.bad_template"


class UnfitValue(SymphonyError):
    """A value that cannot go onto a command line."""

    code = "tool.unfit_value"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a template.

    Attributes:
        pieces: literal texts and, as (name,), placeholders, in order.
        spread: it is `{name...}`: as many arguments as the list has entries.
    """

    pieces: tuple[str | tuple[str], ...]
    spread: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments that it needs."""
        return tuple(piece[0] for piece in self.pieces if isinstance(piece, tuple))

    @property
    def begins_given(self) -> bool:
        """Say whether what an agent gives stands first in it."""
        return bool(self.pieces) and isinstance(self.pieces[0], tuple)


def parse_entry(text: str) -> Entry:
    """Return an entry of `argv`.

    Raises:
        BadTemplate: with what is allowed.
    """
    pieces: list[str | tuple[str]] = []
    spread, end = False, 0
    for match in PIECE.finditer(text):
        literal, end, found = text[end : match.start()], match.end(), match.group()
        if found in "{}":
            raise BadTemplate("a single brace; allowed: `{name}`, `{name...}`, and `{{` or `}}` for a brace.")
        name = match.group(1)
        pieces.append(literal + found[0] if name is None else literal)
        if name is not None:
            pieces.append((name,))
            spread = spread or match.group(2) is not None
    pieces.append(text[end:])
    pieces = [piece for piece in pieces if piece]
    if spread and len(pieces) != 1:
        raise BadTemplate("`{name...}` beside other text; allowed: as a whole entry.")
    return Entry(tuple(pieces), spread)


def render(argv: Sequence[str], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the command line; an entry that needs a value which is not there is left out.

    Raises:
        UnfitValue: with what is wrong, for the agent.
    """
    command: list[str] = []
    options_end = False
    for text in argv:
        entry = parse_entry(text)
        if not all(name in values for name in entry.names):
            continue
        words = list(_words(entry, values))
        if entry.begins_given and not options_end and any(word.startswith("-") for word in words):
            raise UnfitValue(f"{entry.names[0]} must not begin with `-`")
        command += words
        options_end = options_end or text == END_OF_OPTIONS
    return tuple(command)


def _words(entry: Entry, values: Mapping[str, Any]) -> Iterator[str]:
    if entry.spread:
        (name,) = entry.names
        yield from (word_of(name, value) for value in values[name])
    else:
        yield "".join(
            piece if isinstance(piece, str) else word_of(piece[0], values[piece[0]]) for piece in entry.pieces
        )


def word_of(name: str, value: Any) -> str:
    """Return a value as a program reads it: `true`, `3`, `0.5`, or the text itself.

    Raises:
        UnfitValue: no command line can hold it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise UnfitValue(f"{name} must be a finite number")
    word = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if UNFIT.search(word):
        raise UnfitValue(f"{name} has a character that no command line can hold")
    return word
