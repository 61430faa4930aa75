"""Everything that happened to an issue, one JSON object a line, in `<key>.jsonl`.

An append costs the event loop a bounded copy; a thread per open log redacts, encodes and
writes. When the disk is slower than the agent, lines are dropped and counted; when it is
broken, that is reported once and nothing stops. A file that has grown too large is put aside as
`<key>.jsonl.1`, in place of the one before, and begun anew.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from symphony.core.keys import workspace_key
from symphony.core.problem import Problem
from symphony.core.redaction import Redactor
from symphony.host.background import BackgroundWriter
from symphony.host.line_file import LineFile
from symphony.store.run_log_line import Line, encoded, take

QUEUE_ROOM = 16 * 1_048_576  # bytes that may wait for the disk, per open log
RUN_LOG, SET_ASIDE = ".jsonl", ".jsonl.1"
CLOSE_BOUND = 5.0  # seconds for the last lines; a hanging disk must not hold up an attempt's end


def run_log_path(folder: Path, issue_id: str) -> Path:
    """Return an issue's run log; it may not exist yet."""
    return folder / f"{workspace_key(issue_id)}{RUN_LOG}"


def broken(path: Path, problem: str) -> str:
    """Return what is said of a run log that the disk does not take."""
    return (
        f"The run log {path} cannot be written ({problem}); the work goes on without it. "
        "Check the disk and the folder."
    )


class FileRunLogs:
    """Opens run logs in one folder."""

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime],
        on_problem: Callable[[str], None],
        largest: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Remember the folder, which is made when the first line is written.

        Args:
            folder: of all run logs.
            now: the time, aware.
            on_problem: called in the event loop with a sentence for people, once each time that
                the disk breaks.
            largest: asked, when a log is opened, for the bytes at which it is put aside; None is never.
        """
        self._folder = folder
        self._now = now
        self._on_problem = on_problem
        self._largest = largest
        self._problem = ""
        self._hidden: frozenset[str] = frozenset()
        self._open: set[FileRunLog] = set()

    def hide(self, secrets: Collection[str]) -> None:
        """Keep these secrets out of what is written from now on, to logs that are open and to later ones."""
        self._hidden |= frozenset(secrets)
        for log in self._open:
            log.hide(secrets)

    def problems(self) -> tuple[Problem, ...]:
        """Return why the last line that was to be written was not; none while the disk works."""
        return (Problem("run_log.broken", "the run logs", self._problem),) if self._problem else ()

    @asynccontextmanager
    async def open_run_log(
        self, issue_id: str, attempt_id: str, secrets: Collection[str]
    ) -> AsyncIterator["FileRunLog"]:
        """Open an issue's run log for an attempt; the secrets never reach the file.

        Leaving the context waits, bounded, until all lines are on the disk.
        """
        loop = asyncio.get_running_loop()
        path = run_log_path(self._folder, issue_id)

        def finding(problem: str | None) -> None:
            first = problem is not None and not self._problem
            self._problem = "" if problem is None else broken(path, problem)
            if first:
                with suppress(RuntimeError):  # the loop is gone, and who would have listened
                    loop.call_soon_threadsafe(self._on_problem, self._problem)

        file = LineFile(path, largest=self._largest(), kept=1)
        log = FileRunLog(file, attempt_id, Redactor(self._hidden.union(secrets)), self._now, finding)
        self._open.add(log)
        try:
            yield log
        finally:
            self._open.discard(log)
            await log.close()


class FileRunLog:
    """One attempt's lines in an issue's file."""

    def __init__(
        self,
        file: LineFile,
        attempt_id: str,
        redactor: Redactor,
        now: Callable[[], datetime],
        finding: Callable[[str | None], None],
    ) -> None:
        self._file = file
        self._attempt_id = attempt_id
        self._redactor = redactor
        self._now = now
        self._finding = finding
        self._dropped = 0
        self._closed = False
        self._writer: BackgroundWriter[tuple[Line, ...]] = BackgroundWriter(
            f"symphony-run-log-{file.path.stem}", self._write, self._finish, room=QUEUE_ROOM
        )

    def hide(self, secrets: Collection[str]) -> None:
        """Keep these secrets, too, out of the lines that follow."""
        self._redactor = self._redactor.and_of(secrets)

    def append(self, kind: str, **fields: Any) -> None:
        """Add a line; never raises and never blocks on the disk.

        Fields named `at` and `attempt` are written as `at_` and `attempt_`.
        """
        if self._closed:
            return
        line = take(self._now(), self._attempt_id, kind, fields, self._redactor)
        lines = (self._gap(), line) if self._dropped else (line,)
        # one item, so that a gap is told of only when what follows it has room too
        if self._writer.put(lines, line.size):
            self._dropped = 0
        else:
            self._dropped += 1

    async def close(self) -> None:
        """Write what is waiting, bounded; later lines are ignored."""
        if self._closed:
            return
        self._closed = True
        if self._dropped:
            self._writer.put((self._gap(),), 0, always=True)
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._writer.close()), CLOSE_BOUND)
        except TimeoutError:
            self._finding(f"the disk did not take it within {CLOSE_BOUND:g} s")

    def _gap(self) -> Line:
        return take(self._now(), self._attempt_id, "dropped", {"lines": self._dropped}, self._redactor)

    def _write(self, batch: Sequence[tuple[Line, ...]]) -> None:
        try:
            self._file.write(b"".join(encoded(line, self._redactor) for lines in batch for line in lines))
        except OSError as error:
            self._finding(error.strerror or str(error))
        else:
            self._finding(None)

    def _finish(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._finding(error.strerror or str(error))
