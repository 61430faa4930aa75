"""One daemon for an installation and one for a tracker, and how the command line finds it.

The locks are `flock`s, which the kernel frees however the daemon ends; what the files say is for
people and never decides anything. On NFS they hold between machines only where the server offers
locks (NFSv4, or NFSv3 with lockd); mounted with `local_lock=flock` they hold on one machine only.
Everything here blocks on the disk, and for less than a second on a lock.
"""

import errno
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from symphony.core.errors import SymphonyError
from symphony.core.installation import Installation
from symphony.host.durable import sync_folder, write_temporary
from symphony.host.lock_file import is_held, take_lock, within_bound

TRACKER_LOCK = ".symphony.lock"  # hidden, so that no scan takes it for an issue
OWNER_LIMIT_BYTES = 4096
PRIVATE = 0o600
SHARED = 0o644
UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


class LockError(SymphonyError):
    """A lock file could not be used.

    Codes: `lock_failed`, `lock_unsupported`, `lock_unreadable`.
    """

    code = "lock_failed"


class DaemonRunning(SymphonyError):
    """Another daemon holds the installation or the tracker."""

    code = "daemon_running"


@dataclass(frozen=True, slots=True)
class DaemonFile:
    """A daemon that runs, as it describes itself.

    Attributes:
        started_at: aware UTC.
        installation: its `.symphony` folder.
        machine: the name of the machine that it runs on.
        url: its HTTP API; None until it listens.
    """

    pid: int
    started_at: datetime
    tracker_root: Path
    installation: Path
    machine: str
    url: str | None = None


class DaemonLock:
    """The right to be the daemon of an installation and of its tracker.

    Attributes:
        notes: one sentence for each thing that a person should know about the locks held.
    """

    def __init__(self, installation: Installation, tracker_root: Path, started_at: datetime) -> None:
        self._installation = installation
        self._tracker_root = tracker_root
        self._owner = DaemonFile(
            os.getpid(), started_at, tracker_root.resolve(), installation.root.resolve(), platform.node()
        )
        self._held: list[tuple[Path, int]] = []
        self.notes: tuple[str, ...] = ()

    def acquire(self) -> None:
        """Take both locks, making the folders that are not there, or neither.

        A tracker that cannot be written to is not locked, and `notes` says so.

        Raises:
            DaemonRunning: naming the daemon that holds one of them.
            LockError: `lock_failed`, `lock_unsupported`: the installation's lock cannot be used.
        """
        path = self._installation.lock_file
        try:
            self._take(path, PRIVATE, f"for {self._installation.root}")
        except OSError as error:
            self.release()
            raise _unusable(path, error) from error
        try:
            self._take(self._tracker_root / TRACKER_LOCK, SHARED, f"on the issues in {self._tracker_root}")
        except OSError as error:
            self.notes = (
                f"{self._tracker_root} is not locked ({_reason(error)}): "
                "make sure that no daemon of another folder works on these issues.",
            )
        except SymphonyError:
            self.release()
            raise

    def release(self) -> None:
        """Give both back and forget what was published; repeating it does nothing."""
        if not self._held:
            return
        if _published(self._installation.root).get("pid") == os.getpid():
            self._installation.daemon_file.unlink(missing_ok=True)
        for path, descriptor in reversed(self._held):
            if path.name == TRACKER_LOCK:
                with suppress(OSError):
                    path.unlink()
            os.close(descriptor)
        self._held.clear()

    def _take(self, path: Path, mode: int, place: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = within_bound(lambda: take_lock(path, mode))
        if descriptor is None:
            raise _running(within_bound(lambda: _read_owner(path)), place)
        self._held.append((path, descriptor))
        _write_owner(descriptor, self._owner)


@contextmanager
def hold(lock: DaemonLock) -> Iterator[DaemonLock]:
    """Hold a lock while the context is open.

    Raises:
        DaemonRunning, LockError: on entering, as of `DaemonLock.acquire`.
    """
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


def publish_daemon(installation: Installation, url: str) -> None:
    """Write where the daemon listens, durably and for its user alone; call it while holding the lock.

    Raises:
        LockError: `lock_failed`: the file cannot be written.
    """
    path = installation.daemon_file
    content = json.dumps({"pid": os.getpid(), "url": url}).encode() + b"\n"
    try:
        write_temporary(path.parent, content, PRIVATE).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unusable(path, error) from error


def read_daemon(installation: Installation) -> DaemonFile | None:
    """Return the daemon that holds the installation now; None when none does.

    Raises:
        LockError: `lock_failed`, `lock_unsupported`; `lock_unreadable`: one runs but has not said
            which it is.
    """
    path = installation.lock_file
    try:
        if not is_held(path):
            return None
        owner = within_bound(lambda: _read_owner(path))
        if owner is None and not is_held(path):
            return None
    except OSError as error:
        raise _unusable(path, error) from error
    if owner is None:
        raise LockError(
            f"a daemon holds {path} but has not said which process it is.",
            code="lock_unreadable",
            remedy="Wait a moment and try again; if it stays so, end that daemon and start it again.",
        )
    return owner


def _write_owner(descriptor: int, owner: DaemonFile) -> None:
    """Describe the holder; a file that may only be locked keeps what it says."""
    words = {
        "pid": owner.pid,
        "started_at": owner.started_at.isoformat(),
        "tracker_root": str(owner.tracker_root),
        "installation": str(owner.installation),
        "machine": owner.machine,
    }
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(words).encode() + b"\n", 0)
        os.fsync(descriptor)


def _read_owner(path: Path) -> DaemonFile | None:
    """Return the holder that a lock file describes; None when it does not, or one that is dead."""
    words = _read_words(path)
    try:
        installation = Path(words["installation"])
        pid = int(words["pid"])
        if words["machine"] == platform.node() and not _exists(pid):
            return None
        published = _published(installation)
        return DaemonFile(
            pid,
            datetime.fromisoformat(words["started_at"]).astimezone(UTC),
            Path(words["tracker_root"]),
            installation,
            str(words["machine"]),
            str(published["url"]) if published.get("pid") == pid and "url" in published else None,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _published(installation: Path) -> dict[str, Any]:
    return _read_words(Installation(installation).daemon_file)


def _read_words(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty when there is none."""
    try:
        with path.open("rb") as file:
            words = json.loads(file.read(OWNER_LIMIT_BYTES))
    except (OSError, ValueError):
        return {}
    return words if isinstance(words, dict) else {}


def _running(owner: DaemonFile | None, place: str) -> DaemonRunning:
    if owner is None:
        return DaemonRunning(
            f"a symphony daemon already runs {place}, but it has not said which process it is.",
            remedy="Wait a moment and try again.",
        )
    there = "" if owner.machine == platform.node() else f" on the machine {owner.machine}"
    url = f", at {owner.url}" if owner.url else ""
    return DaemonRunning(
        f"a symphony daemon already runs {place}: process {owner.pid}{there}, "
        f"since {owner.started_at:%Y-%m-%d %H:%M:%S} UTC{url}.",
        remedy=f"Use that one, or end it with `kill {owner.pid}`{there} and start again.",
    )


def _unusable(path: Path, error: OSError) -> LockError:
    if error.errno in UNSUPPORTED:
        return LockError(
            f"{path} cannot be locked: {_reason(error)}.",
            code="lock_unsupported",
            remedy="Keep WORKFLOW.md on a disk whose file system supports locks.",
        )
    return LockError(
        f"{path} cannot be written: {_reason(error)}.",
        remedy=f"Make {path.parent} a folder that you may write to, with space left on its disk.",
    )


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
