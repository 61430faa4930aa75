"""The home page: what needs a person, the board, and what it all has cost."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import structlog
from aiohttp import web

from symphony.core.attention import Need, needs_of
from symphony.core.board import PAGE, Card, Column, Shelf, board_of, page_of, shelve, standings
from symphony.core.issue import IssueSet
from symphony.core.keys import workspace_key
from symphony.core.operations import Operations
from symphony.core.snapshot import Picture
from symphony.core.states import StateTable, state_key
from symphony.core.text import one_line
from symphony.web.errors import Refusal
from symphony.web.inbox_page import inbox_parts
from symphony.web.live import Live, Part
from symphony.web.site import Site

HEADER, NEEDS, BOARD, COLUMN, CARD, TOTALS = "header", "needs", "board", "column", "card", "totals"

log = structlog.get_logger(__name__)


class Home:
    """The home page and the pages of single states; the source of what is live on them."""

    def __init__(self, site: Site, operations: Operations, run: str) -> None:
        self._site = site
        self._operations = operations
        self.live = Live(run, self)
        self._shelved: tuple[IssueSet, StateTable] | None = None
        self._shelves: tuple[Shelf, ...] = ()
        self._unsubscribe = operations.subscribe(self.live.notice)

    def add_to(self, app: web.Application) -> None:
        """Give the application the paths."""
        app.router.add_get("/", self.show)
        app.router.add_get("/live", self.live.serve, allow_head=False)
        app.router.add_get("/states/{state:[^/]+}", self.show_state)
        app.router.add_post("/pause", self.pause)
        app.router.add_post("/resume", self.resume)

    def close(self) -> None:
        """Follow the daemon no more, and end the streams."""
        self._unsubscribe()
        self.live.close()

    async def show(self, request: web.Request) -> web.Response:
        """Show the home page."""
        cursor = self.live.look()
        return self._site.page(
            request,
            "home.html",
            header=self.live.part(HEADER),
            needs=self.live.part(NEEDS),
            totals=self.live.part(TOTALS),
            board=self.live.part(BOARD),
            cursor=cursor,
        )

    async def show_state(self, request: web.Request) -> web.Response:
        """Show every issue of a state, page by page.

        Raises:
            Refusal: 404 for a state that is neither configured nor a folder with issues; 422 for no page.
        """
        state, given = request.match_info["state"], request.query.get("page", "1")
        page = int(given) if given.isascii() and given.isdigit() and len(given) < 9 else 0
        if page < 1:
            raise Refusal(422, "invalid_page", f"{one_line(given, 40)!r} is not a page's number.")
        cursor = self.live.look()
        picture = self._operations.picture()
        shelves = self._shelves_of(picture)
        shelf = next((each for each in shelves if state_key(each.state) == state_key(state)), None)
        if shelf is None:
            raise Refusal(404, "unknown_state", f"There is no state {one_line(state, 80)!r}.")
        issues, total = await asyncio.to_thread(page_of, shelf, page), len(shelf.issues)
        known = standings(picture.snapshot)
        return self._site.page(
            request,
            "state.html",
            header=self.live.part(HEADER),
            cursor=cursor,
            state=shelf.state,
            cards=[Card(issue, known.get(issue.id)) for issue in issues],
            total=total,
            page=page,
            pages=max(1, -(-total // PAGE)),
            now=picture.snapshot.generated_at,
        )

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """Start no new attempt on any issue."""
        await self._operations.pause(None)
        return self._site.done(request, "Paused: no new attempt starts; those that run go on.", "/")

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Lift the pause on everything."""
        await self._operations.resume(None)
        return self._site.done(request, "Resumed.", "/")

    def parts(self, known: Mapping[str, Part]) -> Iterator[Part]:
        """Yield every live element of the pages; see `live.Source`."""
        picture = self._operations.picture()
        snapshot, now = picture.snapshot, picture.snapshot.generated_at
        needs = needs_of(snapshot)
        yield self._header(picture, needs, known)
        yield self._part(NEEDS, NEEDS, known, "needs.html", needs, now, needs=needs)
        yield from inbox_parts(self._site, needs, now, known)
        totals = (snapshot.totals, tuple(snapshot.rate_limits.items()))
        spent = {"totals": snapshot.totals, "rate_limits": snapshot.rate_limits}
        yield self._part(TOTALS, TOTALS, known, "totals.html", totals, now, **spent)
        columns = board_of(picture, self._shelves_of(picture))
        shown = tuple(_column_id(column) for column in columns)
        board = self._part(BOARD, BOARD, known, "board.html", shown, now)
        yield replace(board, children=shown)
        for column in columns:
            yield from self._column(column, known, now)

    def _header(self, picture: Picture, needs: tuple[Need, ...], known: Mapping[str, Part]) -> Part:
        snapshot = picture.snapshot
        facts = (
            snapshot.status,
            snapshot.status_reason,
            snapshot.paused,
            snapshot.sandbox,
            len(needs),
            snapshot.counts.get("running", 0),
            picture.workflow.settings.agent.max_concurrent_agents,
            _shown_path(picture.workflow.path),
            _shown_path(picture.workflow.settings.tracker.root),
        )
        names = ("status", "reason", "paused", "sandbox", "waiting", "running", "slots", "workflow", "root")
        values = dict(zip(names, facts, strict=True))
        return self._part(HEADER, HEADER, known, "header.html", facts, snapshot.generated_at, **values)

    def _column(self, column: Column, known: Mapping[str, Part], now: datetime) -> Iterator[Part]:
        """Yield a column, which changes with what is in it, and its cards, which change by themselves."""
        cards = [
            self._part(_card_id(card), CARD, known, "card.html", card, now, card=card)
            for card in column.cards
        ]
        children = tuple(card.id for card in cards)
        value = (column.state, column.role, column.total, children)
        frame = self._part(_column_id(column), COLUMN, known, "column.html", value, now, column=column)
        yield replace(frame, children=children)
        yield from cards

    def _part(
        self,
        element: str,
        group: str,
        known: Mapping[str, Part],
        template: str,
        value: object,
        now: datetime,
        **values: object,
    ) -> Part:
        same = known.get(element)
        if same is not None and same.value == value:
            return same
        try:
            html = self._site.fragment(template, element=element, now=now, **values)
        except Exception:
            log.exception("web.part_broke", part=element)  # the rest of the page is still true
            html = self._site.fragment("broken.html", element=element)
        return Part(element, group, html, value)

    def _shelves_of(self, picture: Picture) -> tuple[Shelf, ...]:
        shelved = (picture.issues, picture.states)
        if self._shelved is None or self._shelved[0] is not shelved[0] or self._shelved[1] != shelved[1]:
            self._shelves = shelve(*shelved, self._shelves)
            self._shelved = shelved
        return self._shelves


def _shown_path(path: Path) -> str:
    """Return a path as people on this machine write it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _column_id(column: Column) -> str:
    return f"column-{workspace_key(column.state)}"


def _card_id(card: Card) -> str:
    return f"card-{workspace_key(card.issue.id)}"
