"""The home page: what needs a person, the board, and what it all has cost."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

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
from symphony.web.live import Live
from symphony.web.part import Part, make_part
from symphony.web.site import Site

HEADER, NEEDS, BOARD, COLUMN, CARD, TOTALS = "header", "needs", "board", "column", "card", "totals"


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
        snapshot = picture.snapshot
        needs = needs_of(snapshot)
        make = partial(make_part, self._site, known)
        yield self._header(picture, needs, known)
        yield make(NEEDS, NEEDS, "needs.html", needs, needs=needs)
        yield from inbox_parts(self._site, needs, known)
        totals = (snapshot.totals, tuple(snapshot.rate_limits.items()))
        spent: dict[str, Any] = {"totals": snapshot.totals, "rate_limits": snapshot.rate_limits}
        yield make(TOTALS, TOTALS, "totals.html", totals, **spent)
        columns = board_of(picture, self._shelves_of(picture))
        yield make(BOARD, BOARD, "board.html", None, children=tuple(map(_column_id, columns)))
        for column in columns:
            cards = {_card_id(card): card for card in column.cards}
            value = (column.state, column.role, column.total, len(cards))
            yield make(_column_id(column), COLUMN, "column.html", value, children=tuple(cards), column=column)
            for element, card in cards.items():
                yield make(element, CARD, "card.html", card, card=card)

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
        values: dict[str, Any] = dict(zip(names, facts, strict=True))
        return make_part(self._site, known, HEADER, HEADER, "header.html", facts, **values)

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
