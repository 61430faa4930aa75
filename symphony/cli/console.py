"""Where a run speaks: a banner, then only what needs or awaits a person [CONTRACT 1.4].

A thread does the writing: neither a terminal that is stopped nor a reader that is gone can stop
the daemon.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from symphony import __version__
from symphony.cli.errors import CommandError, OutputClosed
from symphony.cli.screen import Screen, silence_stdout
from symphony.host.background import BackgroundWriter

if TYPE_CHECKING:
    from symphony.run import Running

ROOM: Final = 1_048_576  # bytes that may wait for a terminal that somebody has stopped
CLOSE_BOUND_S: Final = 2.0  # for the last lines; a stopped terminal must not hold up the end

Saying = Callable[[Screen], None]


class RunConsole:
    """A run's standard output.

    Attributes:
        stuck: whether it was closed while a stopped terminal still held up the thread.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._broken = False
        self.stuck = False
        self._writer: BackgroundWriter[Saying] = BackgroundWriter(
            "symphony-console", self._write, lambda: None, room=ROOM
        )

    def ready(self, running: "Running") -> None:
        """Say what runs, and where to look."""
        facts = [
            ("workflow", running.workflow.path),
            ("issues", running.workflow.settings.tracker.root),
            ("sandbox", running.isolation),
            ("dashboard", running.url),
            ("log", running.installation.log_file),
        ]
        remarks = running.notes

        def banner(screen: Screen) -> None:
            screen.line(f"symphony {__version__}", style="bold")
            screen.table(facts)
            for remark in remarks:
                screen.line(remark, style="yellow", indent="  ")
            screen.line("Ctrl-C stops it; times below are UTC.", style="dim", indent="  ")
            screen.line()

        self._say(banner)

    def tell(self, line: str) -> None:
        """Say something that needs a person, or awaits one."""
        now = datetime.now(UTC)
        self._say(lambda screen: screen.line(f"{now:%H:%M:%S}  {line}"), len(line))

    def close(self) -> None:
        """Wait, bounded, until all is said; what nobody takes says nothing about the run."""
        done, _ = wait([self._writer.close()], CLOSE_BOUND_S)
        self.stuck = not done
        if self._broken:
            silence_stdout()

    def _say(self, saying: Saying, size: int = 1_000) -> None:
        self._writer.put(saying, size)

    def _write(self, sayings: Sequence[Saying]) -> None:
        try:
            for saying in sayings:
                saying(self._screen)
            self._screen.flush()
        except (OutputClosed, CommandError):
            self._broken = True


@contextmanager
def open_console() -> Iterator[RunConsole]:
    """Open the console of a run; leaving it waits, bounded, until all is said."""
    console = RunConsole(Screen())
    try:
        yield console
    finally:
        console.close()
