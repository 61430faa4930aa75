"""Keeps the scheduler's issues in step with the tracker: the watcher's word, polls, own writes."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from symphony.core.decide.reconcile import GONE_GRACE
from symphony.core.errors import SymphonyError
from symphony.core.event import Ticked, TrackerChanged
from symphony.core.issue import Issue, IssueSet
from symphony.core.ports import Clock, Tracker
from symphony.engine.mailbox import Mailbox, MailboxClosed

VERIFY_EVERY = timedelta(minutes=10)  # a healthy watcher is believed, and still checked now and then


class Watch(Protocol):
    """A file watcher as far as the engine cares."""

    async def retry(self) -> bool:
        """Become healthy if possible; say whether every change is reported."""
        ...


@dataclass
class Tracking:
    """Reads the tracker and tells the orchestrator.

    Every path to a change ends in the same event. Reads never overlap; what comes in while one is
    under way is read next.
    """

    tracker: Tracker
    mailbox: Mailbox
    clock: Clock
    on_problem: Callable[[str], None]
    watch: Watch | None = None
    latest: IssueSet = field(default_factory=IssueSet)
    _noticed: set[Path] = field(default_factory=set)
    _scan_wanted: bool = False
    _poll_wanted: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _scanned_at: datetime | None = None

    def notice(self, paths: Collection[Path] | None) -> None:
        """Take the watcher's word; None means that anything may have changed."""
        if paths is None:
            self._scan_wanted = True
        else:
            self._noticed.update(paths)
        self._wake.set()

    def poll(self) -> None:
        """Ask for a scan if the watcher cannot be relied on, or has been for long."""
        self._poll_wanted = True
        self._wake.set()

    async def run(self) -> None:
        """Follow the watcher until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._poll_wanted:
                self._poll_wanted = False
                healthy = self.watch is not None and await self.watch.retry()
                self._scan_wanted = self._scan_wanted or not healthy or self._overdue()
            async with self._reading:
                issues = await self._safely(self._read_noticed())
            await self._tell(issues)

    async def scan(self) -> None:
        """Look at everything; a difference is on its way to the scheduler when this returns."""
        async with self._reading:
            issues = await self._safely(self._scan())
        await self._tell(issues)

    async def look_at(self, paths: Collection[Path], written: Issue | None = None) -> None:
        """Look at these files and return once the scheduler knows them; never called by itself.

        An issue that was just `written` is known also where the files cannot be read now.
        """
        async with self._reading:
            issues = await self._safely(self.tracker.refresh(paths), written)
        await self._tell(issues)
        await self.mailbox.settle(Ticked())

    async def is_there(self, issue_id: str) -> bool:
        """Say whether an issue has a file; one that an editor is replacing is waited for."""
        if not self.latest.present(issue_id):
            await self.clock.sleep_until(self.clock.now() + GONE_GRACE)
            await self.scan()
        return self.latest.present(issue_id)

    async def look_at_written(self, *paths: Path) -> None:
        """Look at what a person wrote; where the daemon has ended, the next run finds it there."""
        with suppress(MailboxClosed):
            await self.look_at(paths)

    async def _read_noticed(self) -> IssueSet:
        paths, scan = self._noticed, self._scan_wanted
        self._noticed, self._scan_wanted = set(), False
        if scan:
            return await self._scan()
        return await self.tracker.refresh(paths) if paths else self.latest

    async def _scan(self) -> IssueSet:
        self._scanned_at = self.clock.now()
        return await self.tracker.scan()

    async def _safely(self, reading: Awaitable[IssueSet], written: Issue | None = None) -> IssueSet:
        """Return what was read, or what is known if it could not be; the next poll looks again."""
        try:
            return await reading
        except (OSError, SymphonyError) as error:
            self._scanned_at = None
            self.on_problem(str(error))
            return self.latest if written is None else self.latest.with_issue(written)

    async def _tell(self, issues: IssueSet) -> None:
        if issues is not self.latest:
            self.latest = issues
            await self.mailbox.put(TrackerChanged(issues))

    def _overdue(self) -> bool:
        return self._scanned_at is None or self.clock.now() >= self._scanned_at + VERIFY_EVERY
