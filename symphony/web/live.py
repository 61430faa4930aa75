"""Live pages: parts of them, each with the number of its last change, sent to whoever has an older one.

There is no queue: a viewer has a cursor, and gets whatever changed after it in one piece. A slow
viewer so skips what nobody would have seen, and one that comes back misses nothing.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from aiohttp import web

from symphony.web.errors import Refusal
from symphony.web.event_stream import BEAT_S, open_event_stream
from symphony.web.part import SLOT, Part
from symphony.web.site import as_live

PAUSE_S: Final = 0.1  # between two looks; changes in between are shown together
SHARE: Final = 10.0  # and so many times what a look took, so that looking costs a tenth of a core at most
KEPT: Final = 16  # of what was sent, for the viewers who have seen the same
VIEWERS: Final = 500  # open pages; each costs a connection and a task
CURSOR_HEADER: Final = "Live-Cursor"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a viewer has seen: of which run of the daemon, and up to which change."""

    run: str
    number: int

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Return a cursor as it was given out; None for anything else."""
        run, _, number = text.rpartition("-")
        return cls(run, int(number)) if number.isascii() and number.isdigit() and len(number) < 16 else None

    def __str__(self) -> str:
        return f"{self.run}-{self.number}"


class Source(Protocol):
    """Where the parts come from."""

    def parts(self, known: Mapping[str, Part]) -> Iterator[Part]:
        """Yield every part as it is now, in the order of the page; those with an equal value as known."""
        ...


class Live:
    """The parts of all pages and those who watch them."""

    def __init__(self, run: str, source: Source) -> None:
        """Remember where parts come from.

        Args:
            run: a name of this run of the daemon; a cursor of another one has seen nothing.
            source: asked for the parts whenever something may have changed and someone looks.
        """
        self._run = run
        self._source = source
        self._number = 0
        self._parts: dict[str, Part] = {}
        self._changed_at: dict[str, int] = {}
        self._stale = True
        self._news = asyncio.Event()
        self._look_again_at = 0.0
        self._sent: dict[tuple[int, int, frozenset[str]], bytes] = {}
        self._viewers = 0
        self._closing = False

    def notice(self) -> None:
        """Know that something may have changed; quick, and callable at any rate."""
        self._stale = True
        self._news.set()

    def close(self) -> None:
        """End all streams; browsers come back to the next run by themselves."""
        self._closing = True
        self._news.set()

    def look(self) -> Cursor:
        """Bring all parts up to date and return where that is."""
        if self._stale:
            began = time.monotonic()
            self._news = asyncio.Event()
            now = {part.id: part for part in self._source.parts(self._parts)}
            self._stale = False
            changed = [key for key, part in now.items() if self._parts.get(key) != part]
            if changed:
                self._number += 1
                self._sent.clear()
            kept = {key: number for key, number in self._changed_at.items() if key in now}
            self._changed_at = {**kept, **dict.fromkeys(changed, self._number)}
            self._parts = now
            ended = time.monotonic()
            self._look_again_at = ended + max(PAUSE_S, SHARE * (ended - began))
        return Cursor(self._run, self._number)

    def part(self, element_id: str) -> str:
        """Return one element as it is at the last look."""
        return self._whole(self._parts[element_id])

    def _whole(self, part: Part) -> str:
        if not part.children:
            return part.html
        inside = "\n".join(self._whole(self._parts[child]) for child in part.children)
        return part.html.replace(SLOT, inside, 1)

    def since(self, cursor: Cursor | None, groups: frozenset[str]) -> tuple[Cursor, bytes]:
        """Return what changed after a cursor, as elements that find their own place, and the new cursor."""
        now = self.look()
        seen = cursor.number if cursor is not None and cursor.run == self._run else -1
        key = (min(seen, now.number), now.number, groups)
        if key not in self._sent:
            if len(self._sent) >= KEPT:
                self._sent.clear()
            found = [
                part
                for part in self._parts.values()
                if part.group in groups and self._changed_at[part.id] > seen
            ]
            inside = {child for part in found for child in self._below(part)}
            found = [part for part in found if part.id not in inside]
            found.sort(key=lambda part: self._changed_at[part.id])
            self._sent[key] = "\n".join(as_live(part.id, self._whole(part)) for part in found).encode()
        return now, self._sent[key]

    def _below(self, part: Part) -> Iterator[str]:
        for child in part.children:
            yield child
            yield from self._below(self._parts[child])

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer `/live?show=GROUP,…&after=CURSOR`: a stream of events, or with `poll=1` what is new.

        Raises:
            Refusal: 503 when too many pages are open.
        """
        asked = frozenset(request.query.get("show", "").split(","))
        self.look()
        groups = asked & {part.group for part in self._parts.values()}
        given = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        cursor = Cursor.parse(given)
        if "poll" in request.query:
            now, html = self.since(cursor, groups)
            return web.Response(
                body=html, content_type="text/html", charset="utf-8", headers={CURSOR_HEADER: str(now)}
            )
        if self._viewers >= VIEWERS:
            raise Refusal(503, "busy", f"{VIEWERS} pages are open already.", remedy="Close some of them.")
        self._viewers += 1
        try:
            return await self._stream(request, cursor, groups)
        finally:
            self._viewers -= 1

    async def _stream(
        self, request: web.Request, cursor: Cursor | None, groups: frozenset[str]
    ) -> web.StreamResponse:
        stream = await open_event_stream(request)
        for turn in itertools.count():
            if self._closing:
                break
            try:
                cursor, html = self.since(cursor, groups)
            except Exception:
                log.exception("web.stream_broke")  # the answer has begun: there is no other way to say it
                break
            news = self._news
            if (html or turn) and not await stream.send(cursor, html):
                break
            await self._next(news)
        return stream.response

    async def _next(self, news: asyncio.Event) -> None:
        """Return when something changed, and not too soon after the last change; or after a beat."""
        try:
            async with asyncio.timeout(BEAT_S):
                await news.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._look_again_at - time.monotonic())
