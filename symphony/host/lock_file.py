"""A lock on a file that the kernel frees however its holder ends.

Called by `host.lock`. It blocks on the disk, and never waits for a holder.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

PROBE_WAIT_S = 0.3  # a command that asks who runs holds the lock for an instant
PROBE_STEP_S = 0.02

T = TypeVar("T")


def take_lock(path: Path, mode: int) -> int | None:
    """Return a descriptor that holds the lock on the file of this name; None when another does.

    A holder may delete its file, so what was locked must still be what the name stands for.

    Raises:
        OSError: the file cannot be opened or locked at all.
    """
    while True:
        descriptor = _open(path, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _open(path: Path, mode: int) -> int:
    """Open for writing, or, if the file is another user's, for locking alone."""
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, mode)
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def is_held(path: Path) -> bool:
    """Say whether somebody holds the lock on this file; a file that is not there is not held.

    Raises:
        OSError: the file cannot be opened or locked at all.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def within_bound(attempt: Callable[[], T | None]) -> T | None:
    """Return what the attempt returns, repeated for `PROBE_WAIT_S` while that is None."""
    last = time.monotonic() + PROBE_WAIT_S
    while (found := attempt()) is None and time.monotonic() < last:
        time.sleep(PROBE_STEP_S)
    return found
