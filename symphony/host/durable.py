"""Files that survive power loss: whole or not at all, and never one over another by accident.

Rooms that own files call this from a worker thread; everything here blocks on the disk. It must
never leave a half-written file under a name that somebody reads.
"""

import ctypes
import errno
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

TEMPORARY_PREFIX = ".symphony-"  # hidden, so that nothing that lists the folder takes it for a real file
TEMPORARY_SUFFIX = ".tmp"
NEW_FILE_MODE = 0o666  # the process's umask narrows it, as for any file that a person creates

AT_FDCWD = -100
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_EXCL = 4
RENAME_SWAP = 2
UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})

LIBC = ctypes.CDLL(None, use_errno=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive power loss."""
    _sync(folder, os.O_DIRECTORY)


def write_durably(path: Path, content: bytes, *, only_if: Callable[[], bool] | None = None) -> bool:
    """Put the content under this name in one step; an existing file is replaced, its mode kept.

    Args:
        path: the file; a symlink is replaced, not followed.
        content: all of it.
        only_if: asked at the last moment; if it says no, nothing is changed.

    Returns:
        Whether the file was written.

    Raises:
        OSError: nothing has changed under this name then.
    """
    try:
        mode = path.stat().st_mode & 0o7777
    except FileNotFoundError:
        mode = None
    temporary = write_temporary(path.parent, content, mode)
    try:
        if only_if is not None and not only_if():
            temporary.unlink()
            return False
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return True


def write_new(path: Path, content: bytes) -> None:
    """Put the content under a name that nobody has yet, in one step.

    Raises:
        FileExistsError: somebody has the name; that file is untouched.
        OSError: nothing has changed under this name then.
    """
    temporary = write_temporary(path.parent, content, None)
    try:
        rename_noreplace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_temporary(folder: Path, content: bytes, mode: int | None) -> Path:
    """Write a hidden file whose content is on the disk; the caller renames or deletes it.

    Raises:
        OSError: no file is left behind then.
    """
    path = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, NEW_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def rename_noreplace(source: Path, target: Path) -> None:
    """Rename a file, never over an existing one, in one atomic step where the system has one.

    Where it has none, the file is linked and unlinked: it still replaces nothing and loses
    nothing, but both names exist for a moment.

    Raises:
        FileExistsError: the target exists; both files are untouched.
        FileNotFoundError: the source, or the target's folder, does not exist.
        OSError: any other refusal, such as another file system (EXDEV).
    """
    refusal = exclusive_rename(os.fsencode(source), os.fsencode(target))
    if refusal in UNSUPPORTED:
        os.link(source, target, follow_symlinks=False)
        source.unlink()
    elif refusal:
        raise OSError(refusal, os.strerror(refusal), str(source), None, str(target))


def put_folder(made: Path, target: Path) -> None:
    """Put a folder of files, on the disk, under a name in one step; the two change names.

    Where the system cannot exchange two names, nobody has the target's for a moment.

    Args:
        made: a folder that holds files alone, beside the target.
        target: its final name.

    Raises:
        OSError: any refusal.
    """
    for path in made.iterdir():
        _sync(path, os.O_NOFOLLOW)
    sync_folder(made)
    if not os.path.lexists(target):
        made.rename(target)
    elif refusal := exchange(os.fsencode(made), os.fsencode(target)):
        if refusal not in UNSUPPORTED:
            raise OSError(refusal, os.strerror(refusal), str(made), None, str(target))
        aside = made.with_name(f"{made.name}-before")
        target.rename(aside)
        made.rename(target)
        aside.rename(made)
    sync_folder(target.parent)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exclusive_rename(source: bytes, target: bytes) -> int:
    """Ask the system for a rename that replaces nothing; return 0 or the error number."""
    return _rename(source, target, RENAME_EXCL, RENAME_NOREPLACE)


def exchange(one: bytes, other: bytes) -> int:
    """Ask the system to exchange two names; return 0 or the error number."""
    return _rename(one, other, RENAME_SWAP, RENAME_EXCHANGE)


def _rename(source: bytes, target: bytes, on_darwin: int, elsewhere: int) -> int:
    if sys.platform == "darwin":
        call = getattr(LIBC, "renamex_np", None)
        arguments = (source, target, on_darwin)
    else:
        call = getattr(LIBC, "renameat2", None)
        arguments = (AT_FDCWD, source, AT_FDCWD, target, elsewhere)
    if call is None:
        return errno.ENOSYS
    return 0 if call(*arguments) == 0 else ctypes.get_errno()
