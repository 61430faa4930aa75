"""What commands print: plain on a pipe, styled and fitted on a terminal, always safe.

Every text goes through here, so that nothing an agent or a file says can move a cursor. A pipe gets
whole lines without markup, whatever the terminal's width; NO_COLOR is respected.
"""

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from symphony.cli import layout
from symphony.cli.errors import CommandError, OutputClosed
from symphony.core.text import one_line, plain

if TYPE_CHECKING:
    from rich.console import Console

STDOUT = 1  # the descriptor
CELL = 500  # characters of one cell; a row is for an overview
PARAGRAPH = 20_000  # characters of a question or an issue's text
COMMAND = "    "
STYLES = {"attention": "yellow", "working": "green", "draining": "magenta", "idle": "green"}

Row = Sequence[object]


class Screen:
    """The standard output of one command.

    Attributes:
        is_terminal: whether somebody sits before it.

    Raises:
        OutputClosed: from every method, once the reader has gone.
        CommandError: from every method, `output_failed`.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout or io.StringIO()  # a program may be started without one
        if isinstance(self._stream, io.TextIOWrapper):
            with _told():  # it hands over what was printed before
                self._stream.reconfigure(errors="replace")  # a title must not break on an ASCII terminal
        self.is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._began = False

    @property
    def _width(self) -> int | None:
        return self._console.width if self.is_terminal else None

    def line(self, text: object = "", style: str = "", indent: str = "") -> None:
        """Print one line of text, folded only on a terminal."""
        flat = " ".join(plain(str(text), PARAGRAPH).splitlines()).rstrip()
        for line in layout.folded(flat, self._width, indent, indent):
            self._put(line, style)

    def heading(self, text: str) -> None:
        """Print the title of a section, an empty line between it and what is above."""
        if self._began:
            self._put("", "")
        self.line(text, "bold")

    def paragraph(self, text: str, indent: str = "", style: str = "") -> None:
        """Print a text of several lines, each indented."""
        for written in plain(text, PARAGRAPH).expandtabs(4).splitlines():
            for line in layout.folded(written.rstrip(), self._width, indent, indent):
                self._put(line, style)

    def table(self, rows: Sequence[Row], indent: str = "  ", style: str = "") -> None:
        """Print rows in aligned columns; on a terminal the last one is folded where the line ends."""
        cells = [[one_line(str(cell), CELL) for cell in row] for row in rows]
        width = None if self._width is None else self._width - len(indent)
        for line in layout.rows(cells, width):
            self._put(indent + line, style)

    def command(self, text: str) -> None:
        """Print a command to be copied, on one line whatever the width."""
        self._put(COMMAND + one_line(text, PARAGRAPH), "cyan")

    def json(self, value: Any) -> None:
        """Print a value as JSON in ASCII."""
        self._write(json.dumps(value, indent=2) + "\n")

    def json_line(self, value: Any) -> None:
        """Print a value as one line of JSON in ASCII."""
        self._write(json.dumps(value, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Hand over what was printed."""
        with _told():
            self._stream.flush()

    def _put(self, line: str, style: str) -> None:
        if not (self.is_terminal and style and line):
            self._write(line + "\n")
            return
        from rich.text import Text

        self._began = True
        with _told():
            self._console.print(Text(line, style=style), soft_wrap=True)

    def _write(self, text: str) -> None:
        self._began = True
        with _told():
            self._stream.write(text)

    @cached_property
    def _console(self) -> "Console":
        from rich.console import Console

        return Console(file=self._stream, highlight=False, markup=False, emoji=False)


def silence_stdout() -> None:
    """Send what could not be handed over nowhere, so that Python does not complain of it at its end."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STDOUT)
        os.close(nowhere)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise OutputClosed from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"The output cannot be written: {reason}.", code="output_failed") from error
