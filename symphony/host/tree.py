"""Folders of files that others may have written: measured, listed and emptied by one file at a time.

No symlink is followed, not even one that takes a folder's place between two steps. Everything here
blocks on the disk, so call it in a thread.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
BLOCK = 512  # bytes, in which the system counts what a file takes
DEEPEST = 100  # folders; each is held open, and a process may hold about a thousand files
LOOKED_AT = 2_000_000  # names; a guest may make as many as its disk holds


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A regular file in a folder, or a folder in it.

    Attributes:
        size_bytes: that it takes on the disk.
        modified: seconds since the epoch.
    """

    name: str
    size_bytes: int
    modified: float


def list_files(folder: Path) -> tuple[ListedFile, ...]:
    """Return the regular files of a folder, by name; none where there is no folder.

    Raises:
        OSError: it is there and is no folder, or cannot be read.
    """
    return _listed(folder, stat.S_ISREG)


def list_folders(folder: Path) -> tuple[ListedFile, ...]:
    """Return the folders in a folder, by name, without what is in them; none where there is no folder.

    Raises:
        OSError: it is there and is no folder, or cannot be read.
    """
    return _listed(folder, stat.S_ISDIR)


def _listed(folder: Path, is_kind: Callable[[int], bool]) -> tuple[ListedFile, ...]:
    with ExitStack() as stack:
        try:
            descriptor = _opened(folder, stack)
        except FileNotFoundError:
            return ()
        found: list[tuple[str, os.stat_result]] = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # deleted just now
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
    return tuple(
        ListedFile(name, status.st_blocks * BLOCK, status.st_mtime)
        for name, status in sorted(found)
        if is_kind(status.st_mode)
    )


def delete_file(folder: Path, name: str) -> None:
    """Delete a regular file of a folder; what is not there is no error.

    Raises:
        OSError: it is still there, or something else than a regular file is.
    """
    with ExitStack() as stack:
        try:
            descriptor = _opened(folder, stack)
            mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            raise OSError(f"{folder / name} is not a regular file")
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=descriptor)


def size_of_tree(path: Path) -> int:
    """Return the bytes that a file or a folder with all in it takes on the disk, at least.

    What is deeper than `DEEPEST` or beyond `LOOKED_AT` names is not counted, nor what cannot be read;
    a file of two names counts once.
    """
    try:
        status = path.lstat()
    except OSError:
        return 0
    total = status.st_blocks * BLOCK
    if not stat.S_ISDIR(status.st_mode):
        return total
    seen: set[tuple[int, int]] = set()
    for looked_at, found in enumerate(_walk(path)):
        if looked_at >= LOOKED_AT:
            break
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
        total += found.st_blocks * BLOCK
    return total


def _walk(path: Path) -> Iterator[os.stat_result]:
    """Yield what is found of every name below a folder, with only the folders above it open."""
    with ExitStack() as stack:
        try:
            descriptor = _opened(path, stack)
        except OSError:
            return
        names, statuses = _entries(descriptor)
        yield from statuses
        if names:
            yield from _below(descriptor, names, 1)


def _below(parent: int, names: list[str], depth: int) -> Iterator[os.stat_result]:
    for name in names:
        with ExitStack() as stack:
            try:
                descriptor = os.open(name, OPEN_FOLDER, dir_fd=parent)
            except OSError:
                continue
            stack.callback(os.close, descriptor)
            inner, statuses = _entries(descriptor)
            yield from statuses
            if inner and depth < DEEPEST:
                yield from _below(descriptor, inner, depth + 1)


def _entries(descriptor: int) -> tuple[list[str], list[os.stat_result]]:
    """Return the names of the folders in an open folder, and what is found of every name."""
    names, statuses = [], []
    with suppress(OSError), os.scandir(descriptor) as entries:
        for entry in entries:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                statuses.append(status)
                if stat.S_ISDIR(status.st_mode):
                    names.append(entry.name)
    return names, statuses


def _opened(folder: Path, stack: ExitStack) -> int:
    descriptor = os.open(folder, OPEN_FOLDER)
    stack.callback(os.close, descriptor)
    return descriptor
