"""Reading a folder that a guest can change at any moment: no symlink is ever followed.

Every step of a path is opened relative to the folder before it, so that exchanging a folder or
a file for a symlink between two steps leads nowhere. Everything here blocks on the disk.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

NESTED_LOOKED_AT = 100_000  # folders; a guest may make as many as its disk holds
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# without O_NONBLOCK a named pipe in the place of a file would hold the reader for ever
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DEEPEST = 200  # folders; each is held open, and a process may hold about a thousand files
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


@dataclass(frozen=True, slots=True)
class GuestLink:
    """A symlink.

    Attributes:
        target: the text that it holds.
        stat: what it was like before that was read.
    """

    target: bytes
    stat: os.stat_result


@dataclass(slots=True)
class GuestFile:
    """A regular file, open for reading; whoever got it closes it.

    Attributes:
        stat: what it was like when it was opened.
    """

    file: BinaryIO
    stat: os.stat_result

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.stat.st_size

    @property
    def executable(self) -> bool:
        """Whether its owner may run it."""
        return bool(self.stat.st_mode & stat.S_IXUSR)


class GuestFolder:
    """An open folder of a guest."""

    def __init__(self, path: Path) -> None:
        self._root = os.open(path, OPEN_FOLDER)
        self._opened: list[tuple[bytes, int]] = []
        self._at: bytes | None = None  # the path of the innermost open folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_beyond(0)
        os.close(self._root)

    def read(self, path: bytes) -> GuestFile | GuestLink | None:
        """Open what lies at a relative path; None when neither a file nor a symlink is there.

        Raises:
            OSError: it is there and cannot be read.
        """
        try:
            parent, name = self._parent(path)
            before = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISLNK(before.st_mode):
                return GuestLink(os.readlink(name, dir_fd=parent), before)
            if not stat.S_ISREG(before.st_mode):
                return None
            descriptor = os.open(name, OPEN_FILE, dir_fd=parent)
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            return None
        return GuestFile(os.fdopen(descriptor, "rb"), found)

    def holds_folder(self, path: bytes) -> bool:
        """Say whether a real folder lies at a relative path."""
        try:
            self._descend(path)
        except OSError as error:
            if error.errno in ABSENT:
                return False
            raise
        return True

    def names(self, path: bytes) -> tuple[bytes, ...]:
        """Return the names in a real folder at a relative path, in order; none where none lies."""
        try:
            return tuple(sorted(map(os.fsencode, os.listdir(self._descend(path)))))  # noqa: PTH208  a descriptor
        except OSError as error:
            if error.errno in ABSENT:
                return ()
            raise

    def delete_file(self, name: bytes) -> None:
        """Delete a file or a symlink of the folder itself; nothing happens when there is none."""
        try:
            os.unlink(name, dir_fd=self._root)
        except FileNotFoundError:
            return

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        """Return the open folder that a relative path leads into, and the name there."""
        folder, slash, name = path.rpartition(b"/")
        return (self._descend(folder) if slash else self._root), name

    def _descend(self, path: bytes) -> int:
        """Return the open folder at this path; the last path's folders are reused."""
        if path == self._at:
            return self._opened[-1][1]
        self._at = None
        folders = path.split(b"/")
        common = 0
        for (name, _), wanted in zip(self._opened, folders, strict=False):
            if name != wanted:
                break
            common += 1
        self._close_beyond(common)
        current = self._opened[-1][1] if self._opened else self._root
        if len(folders) > DEEPEST:
            raise OSError(errno.ENAMETOOLONG, f"it lies more than {DEEPEST} folders deep")
        for name in folders[common:]:
            if name in (b"", b".", b".."):
                raise OSError(errno.ENOENT, "not a path inside the folder")
            current = os.open(name, OPEN_FOLDER, dir_fd=current)
            self._opened.append((name, current))
        self._at = path
        return current

    def _close_beyond(self, depth: int) -> None:
        while len(self._opened) > depth:
            os.close(self._opened.pop()[1])


def nested_repositories(workspace: Path) -> tuple[str, ...]:
    """Return the folders below the workspace that hold a repository of their own, by name.

    Looks at no more than `NESTED_LOOKED_AT` folders and follows no link.
    """
    found = []
    for looked_at, (folder, names, files) in enumerate(os.walk(workspace)):
        if looked_at >= NESTED_LOOKED_AT:
            break
        inner = os.path.relpath(folder, workspace)
        if inner != "." and ".git" in {*names, *files}:
            found.append(inner)
        names[:] = [name for name in names if name != ".git"]
    return tuple(sorted(found))
