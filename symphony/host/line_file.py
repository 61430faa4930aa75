"""A file that only grows, line by line, and survives what happens to it meanwhile.

Not fsynced: a log may lose its last lines with the power, never the readability of the others.
"""

import errno
import os
import stat
from pathlib import Path

FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LineFile:
    """One such file, opened when it is first written and again when it was moved or removed."""

    def __init__(self, path: Path, *, largest: int | None = None, kept: int = 0) -> None:
        """Remember what to write to; nothing is opened yet.

        Args:
            path: the file; its folder is made if needed.
            largest: bytes after which it is renamed to `<path>.1` and begun anew; None is never.
            kept: how many renamed ones stay, `.1` the newest.
        """
        self.path = path
        self._largest = largest
        self._kept = kept
        self._handle: int | None = None

    def write(self, lines: bytes) -> None:
        """Append whole lines; what an earlier crash left of a line stays a line of its own.

        Raises:
            OSError: the disk or the folder is broken; the next call tries anew.
        """
        try:
            handle, size = self._opened()
            if self._largest is not None and size and size + len(lines) > self._largest:
                self._rotate()
                handle, _ = self._opened()
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(handle, rest) :]
        except OSError:
            self._close()
            raise

    def close(self) -> None:
        """Bring what was written to the disk and close the file.

        Raises:
            OSError: the disk says no.
        """
        try:
            if self._handle is not None:
                os.fsync(self._handle)
        finally:
            self._close()

    def _opened(self) -> tuple[int, int]:
        if self._handle is not None:
            opened = os.fstat(self._handle)
            if self._still_there(opened):
                return self._handle, opened.st_size
            self._close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = handle = self._open()
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if found.st_size and os.pread(handle, 1, found.st_size - 1) != b"\n":
            os.write(handle, b"\n")
        return handle, found.st_size

    def _open(self) -> int:
        try:
            return os.open(self.path, FLAGS, 0o600)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, "a symbolic link stands in its place") from error
            raise

    def _still_there(self, opened: os.stat_result) -> bool:
        try:
            there = self.path.lstat()
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)

    def _rotate(self) -> None:
        self._close()
        for number in range(self._kept, 0, -1):
            earlier = self.path if number == 1 else self._copy(number - 1)
            if earlier.exists():
                earlier.replace(self._copy(number))
        if not self._kept:
            self.path.unlink()

    def _copy(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
