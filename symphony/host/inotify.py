"""News of changed paths from Linux's inotify, with every loss known.

It uses watchdog's inotify reader without watchdog's observer: the observer holds a file that is
moved away back for half a second, and swallows both a full event queue and a folder that could
not be watched. A dropped issue has to start at once, and a lost event has to be known.
"""

import errno
import itertools
import os
import threading
from collections.abc import Collection
from pathlib import Path

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

from symphony.host.feed import STOP_S, Fault, Report, refusal

MOUNTS = Path("/proc/self/mountinfo")
REMOTE_KINDS = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "fuse.", "virtiofs")

CHANGES = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
)


class InotifyFeed(WatchCallback):
    """Watches folders, and optionally the folders directly inside them, by inotify."""

    def __init__(self, folders: Collection[Path], subfolders: bool, report: Report, fault: Fault) -> None:
        self._folders = frozenset(folders)
        self._subfolders = subfolders
        self._report = report
        self._fault = fault
        self._lock = threading.RLock()  # an event may come before the call that asked for it returns
        self._paths: dict[WatchDescriptor, Path] = {}
        self._ids: dict[WatchDescriptor, CallbackId] = {}
        self._numbers = itertools.count()
        self._reader: InotifyFD | None = None
        self._stopped = False

    @property
    def alive(self) -> bool:
        """Say whether it still reports."""
        return self._reader is not None and self._reader.is_alive()

    def start(self) -> None:
        """Begin to report."""
        self._reader = InotifyFD()
        self._reader.start()
        for folder in self._folders:
            self._watch(folder, CHANGES)
            if (kind := remote_kind(folder)) is not None:
                silent = f"file system of kind {kind}, which does not report other machines' changes"
                self._fault(f"{folder} is on a {silent}")
            if self._subfolders:
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
                for name in names:
                    self._watch_subfolder(folder / name)

    def stop(self) -> None:
        """Stop reporting."""
        self._stopped = True
        if self._reader is not None:
            self._reader.stop()
            self._reader.join(STOP_S)

    def on_event(self, event: InotifyEvent) -> None:
        """Report one event and keep the watched subfolders up to date."""
        with self._lock:
            folder = self._paths.get(event.wd)
            if folder is None or self._stopped:
                return
            path = folder / os.fsdecode(event.name) if event.name else folder
            if self._subfolders and event.name and event.is_directory and folder in self._folders:
                self._unwatch(path)
                if event.is_create or event.is_moved_to:
                    self._watch_subfolder(path)
            self._report(path)
            if event.is_move_self and path in self._folders:
                self._fault(f"{path} was moved away")

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Note that the system has ended a watch: its folder is gone."""
        with self._lock:
            path = self._paths.pop(wd, None)
            self._ids.pop(wd, None)
            if path is None or self._stopped:
                return
            self._report(path)
            if path in self._folders:
                self._fault(f"{path} was removed")

    def on_queue_overflow(self) -> None:
        """Note that the system dropped events."""
        if not self._stopped:
            self._fault("more changed at once than the system reports (fs.inotify.max_queued_events)")

    def _watch_subfolder(self, path: Path) -> None:
        try:
            self._watch(path, Mask(CHANGES | InotifyConstants.IN_DONT_FOLLOW))
        except (FileNotFoundError, NotADirectoryError):
            return  # gone again, or a symlink in its place
        except OSError as error:
            self._fault(refusal(error))

    def _watch(self, path: Path, mask: Mask) -> None:
        with self._lock:
            if self._reader is None:
                return
            number = CallbackId(next(self._numbers))
            try:
                wd = self._reader.add_callback(os.fsencode(path), mask, self, number)
            except OSError as error:
                error.filename = str(path)
                raise
            if wd == -1:  # how watchdog passes on a folder that may not be read
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            self._paths[wd] = path
            self._ids[wd] = number

    def _unwatch(self, path: Path) -> None:
        for wd in [wd for wd, watched in self._paths.items() if watched == path]:
            del self._paths[wd]
            if self._reader is not None:
                self._reader.remove_callbacks([(wd, self._ids.pop(wd))])


def remote_kind(folder: Path) -> str | None:
    """Return the kind of file system a folder is on if others may change it without a word here."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = [line.split() for line in MOUNTS.read_text(errors="replace").splitlines()]
    except OSError:
        return None
    kinds = (mount[mount.index("-") + 1] for mount in mounts if mount[2] == number)
    return next((kind for kind in kinds if kind.startswith(REMOTE_KINDS)), None)
