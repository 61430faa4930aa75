"""File watching that says when it cannot be trusted.

A room opens a watcher on its folders and is told, in the event loop, which paths may have
changed. Whoever polls as a safety net asks `healthy` to know whether it has to, and calls
`retry` when it does. A watcher never raises for what a file system lacks or a user deletes,
and it never reads a file.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from symphony.host.feed import Fault, Feed, Report, refusal

if sys.platform == "linux":
    from symphony.host.inotify import InotifyFeed as SystemFeed
else:
    from symphony.host.feed import ObserverFeed as SystemFeed

COALESCE_S = 0.01  # an editor's save is a handful of events within a few milliseconds
NAMED_PATHS = 4096  # past this many at once, one look at everything is cheaper than each by name

OpenFeed: TypeAlias = Callable[[Collection[Path], bool, Report, Fault], Feed]

OnChange: TypeAlias = Callable[[frozenset[Path] | None], None]
"""Told, in the event loop, which paths may have changed; None means that any may have."""


class Watcher:
    """Watches folders until its context is left; see `open_watcher`."""

    def __init__(
        self, folders: Collection[Path], on_change: OnChange, subfolders: bool, open_feed: OpenFeed
    ) -> None:
        self._folders = tuple(folders)
        self._on_change = on_change
        self._subfolders = subfolders
        self._open_feed = open_feed
        self._loop = asyncio.get_running_loop()
        self._establishing = threading.Lock()
        self._feed: Feed | None = None
        self._identities: dict[Path, tuple[int, int]] = {}
        self._reason = "not started"
        self._tried = False
        self._closed = False
        self._pending_lock = threading.Lock()
        self._pending: set[Path] = set()
        self._everything = False

    @property
    def healthy(self) -> bool:
        """Say whether every change is reported; when not, changes have to be looked for."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Say in words why the watcher is not healthy; empty when it is."""
        if not self._reason and (self._feed is None or not self._feed.alive):
            return "the watching thread has ended"
        return self._reason

    async def retry(self) -> bool:
        """Look whether the folders are still the watched ones, watch anew if not; return `healthy`.

        After a gap, everything is reported as changed.
        """
        await asyncio.to_thread(self._establish)
        return self.healthy

    async def close(self) -> None:
        """Stop watching; nothing is reported any more when this returns."""
        self._closed = True
        await asyncio.shield(asyncio.to_thread(self._close))

    def _establish(self) -> None:
        with self._establishing:
            if self._closed or (self.healthy and self._identities == identities(self._folders)):
                return
            again, self._tried = self._tried, True
            self._stop_feed()
            self._reason = ""
            self._identities = identities(self._folders)
            self._feed = self._open_feed(self._folders, self._subfolders, self._report, self._report_fault)
            try:
                self._feed.start()
            except OSError as error:
                self._reason = refusal(error)
                self._feed.stop()
                return
        if again:
            self._report_everything()

    def _close(self) -> None:
        with self._establishing:
            self._stop_feed()

    def _stop_feed(self) -> None:
        if self._feed is not None:
            self._feed.stop()

    def _report_fault(self, reason: str) -> None:
        self._reason = reason
        self._report_everything()

    def _report_everything(self) -> None:
        with self._pending_lock:
            self._everything = True
        self._arm()

    def _report(self, path: Path) -> None:
        with self._pending_lock:
            first = not self._pending
            self._pending.add(path)
            if len(self._pending) > NAMED_PATHS:
                self._everything = True
        if first:
            self._arm()

    def _arm(self) -> None:
        with suppress(RuntimeError):  # the loop was closed while its watcher was being stopped
            self._loop.call_soon_threadsafe(self._loop.call_later, COALESCE_S, self._deliver)

    def _deliver(self) -> None:
        with self._pending_lock:
            paths = None if self._everything else frozenset(self._pending)
            self._pending.clear()
            self._everything = False
        if not self._closed and (paths is None or paths):
            self._on_change(paths)


@asynccontextmanager
async def open_watcher(
    folders: Collection[Path],
    on_change: OnChange,
    *,
    subfolders: bool = False,
    open_feed: OpenFeed | None = None,
) -> AsyncIterator[Watcher]:
    """Watch folders until the context is left.

    Args:
        folders: none of them inside another. Paths are reported as they begin here.
        on_change: called in the event loop with what changed within COALESCE_S.
        subfolders: watch the folders directly inside as well, those made later included.
        open_feed: the system's means; chosen by platform when absent.
    """
    watcher = Watcher(folders, on_change, subfolders, open_feed or SystemFeed)
    try:
        await watcher.retry()
        yield watcher
    finally:
        await watcher.close()


def identities(folders: Collection[Path]) -> dict[Path, tuple[int, int]]:
    """Return which folder each path names now; (0, 0) for one that is not there."""
    found: dict[Path, tuple[int, int]] = {}
    for folder in folders:
        try:
            status = folder.stat()
        except OSError:
            found[folder] = (0, 0)
        else:
            found[folder] = (status.st_dev, status.st_ino)
    return found
