"""Reading run logs, whoever is writing them; blocks on the disk, so call it from a thread."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
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
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        return
    with os.fdopen(handle, "rb") as file:
        start = 0
        if follow_from is not None and follow_from <= found.st_size:
            start = follow_from
        if last is not None:
            start = max(start, _start_of_last(file, found.st_size, last))
        file.seek(start)
        yield from _lines(file, start)


def _lines(file: BinaryIO, start: int) -> Iterator[RunLogLine]:
    offset = start
    passing_over = False
    while data := file.readline(LONGEST):
        end = offset + len(data)
        complete = data.endswith(b"\n")
        if not complete and len(data) < LONGEST:
            return
        if complete and not passing_over and (fields := _parsed(data)) is not None:
            yield RunLogLine(offset, end, fields)
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
