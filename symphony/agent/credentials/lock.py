"""The lock on a login file: against other daemons, and against the program whose file it is.

Called from a worker thread; every wait is bounded. The lock on a file is freed by the kernel however
its holder ends; the program's own is a folder that somebody has to touch, else it is stale.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from symphony.host.lock_file import take_lock

LOCK_FILE = ".symphony-login.lock"
WAIT_S = 60.0  # longer than another daemon takes to renew a login
STEP_S = 0.05
STALE_S = 10.0  # seconds after which a program takes its folder for that of a dead one
TOUCH_S = 3.0


class LockBusy(Exception):
    """Another has held the lock for too long."""


@contextmanager
def locked(path: Path, program_lock: str) -> Iterator[None]:
    """Hold both locks on a login file; the second only if its program has one.

    Raises:
        LockBusy: another holds one of them.
        OSError: nothing can be written beside the file.
    """
    descriptor = _wait(lambda: take_lock(path.parent / LOCK_FILE, 0o600))
    try:
        with folder_locked(path.parent, program_lock):
            yield
    finally:
        os.close(descriptor)


@contextmanager
def folder_locked(parent: Path, name: str) -> Iterator[None]:
    """Hold a program's lock, a folder that is touched while it is held; without a name there is none.

    Raises:
        LockBusy: another holds it.
        OSError: it cannot be made.
    """
    if not name:
        yield
        return
    folder = parent / name
    _wait(lambda: _make(folder))
    ended = threading.Event()

    def touch() -> None:
        while not ended.wait(TOUCH_S):
            with suppress(OSError):
                os.utime(folder)

    toucher = threading.Thread(target=touch, name="login-lock", daemon=True)
    toucher.start()
    try:
        yield
    finally:
        ended.set()
        toucher.join()
        with suppress(OSError):
            folder.rmdir()


def _make(folder: Path) -> int | None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        with suppress(OSError):
            if time.time() - folder.lstat().st_mtime > STALE_S:
                folder.rmdir()
        return None
    return 1


def _wait(attempt: Callable[[], int | None]) -> int:
    until = time.monotonic() + WAIT_S
    while (taken := attempt()) is None:
        if time.monotonic() > until:
            raise LockBusy
        time.sleep(STEP_S)
    return taken
