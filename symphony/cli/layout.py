"""Rows and paragraphs as lines of text: aligned, and folded where a terminal's line ends. Pure."""

import textwrap
from collections.abc import Iterator, Sequence

from symphony.core.text import one_line

GAP = "  "
NARROWEST = 24  # columns; less than that for a row's last cell, and it gets a line of its own
SHORTEST = 12  # characters that a cell keeps on any terminal
HANGING = "    "


def rows(cells: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Yield each row with its cells padded to the widest of their column, the last one as it is.

    A row that is longer than `width` goes on below its last cell, or under the row where that cell
    would be too narrow to read; a cell before it takes at most a third of the width. None is no limit.
    """
    if width is not None:
        cells = [
            [*(one_line(cell, max(width // 3, SHORTEST)) for cell in row[:-1]), row[-1]] for row in cells
        ]
    widths: list[int] = []
    for row in cells:
        widths += [0] * (len(row) - len(widths))
        for number, cell in enumerate(row[:-1]):
            widths[number] = max(widths[number], width_of(cell))
    for row in cells:
        *first, last = row
        start = "".join(cell + " " * (widths[n] - width_of(cell)) + GAP for n, cell in enumerate(first))
        if width is None or not last or width_of(start) + width_of(last) <= width:
            yield (start + last).rstrip()
        elif width - width_of(start) >= NARROWEST:
            yield from folded(last, width, start, " " * width_of(start))
        else:
            yield start.rstrip()
            yield from folded(last, width, HANGING, HANGING)


def folded(text: str, width: int | None, first: str = "", rest: str = "") -> Iterator[str]:
    """Yield one line of text as lines of at most `width`, each with what it begins with.

    A word that is longer than a line is left whole.
    """
    if width is None or width_of(first) + width_of(text) <= width:
        yield (first + text).rstrip()
        return
    own = text[: len(text) - len(text.lstrip())]  # of code, which is read by its indentation
    yield from textwrap.wrap(
        text.lstrip(),
        max(width, width_of(first) + NARROWEST),
        initial_indent=first + own,
        subsequent_indent=rest + own,
        break_on_hyphens=False,
        break_long_words=False,  # a path or a URL that the terminal breaks itself can still be copied
    )


def width_of(text: str) -> int:
    """Return the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
