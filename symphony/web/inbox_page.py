"""The inbox for a phone: only what needs a person, one card for each thing, answerable with one thumb."""

from collections.abc import Iterator, Mapping
from typing import Final

from aiohttp import web

from symphony.core.attention import Need
from symphony.core.keys import workspace_key
from symphony.web.live import Live
from symphony.web.part import Part, make_part
from symphony.web.site import Site

SHOWN: Final = 100  # cards; as one is answered the next follows
HEADER, INBOX, ASK = "header", "inbox", "ask"


class InboxPage:
    """Shows what needs a person; the forms on it are the issues' own."""

    def __init__(self, site: Site, live: Live) -> None:
        self._site = site
        self._live = live

    def add_to(self, app: web.Application) -> None:
        """Give the application the path."""
        app.router.add_get("/inbox", self.show)

    async def show(self, request: web.Request) -> web.Response:
        """Show everything that needs a person, the most urgent first."""
        cursor = self._live.look()
        return self._site.page(
            request,
            "inbox.html",
            header=self._live.part(HEADER),
            inbox=self._live.part(INBOX),
            cursor=cursor,
        )


def inbox_parts(site: Site, needs: tuple[Need, ...], known: Mapping[str, Part]) -> Iterator[Part]:
    """Yield the inbox and its cards, each of which changes by itself; see `live.Source`."""
    cards = {f"ask-{workspace_key(need.key)}": need for need in needs[:SHOWN]}
    beyond = len(needs) - len(cards)
    yield make_part(
        site, known, INBOX, INBOX, "inbox_cards.html", beyond,
        children=tuple(cards), count=len(needs), beyond=beyond,
    )  # fmt: skip
    for element, need in cards.items():
        yield make_part(site, known, element, ASK, "inbox_card.html", need, need=need)
