"""Reading run logs, whoever is writing them; blocks on the disk, so call it from a thread."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from symphony.store.run_log_line import LINE_LIMIT

BLOCK = 65_536  # bytes read at once when looking for the end's last lines
LONGEST = 2 * LINE_LIMIT  # bytes; a longer line is not one of ours and is passed over


@dataclass(frozen=True, slots=True)
class RunLogLine:
    """One line as it was written.

    Attributes:
        offset: where it starts in the file, in bytes.
        next_offset: where the next one starts; `follow_from` for all that comes later.
    """

    offset: int
    next_offset: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunLogWindow:
    """The lines that begin in a part of a run log.

    Attributes:
        next_offset: where the first line after them starts.
        size: of the whole file, in bytes.
        identity: changes when another file takes its place; None when there is none.
    """

    lines: tuple[RunLogLine, ...]
    next_offset: int
    size: int
    identity: tuple[int, int] | None


def read_run_log(
    path: Path, *, last: int | None = None, follow_from: int | None = None
) -> Iterator[RunLogLine]:
    """Yield the lines that are complete; torn ones and a missing file yield nothing.

    Args:
        path: the file.
        last: only the last so many lines of it, found from its end.
        follow_from: only what comes after this offset; all of it if the file is shorter by now.

    Raises:
        OSError: the file is there and cannot be read.
    """
    with _opened(path) as file:
        if file is None:
            return
        size = os.fstat(file.fileno()).st_size
        start = 0
        if follow_from is not None and follow_from <= size:
            start = follow_from
        if last is not None:
            start = max(start, _start_of_last(file, size, last))
        file.seek(start)
        yield from _lines(file, start)


def read_window(path: Path, start: int, end: int | None = None) -> RunLogWindow:
    """Return the complete lines that begin in a part of the file, and read little more than that part.

    Args:
        path: the file; a missing one is an empty one.
        start: in bytes, from 0; the rest of a line that began before it is passed over.
        end: lines that begin here or later are left; None is the end of the file.

    Raises:
        OSError: the file is there and cannot be read.
    """
    with _opened(path) as file:
        if file is None:
            return RunLogWindow((), start, 0, None)
        found = os.fstat(file.fileno())
        identity = (found.st_dev, found.st_ino)
        begin = _start_of_next(file, start)
        if begin is None or begin > found.st_size:
            return RunLogWindow((), start, found.st_size, identity)
        stop = found.st_size if end is None else min(end, found.st_size)
        lines: list[RunLogLine] = []
        offset = begin
        for piece, following, fields in _pieces(file, begin):
            if piece >= stop:
                break
            offset = following
            if fields is not None:
                lines.append(RunLogLine(piece, following, fields))
        return RunLogWindow(tuple(lines), offset, found.st_size, identity)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """Hold the open file; None when it is missing or no regular file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        yield None
        return
    with os.fdopen(handle, "rb") as file:
        yield file


def _start_of_next(file: BinaryIO, start: int) -> int | None:
    """Return where the first line at or after an offset begins, and leave the file there."""
    if start == 0:
        return 0
    offset = start - 1
    file.seek(offset)
    while data := file.readline(LONGEST):
        offset += len(data)
        if data.endswith(b"\n"):
            return offset
    return None


def _lines(file: BinaryIO, start: int) -> Iterator[RunLogLine]:
    for offset, end, fields in _pieces(file, start):
        if fields is not None:
            yield RunLogLine(offset, end, fields)


def _pieces(file: BinaryIO, start: int) -> Iterator[tuple[int, int, dict[str, Any] | None]]:
    """Yield begin, end and content of each complete line; of what is no line of ours no content."""
    offset = start
    passing_over = False
    while data := file.readline(LONGEST):
        end = offset + len(data)
        complete = data.endswith(b"\n")
        if not complete and len(data) < LONGEST:
            return
        yield offset, end, _parsed(data) if complete and not passing_over else None
        passing_over = not complete
        offset = end


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _start_of_last(file: BinaryIO, size: int, lines: int) -> int:
    wanted = lines + 1  # the line feed before the first of them
    position = size
    while position > 0:
        begin = max(0, position - BLOCK)
        file.seek(begin)
        block = file.read(position - begin)
        found = len(block)
        while wanted and (found := block.rfind(b"\n", 0, found)) >= 0:
            wanted -= 1
            if not wanted:
                return begin + found + 1
        position = begin
    return 0
