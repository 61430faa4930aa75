"""What commands print: plain on a pipe, styled and fitted on a terminal, always safe.

Every text goes through here, so that nothing an agent or a file says can move a cursor. A pipe gets
whole lines without markup, whatever the terminal's width; NO_COLOR is respected.
"""

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from symphony.cli.errors import OutputClosed
from symphony.core.text import one_line, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

CELL = 500  # characters of one cell; a row is for an overview
PARAGRAPH = 20_000  # characters of a question or an issue's text
GAP = "  "
STYLES = {"attention": "yellow", "working": "green", "draining": "magenta", "idle": "green"}

Row = Sequence[object]


class Screen:
    """The standard output of one command.

    Raises:
        OutputClosed: from every method, once the reader has gone.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout or io.StringIO()  # a program may be started without one
        if hasattr(self._stream, "reconfigure"):
            self._stream.reconfigure(errors="replace")  # a title must not break on an ASCII terminal
        self.is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def line(self, text: object = "", style: str = "", indent: str = "") -> None:
        """Print one line, all of it."""
        self._put(indent + " ".join(plain(str(text), PARAGRAPH).splitlines()), style, indent)

    def command(self, text: str) -> None:
        """Print a command to be copied, on one line whatever the width."""
        shown = f"    {one_line(text, PARAGRAPH)}"
        if self.is_terminal:
            from rich.text import Text

            self._print(Text(shown, style="cyan"), soft_wrap=True)
        else:
            self._write(shown + "\n")

    def heading(self, text: str) -> None:
        """Print the title of a section, after an empty line."""
        self._put("")
        self._put(one_line(text, CELL), "bold")

    def paragraph(self, text: str, indent: str = "", style: str = "") -> None:
        """Print a text of several lines, each indented."""
        for line in plain(text, PARAGRAPH).expandtabs(4).splitlines():
            self._put(f"{indent}{line}".rstrip(), style, indent)

    def table(self, rows: Sequence[Row], indent: str = GAP, style: str = "") -> None:
        """Print rows in aligned columns; on a terminal the last one is folded where the line ends."""
        cells = [[one_line(str(cell), CELL) for cell in row] for row in rows]
        if not cells:
            return
        if not self.is_terminal:
            for text in aligned(cells):
                self._write(f"{indent}{text}\n")
            return
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, len(GAP), 0, 0))
        columns = max(map(len, cells))
        for number in range(columns):
            last = number == columns - 1
            grid.add_column(no_wrap=not last, overflow="fold" if last else "ellipsis")
        for row in cells:
            grid.add_row(*(Text(cell, style=style) for cell in row))
        self._print(Padding(grid, (0, 0, 0, len(indent)), expand=False))

    def json(self, value: Any) -> None:
        """Print a value as JSON in ASCII."""
        self._write(json.dumps(value, indent=2) + "\n")

    def json_line(self, value: Any) -> None:
        """Print a value as one line of JSON in ASCII."""
        self._write(json.dumps(value, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Hand over what was printed."""
        try:
            self._stream.flush()
        except BrokenPipeError as error:
            raise OutputClosed from error

    def _put(self, text: str, style: str = "", indent: str = "") -> None:
        if not self.is_terminal or not text:
            self._write(text.rstrip() + "\n")
            return
        from rich.padding import Padding
        from rich.text import Text

        shown = Text(text.removeprefix(indent), style=style)
        self._print(Padding(shown, (0, 0, 0, len(indent)), expand=False))

    def _print(self, shown: "RenderableType", *, soft_wrap: bool = False) -> None:
        try:
            self._console.print(shown, soft_wrap=soft_wrap)
        except BrokenPipeError as error:
            raise OutputClosed from error

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except BrokenPipeError as error:
            raise OutputClosed from error

    @cached_property
    def _console(self) -> "Console":
        from rich.console import Console

        return Console(file=self._stream, highlight=False, markup=False, emoji=False)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield each row with its cells padded to the widest of their column, the last one not."""
    widths: list[int] = []
    for row in rows:
        widths += [0] * (len(row) - len(widths))
        for number, cell in enumerate(row):
            widths[number] = max(widths[number], width_of(cell))
    for row in rows:
        padded = [cell + " " * (widths[number] - width_of(cell)) for number, cell in enumerate(row)]
        yield GAP.join(padded).rstrip()


def width_of(text: str) -> int:
    """Return the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
