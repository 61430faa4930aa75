"""Long texts through the user's pager, as git shows them; plainly where nobody sits before a terminal."""

import io
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from symphony.cli.screen import Screen

PAGER: Final = "less -FRX"
NONE: Final = ("", "cat")
NOT_FOUND: Final = 127  # the shell's status for a program that is not there
COLOURS: Final = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2"}

Line = tuple[str, str]
"""A line that is safe to print, and its style."""


def show_paged(lines: Callable[[], Iterable[Line]], screen: Screen) -> None:
    """Print the lines; they are made anew when the pager turns out not to be there.

    Raises:
        OutputClosed, CommandError: as of `Screen`.
    """
    command = pager_command()
    if not screen.is_terminal or command in NONE or not _page(lines(), command):
        for text, style in lines():
            screen.line(text, style)


def pager_command() -> str:
    """Return the user's pager as a shell command; empty for none."""
    return os.environ.get("GIT_PAGER", os.environ.get("PAGER", PAGER)).strip()


def _page(lines: Iterable[Line], command: str) -> bool:
    """Say whether the pager has run; a person ends it, early or late."""
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}
    coloured = "NO_COLOR" not in os.environ
    # a pipe that is closed early is no error: the person has seen enough
    with _without_interrupt(), suppress(BrokenPipeError):
        process = subprocess.Popen(("sh", "-c", command), stdin=subprocess.PIPE, env=environment)
        pipe = process.stdin or io.BytesIO()
        try:
            with suppress(BrokenPipeError):
                for text, style in lines:
                    pipe.write(_bytes(text, style if coloured else ""))
            with suppress(BrokenPipeError):
                pipe.close()
        finally:
            status = process.wait()
    return status != NOT_FOUND


def _bytes(text: str, style: str) -> bytes:
    colour = COLOURS.get(style) if text else None
    shown = f"\x1b[{colour}m{text}\x1b[m" if colour else text
    return f"{shown}\n".encode("utf-8", "replace")


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Leave Ctrl-C to the pager, which has a use for it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
