"""`symphony doctor`: what is there, what is missing, and what to do about it.

A line for each check on stdout; what takes long is told on stderr, where somebody watches.
"""

import asyncio
import shutil
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from symphony.cli.errors import DONE, FAILED
from symphony.cli.layout import folded
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.words import counted
from symphony.doctor.case import Case
from symphony.doctor.check import Result, Status
from symphony.doctor.examination import NAMES, examine, is_well
from symphony.sandbox.drivers import check_kind

MARKS = {Status.OK: "✓", Status.WARNING: "!", Status.FAILED: "✗", Status.SKIPPED: "-"}
PLAIN = {Status.OK: "+", Status.WARNING: "!", Status.FAILED: "x", Status.SKIPPED: "-"}
STYLES = {Status.OK: "", Status.WARNING: "yellow", Status.FAILED: "red", Status.SKIPPED: "dim"}
WIDTH = max(map(len, NAMES))
INDENT = " " * (WIDTH + 4)
CLEAR = "\r\x1b[K"


def run_doctor(place: Place, *, sandbox: str | None, as_json: bool) -> int:
    """Run all checks, print what they find, and return the exit status: 1 when one has failed.

    Raises:
        SandboxError: `sandbox.unknown_kind`.
    """
    if sandbox is not None:
        check_kind(sandbox)
    screen, progress = Screen(), Progress()
    told = (lambda _: None) if as_json else Printer(screen, progress).tell
    case = Case(place.installation.root.parent / place.path.name, place.environ, sandbox)
    try:
        results = asyncio.run(_until_ended(case, told, progress))
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error
    finally:
        progress.clear()
    if as_json:
        screen.json({"ok": is_well(results), "checks": [as_object(result) for result in results]})
    else:
        screen.line()
        screen.line(summary(results), style="bold")
    return DONE if is_well(results) else FAILED


class Progress:
    """One line on stderr about what takes long, if that is a terminal."""

    def __init__(self) -> None:
        self._shown = False
        self._watched = sys.stderr is not None and sys.stderr.isatty()

    def tell(self, doing: str) -> None:
        """Say what is done now; the empty text is nothing any more."""
        self.clear()
        if doing and self._watched:
            self._shown = True
            self._write(doing)

    def clear(self) -> None:
        """Take the line away, so that something else can be printed."""
        if self._shown:
            self._shown = False
            self._write(CLEAR)

    @staticmethod
    def _write(text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


class Printer:
    """Prints results as they come."""

    def __init__(self, screen: Screen, progress: Progress) -> None:
        self._screen = screen
        self._progress = progress
        self._marks = MARKS if _can_show("".join(MARKS.values())) else PLAIN

    def tell(self, result: Result) -> None:
        """Print one: a mark, the name and what was found; below it the rest and the remedy."""
        self._progress.clear()
        finding = result.finding
        first, *more = finding.found.splitlines() or [""]
        mark, style = self._marks[finding.status], STYLES[finding.status]
        head = f"{mark} {result.name:<{WIDTH}}  "
        skipped = "skipped: " if finding.status is Status.SKIPPED else ""
        self._put(head, skipped + first, style)
        for line in more:
            self._put(INDENT, line, style)
        if finding.remedy:
            self._put(INDENT, finding.remedy, "")
        self._screen.flush()

    def _put(self, head: str, text: str, style: str) -> None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in folded(text, width, head, INDENT):
            self._screen.line(line, style)


def summary(results: tuple[Result, ...]) -> str:
    """Return the last line: what the exit status stands for."""
    statuses = [result.finding.status for result in results]
    failures, warnings = statuses.count(Status.FAILED), statuses.count(Status.WARNING)
    noted = f"; {counted(warnings, 'warning')}" if warnings else ""
    if failures:
        return f"{counted(failures, 'check')} failed{noted}."
    return f"Nothing is missing{noted}."


def as_object(result: Result) -> dict[str, Any]:
    """Return a result as `--json` has it."""
    finding = result.finding
    return {
        "name": result.name,
        "status": finding.status.value,
        "found": finding.found,
        "remedy": finding.remedy or None,
        "seconds": round(result.seconds, 3),
    }


async def _until_ended(case: Case, told: Any, progress: Progress) -> tuple[Result, ...]:
    """Examine; SIGTERM ends it as Ctrl-C does, with the machine that it made."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await examine(case, told, progress.tell, time.monotonic)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeError:
        return False
    return True
