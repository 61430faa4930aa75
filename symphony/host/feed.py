"""Where a watcher's news come from: the system's means of reporting changed paths."""

import errno
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol, TypeAlias

from watchdog.events import (
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedNoWriteEvent,
    FileOpenedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

STOP_S = 5.0  # the reporting thread ends at once unless it is inside a slow system call

Report: TypeAlias = Callable[[Path], None]
"""Told of each path that may have changed, in any thread."""

Fault: TypeAlias = Callable[[str], None]
"""Told why news may have been lost, in any thread."""


class Feed(Protocol):
    """A source of changed paths, made by the system's means.

    It is started once, and stopped any number of times. Making one takes nothing from the system.
    """

    def start(self) -> None:
        """Begin to report; raises OSError when the system refuses."""
        ...

    def stop(self) -> None:
        """Stop reporting and release what the system gave."""
        ...

    @property
    def alive(self) -> bool:
        """Say whether it still reports."""
        ...


def refusal(error: OSError) -> str:
    """Say why the system does not watch."""
    match error.errno:
        case errno.ENOSPC:
            return "the system watches no more folders (raise fs.inotify.max_user_watches)"
        case errno.EMFILE:
            return "too many files or watchers are open (raise fs.inotify.max_user_instances or `ulimit -n`)"
        case _:
            what = f"{error.filename} cannot be watched" if error.filename else "files cannot be watched"
            return f"{what}: {error.strerror or error}"


class ObserverFeed(FileSystemEventHandler):
    """What watchdog offers on every platform; it does not tell when the system dropped events."""

    def __init__(self, folders: Collection[Path], subfolders: bool, report: Report, fault: Fault) -> None:
        self._real = {folder.resolve(): folder for folder in folders}
        self._subfolders = subfolders
        self._report = report
        self._fault = fault
        self._observer: BaseObserver | None = None

    @property
    def alive(self) -> bool:
        """Say whether it still reports."""
        return self._observer is not None and self._observer.is_alive()

    def start(self) -> None:
        """Begin to report."""
        self._observer = Observer()
        for folder in self._real:
            if not folder.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
            self._observer.schedule(self, str(folder), recursive=self._subfolders)
        self._observer.start()

    def stop(self) -> None:
        """Stop reporting."""
        if self._observer is not None:
            self._observer.stop()
            if self._observer.ident is not None:
                self._observer.join(STOP_S)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Report both ends of an event, under the names that the folders were given by."""
        if isinstance(event, FileOpenedEvent | FileClosedNoWriteEvent):
            return
        source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
        for path in map(Path, filter(None, (source, target))):
            for real, folder in self._real.items():
                if path.is_relative_to(real):
                    self._report(folder / path.relative_to(real))
        if (
            isinstance(event, DirDeletedEvent | DirMovedEvent)
            and Path(os.fsdecode(event.src_path)) in self._real
        ):
            self._fault(f"{os.fsdecode(event.src_path)} was removed or moved away")
