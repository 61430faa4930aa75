"""Watched issues: one follower for each, shared by all who look at it, ended when the last has gone.

A viewer has a cursor: how far in the run log it has seen, and how the scheduler's parts look on its
page. It gets whatever is different in one piece, so there is no queue that a slow one could fill.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import structlog

from symphony.core.errors import SymphonyError
from symphony.core.operations import IssueDetail, Operations
from symphony.store.run_log_reader import read_window
from symphony.web.issue_cursor import IssueCursor, mark_of
from symphony.web.issue_parts import IssueParts
from symphony.web.issue_sight import IssueSight, Sights
from symphony.web.issue_timeline import Shown, TimelinePages, live_elements, page_start
from symphony.web.live import Live
from symphony.web.part import Part
from symphony.web.site import as_live
from symphony.web.timeline.assembler import Assembler

LOOK_S: Final = 0.2  # between two looks at the run log: soon enough to read along
REFRESH_S: Final = 1.0  # between two questions to the store about the same issue
READ_BYTES: Final = 1_048_576  # at once; a busy log is read in several steps
KEPT: Final = 500  # entries that a viewer who lags behind may still be sent
HEADER: Final = "header"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a run log.

    Attributes:
        start: of what is known entirely.
        end: where the next line starts; -1 before the first look.
        shown: the latest entries, oldest first.
    """

    start: int = 0
    end: int = -1
    shown: tuple[Shown, ...] = ()
    identity: tuple[int, int] | None = None


class Watch:
    """One watched issue."""

    def __init__(
        self, sight: IssueSight, sights: Sights, pages: TimelinePages, parts: IssueParts, header: Live
    ) -> None:
        self.viewers = 0
        self.news = asyncio.Event()
        self.over = False
        self._sight = sight
        self._sights = sights
        self._pages = pages
        self._parts = parts
        self._header = header
        header.look()
        self._current: Mapping[str, Part] = {}
        self._marks: Mapping[str, str] = {}
        self._render()
        self._noticed = asyncio.Event()
        self._refreshed_at = 0.0
        self._assembler = Assembler(KEPT)  # used by one thread at a time, and by nobody else
        self._read = Read()

    @property
    def detail(self) -> IssueDetail:
        """What is known of the issue."""
        return self._sight.detail

    def end(self, following: "asyncio.Task[None]") -> None:
        """Send the viewers away; one that was not ended on purpose is a defect."""
        if not following.cancelled() and (error := following.exception()) is not None:
            log.error("web.watch_broke", exc_info=error)
        self.over = True
        self.news.set()

    def notice(self) -> None:
        """Know that the scheduler has published something."""
        self._noticed.set()

    def parts(self) -> Iterator[Part]:
        """Yield the parts as they are."""
        yield from self._current.values()

    async def news_since(self, cursor: IssueCursor) -> tuple[IssueCursor, bytes]:
        """Return what changed since, as elements that find their own place, and the new cursor."""
        new = [self._current[element] for element, mark in self._marks.items() if mark not in cursor.seen]
        seen = tuple(self._marks.values())
        offset, timeline = await self._timeline_since(cursor.offset)
        pieces = [*(as_live(part.id, part.html) for part in new), timeline]
        return IssueCursor(offset, seen), "\n".join(piece for piece in pieces if piece).encode()

    def cursor(self, offset: int) -> IssueCursor:
        """Return the cursor of a page with all parts and the run log up to an offset."""
        return IssueCursor(offset, tuple(self._marks.values()))

    async def follow(self) -> None:
        """Read along and look again at what may have changed, until cancelled."""
        while True:
            changed = await self._read_along()
            changed = await self._look() or changed
            if changed:
                news, self.news = self.news, asyncio.Event()
                news.set()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._noticed.wait()
                await asyncio.sleep(
                    LOOK_S / 2
                )  # a burst of changes is one, and the store is not asked for each
            except TimeoutError:
                continue

    async def _timeline_since(self, after: int) -> tuple[int, str]:
        """Return what the run log adds; from memory where that has it all."""
        read = self._read
        if read.start <= after <= read.end:
            changed = [shown for shown in read.shown if shown.entry.until > after]
            return read.end, live_elements(changed, after) if changed else ""
        html, offset = await asyncio.to_thread(self._pages.since, self._sight.detail.run_log, after)
        return offset, html

    async def _read_along(self) -> bool:
        """Read what was added to the run log; say whether there was anything."""
        before = self._read
        try:
            self._read = await asyncio.to_thread(self._read_after, before)
        except OSError as error:
            log.warning("web.run_log_unreadable", reason=str(error))
        return self._read.end != before.end

    def _read_after(self, before: Read) -> Read:
        path = self._sight.detail.run_log
        if before.end < 0:
            size = path.stat().st_size if path.exists() else 0
            before = Read(page_start(size), page_start(size))
        window = read_window(path, before.end, before.end + READ_BYTES)
        if window.size < before.end or before.identity not in (None, window.identity):
            self._assembler = Assembler(KEPT)
            return Read()  # another file has taken its place
        end = max(before.end, window.next_offset)
        if not window.lines:
            return replace(before, end=end, identity=window.identity)
        for line in window.lines:
            self._assembler.take(line)
        known = {shown.entry: shown for shown in before.shown}
        shown = tuple(
            known.get(entry) or Shown(entry, self._pages.element(entry)) for entry in self._assembler.entries
        )
        start = max(before.start, self._assembler.forgotten)
        return Read(start, end, shown, window.identity)

    async def _look(self) -> bool:
        """Look at the issue again if something was published; say whether anything is new."""
        loop = asyncio.get_running_loop()
        if not self._noticed.is_set() or loop.time() < self._refreshed_at + REFRESH_S:
            return False
        self._noticed.clear()
        self._refreshed_at = loop.time()
        self._header.look()
        try:
            self._sight = await self._sights.see(self._sight.detail.issue_id, self._sight)
        except SymphonyError as error:
            log.debug("web.watch_stale", reason=str(error))
            return False
        before = self._marks
        self._render()
        return self._marks != before

    def _render(self) -> None:
        header = self._header.part(HEADER)
        now = (Part(HEADER, HEADER, header, header), *self._parts.of(self._sight, self._current))
        before, self._current = self._current, {part.id: part for part in now}
        self._marks = {
            part.id: self._marks[part.id] if before.get(part.id) is part else mark_of(part) for part in now
        }


class Watches:
    """The watched issues."""

    def __init__(self, operations: Operations, pages: TimelinePages, parts: IssueParts, header: Live) -> None:
        self.sights = Sights(operations, pages)
        self._pages = pages
        self._parts = parts
        self._header = header
        self._watched: dict[str, tuple[Watch, asyncio.Task[None]]] = {}
        self._unsubscribe = operations.subscribe(self._notice)

    async def look(self, issue_id: str) -> Watch:
        """Return the view of one who looks once.

        Raises:
            SymphonyError: `issue_not_found`.
        """
        return self._watch(await self.sights.see(issue_id))

    def _watch(self, sight: IssueSight) -> Watch:
        return Watch(sight, self.sights, self._pages, self._parts, self._header)

    @asynccontextmanager
    async def watch(self, issue_id: str) -> AsyncIterator[Watch]:
        """Share the issue's follower with whoever else looks at it; the last to leave ends it.

        Raises:
            SymphonyError: on entering, `issue_not_found`.
        """
        if issue_id not in self._watched:
            sight = await self.sights.see(issue_id)
            if issue_id not in self._watched:  # nobody else came in the meantime
                watch = self._watch(sight)
                following = asyncio.create_task(watch.follow())
                following.add_done_callback(watch.end)
                self._watched[issue_id] = (watch, following)
                watch.notice()  # something may have been published before it was heard here
        watch, following = self._watched[issue_id]
        watch.viewers += 1
        try:
            yield watch
        finally:
            watch.viewers -= 1
            if not watch.viewers:
                del self._watched[issue_id]
                following.cancel()
                await asyncio.wait({following})

    def close(self) -> None:
        """Send all viewers away and follow the daemon no more."""
        self._unsubscribe()
        for watch, following in self._watched.values():
            following.cancel()
            watch.over = True
            watch.news.set()

    def _notice(self) -> None:
        for watch, _ in self._watched.values():
            watch.notice()
