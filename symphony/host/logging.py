"""The daemon's structured log: `.symphony/logs/symphony.log` [CONTRACT 1.4].

A line is an event: `log.info("attempt.finished", issue="12", outcome="delivered")`. What
libraries say through the standard library's logging at WARNING and above comes in as
`msg=library.said`. Threads do the writing: a log that is slow, full, gone or closed stops nothing.
"""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Collection, Iterator, MutableMapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from symphony.core.redaction import Redactor
from symphony.host.background import BackgroundWriter
from symphony.host.line_file import LineFile
from symphony.host.logfmt import render_line


@contextmanager
def _without_rich() -> Iterator[None]:
    # structlog imports rich, if it can, for a console that is not used here: 50 ms of 65
    if "rich" in sys.modules:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment] # the import system's word for "not there"
    try:
        yield
    finally:
        del sys.modules["rich"]


with _without_rich():
    import structlog

FILE_LIMIT = 10 * 1_048_576  # bytes of one file
FILES_KEPT = 4  # earlier files beside the current one: 50 MiB together at most
QUEUE_ROOM = 4 * 1_048_576  # bytes that may wait for the disk or the terminal
CLOSE_BOUND = 2.0  # seconds for the last lines; a hanging disk must not hold up the daemon's end
STDERR = 2  # the descriptor: what fails in Python's own stream would fail again at exit


class DaemonLog:
    """The log of this process, which is also where structlog and the standard library log to."""

    def __init__(
        self,
        log_file: Path,
        verbose: bool,
        secrets: Collection[str],
        now: Callable[[], datetime],
        file_limit: int,
    ) -> None:
        self._redactor = Redactor(secrets)
        self._now = now
        self._sinks = [_Sink("symphony-log", _Files(log_file, file_limit), self._gap)]
        if verbose:
            self._sinks.append(_Sink("symphony-log-mirror", _Mirror(), self._gap))
        self._library = _LibraryHandler(self._write)
        logging.getLogger().addHandler(self._library)
        structlog.configure(
            processors=[structlog.processors.format_exc_info, self._rendered],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
            logger_factory=lambda *_: _Lines(self._put),
            cache_logger_on_first_use=False,
        )
        self._logger = structlog.get_logger().bind()

    def debug(self, event: str, **fields: Any) -> None:
        """Note a detail; written only when verbose."""
        self._logger.debug(event, **fields)

    def info(self, event: str, **fields: Any) -> None:
        """Note something that happened as it should."""
        self._logger.info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Note something that a person may have to look at."""
        self._logger.warning(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """Note something that is broken; `exc_info` may be an exception."""
        self._logger.error(event, **fields)

    def hide(self, secrets: Collection[str]) -> None:
        """Keep these secrets, and from now on no others, out of the log."""
        self._redactor = Redactor(secrets)

    async def close(self) -> None:
        """Write what is waiting, bounded, and give structlog and the standard library back."""
        logging.getLogger().removeHandler(self._library)
        structlog.reset_defaults()
        endings = [asyncio.wrap_future(sink.close()) for sink in self._sinks]
        self._sinks = []
        _, late = await asyncio.wait(endings, timeout=CLOSE_BOUND)
        for ending in late:
            ending.cancel()

    def _rendered(self, _logger: Any, level: str, fields: MutableMapping[str, Any]) -> str:
        event = str(fields.pop("event", ""))
        try:
            return render_line(self._now(), level, event, fields, self._redactor)
        except Exception as error:  # noqa: BLE001 - a value whose text cannot be had must not stop the daemon
            return render_line(self._now(), level, event, {"unwritable": repr(error)}, self._redactor)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self._put(self._rendered(None, level, {**fields, "event": event}))

    def _put(self, line: str) -> None:
        for sink in self._sinks:
            sink.put(line)

    def _gap(self, lines: int) -> str:
        return self._rendered(None, "warning", {"event": "log.dropped", "lines": lines})


def configure_logging(
    log_file: Path,
    verbose: bool = False,
    secrets: Collection[str] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    file_limit: int = FILE_LIMIT,
) -> DaemonLog:
    """Begin to log to the file, mirrored to stderr when verbose; `close` ends it.

    Nothing is opened here: a file that cannot be written is reported on stderr, once.

    Args:
        log_file: renamed to `<log_file>.1` and so on when it has grown to the limit.
        verbose: mirror, and write details too.
        secrets: replaced by `[redacted]` wherever they appear.
        now: the time, aware.
        file_limit: bytes of one file.
    """
    return DaemonLog(log_file, verbose, secrets, now, file_limit)


@asynccontextmanager
async def open_log(
    log_file: Path,
    *,
    verbose: bool = False,
    secrets: Collection[str] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    most_bytes: int | None = None,
) -> AsyncIterator[DaemonLog]:
    """Log as `configure_logging` does until the context is left.

    With `most_bytes` all its files together take no more, the earlier ones included.
    """
    file_limit = FILE_LIMIT if most_bytes is None else min(FILE_LIMIT, most_bytes // (FILES_KEPT + 1))
    log = configure_logging(log_file, verbose, secrets, now, file_limit)
    try:
        yield log
    finally:
        await log.close()


class _Target(Protocol):
    def write(self, lines: Sequence[bytes]) -> None: ...

    def close(self) -> None: ...


class _Sink:
    """One place that lines go to, with its queue."""

    def __init__(self, name: str, target: _Target, gap: Callable[[int], str]) -> None:
        self._gap = gap
        self._dropped = 0
        self._writer: BackgroundWriter[bytes] = BackgroundWriter(
            name, target.write, target.close, room=QUEUE_ROOM
        )

    def put(self, line: str) -> None:
        text = f"{self._gap(self._dropped)}\n{line}\n" if self._dropped else f"{line}\n"
        data = text.encode("utf-8", "backslashreplace")
        self._dropped = 0 if self._writer.put(data, len(data)) else self._dropped + 1

    def close(self) -> "Future[None]":
        if self._dropped:
            data = f"{self._gap(self._dropped)}\n".encode()
            self._writer.put(data, len(data), always=True)
        return self._writer.close()


class _Files:
    """The log file; its failure is told on stderr, once until it works again."""

    def __init__(self, path: Path, limit: int) -> None:
        self._file = LineFile(path, largest=limit, kept=FILES_KEPT)
        self._broken = False

    def write(self, lines: Sequence[bytes]) -> None:
        try:
            self._file.write(b"".join(lines))
            self._broken = False
        except OSError as error:
            if not self._broken:
                self._broken = True
                _Mirror().write([_broken(self._file.path, error.strerror or str(error)).encode()])

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def _broken(path: Path, reason: str) -> str:
    return (
        f"symphony: the log {path} cannot be written ({reason}); the daemon goes on without it. "
        "Check the disk and the folder.\n"
    )


class _Mirror:
    """What stderr is connected to; if it takes nothing more, that is that."""

    def write(self, lines: Sequence[bytes]) -> None:
        if sys.__stderr__ is None:
            return  # closed when the process began: the descriptor's number is some other file's by now
        rest = memoryview(b"".join(lines))
        with suppress(OSError):
            while rest:
                rest = rest[os.write(STDERR, rest) :]

    def close(self) -> None:
        """Leave the descriptor open: it is the process's."""


class _Lines:
    """What structlog calls with a rendered line, whatever its level."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = put


class _LibraryHandler(logging.Handler):
    """The way in for what libraries log."""

    def __init__(self, write: Callable[[str, str, dict[str, Any]], None]) -> None:
        super().__init__(logging.WARNING)
        self._into = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; one that cannot be formatted is written as far as it can be."""
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a library's mistake in a format string
            text = f"{record.msg!s} (not formatted: {type(error).__name__})"
        fields: dict[str, Any] = {"library": record.name, "text": text}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        self._into(record.levelname.lower(), "library.said", fields)
