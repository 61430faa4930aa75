"""The page of one issue: its text, where it stands, what happened to it, and what a person can do.

The run log is shown a piece at a time, the last first. What is live comes from `issue_watch`.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from markupsafe import Markup

from symphony.core.branch import BranchDiff, Branches
from symphony.core.errors import SymphonyError
from symphony.core.operations import Operations
from symphony.core.text import one_line
from symphony.web.api import issue_id
from symphony.web.errors import Refusal
from symphony.web.event_stream import BEAT_S, open_event_stream
from symphony.web.forms import is_htmx
from symphony.web.issue_cursor import IssueCursor
from symphony.web.issue_parts import IssueParts
from symphony.web.issue_timeline import TimelinePage, TimelinePages
from symphony.web.issue_watch import HEADER, Watch, Watches
from symphony.web.live import CURSOR_HEADER, VIEWERS, Live
from symphony.web.raw_files import raw_path, send_file
from symphony.web.site import Site

GONE_S: Final = 1.0  # between two looks whether the viewer is still there
NO_PAGE: Final = TimelinePage(Markup(""), 0, 0, latest=True, size=0)


class IssuePage:
    """The page and the parts that it asks for by itself."""

    def __init__(self, site: Site, operations: Operations, branches: Branches, header: Live) -> None:
        self._site = site
        self._operations = operations
        self._branches = branches
        self._header = header
        self._pages = TimelinePages(site)
        self._watches = Watches(operations, self._pages, IssueParts(site), header)
        self._viewers = 0

    def add_to(self, app: web.Application) -> None:
        """Give the application the paths."""
        app.router.add_get("/issues/{id:[^/]+}", self.show)
        app.router.add_get("/issues/{id:[^/]+}/timeline", self.timeline)
        app.router.add_get("/issues/{id:[^/]+}/live", self.live)
        app.router.add_get("/issues/{id:[^/]+}/diff", self.diff)
        app.router.add_get("/issues/{id:[^/]+}/raw/{what}", self.raw)

    def close(self) -> None:
        """End all streams and follow the daemon no more."""
        self._watches.close()

    async def show(self, request: web.Request) -> web.Response:
        """Show the page.

        Raises:
            SymphonyError: `issue_not_found`.
        """
        watch = await self._watches.look(issue_id(request))
        page, trouble = NO_PAGE, ""
        try:
            page = await asyncio.to_thread(self._pages.page, watch.detail.run_log)
        except OSError as error:
            trouble = f"The run log cannot be read: {error.strerror}."
        issue = watch.detail.issue
        return self._page(
            request,
            "issue.html",
            title=f"{issue.identifier} {issue.title}" if issue else issue_id(request),
            parts={part.id: Markup(part.html) for part in watch.parts()},  # noqa: S704 - templates made it
            page=page,
            trouble=trouble,
            cursor=watch.cursor(page.end),
        )

    async def timeline(self, request: web.Request) -> web.Response:
        """Show an older page of the timeline: its entries for a script, else a page of its own.

        Raises:
            Refusal: 422 for what is no offset.
        """
        given = request.query.get("before", "")
        if not (given.isascii() and given.isdigit() and len(given) < 16):
            raise Refusal(422, "invalid_offset", f"{one_line(given, 40)!r} is no place in a run log.")
        detail = await self._operations.detail(issue_id(request))
        try:
            page = await asyncio.to_thread(self._pages.page, detail.run_log, int(given))
        except OSError as error:
            raise Refusal(
                500, "run_log_unreadable", f"The run log cannot be read: {error.strerror}."
            ) from error
        if is_htmx(request):
            return self._fragment("issue_older.html", issue_id=detail.issue_id, page=page)
        return self._page(request, "issue_timeline.html", page=page)

    async def diff(self, request: web.Request) -> web.Response:
        """Show what the issue's branch changes: a part for a script, else a page of its own."""
        detail = await self._operations.detail(issue_id(request))
        diff: BranchDiff | None = None
        problem = ""
        try:
            diff = await self._branches.diff(detail.issue_id)
        except SymphonyError as error:
            problem = str(error)
        if is_htmx(request):
            return self._fragment("issue_diff.html", diff=diff, problem=problem)
        return self._page(request, "issue_diff_page.html", diff=diff, problem=problem)

    async def raw(self, request: web.Request) -> web.StreamResponse:
        """Send one of the issue's files as it is.

        Raises:
            Refusal: 404.
        """
        what = request.match_info["what"]
        detail = await self._operations.detail(issue_id(request))
        root = self._operations.picture().workflow.settings.tracker.root
        return await send_file(request, await asyncio.to_thread(raw_path, detail, what, root), what)

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Answer `?after=CURSOR`: a stream of events, or with `poll=1` what is new.

        Raises:
            Refusal: 422 for what is no cursor, 503 when too many pages are open.
        """
        given = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        cursor = IssueCursor.parse(given)
        if cursor is None:
            raise Refusal(422, "invalid_cursor", f"{one_line(given, 40)!r} is no place in a run log.")
        if "poll" in request.query:
            watch = await self._watches.look(issue_id(request))
            cursor, html = await watch.news_since(cursor)
            headers = {CURSOR_HEADER: str(cursor)}
            return web.Response(body=html, content_type="text/html", charset="utf-8", headers=headers)
        if self._viewers >= VIEWERS:
            raise Refusal(503, "busy", f"{VIEWERS} pages are open already.", remedy="Close some of them.")
        self._viewers += 1
        try:
            async with self._watches.watch(issue_id(request)) as watch:
                return await stream(request, watch, cursor)
        finally:
            self._viewers -= 1

    def _page(self, request: web.Request, name: str, **values: Any) -> web.Response:
        self._header.look()
        header = self._header.part(HEADER)
        return self._site.page(request, name, header=header, issue_id=issue_id(request), **values)

    def _fragment(self, name: str, **values: object) -> web.Response:
        return web.Response(text=self._site.fragment(name, **values), content_type="text/html")


async def stream(request: web.Request, watch: Watch, cursor: IssueCursor) -> web.StreamResponse:
    """Send what is new as long as the viewer is there and takes it in."""
    events = await open_event_stream(request)
    while not watch.over and is_there(request):
        news = watch.news
        cursor, html = await watch.news_since(cursor)
        if not await events.send(cursor, html):
            break
        await news_or_beat(request, news)
    return events.response


async def news_or_beat(request: web.Request, news: asyncio.Event) -> None:
    """Return when there is news, when the viewer has gone, or after a beat."""
    for _ in range(round(BEAT_S / GONE_S)):
        with suppress(TimeoutError):
            async with asyncio.timeout(GONE_S):
                await news.wait()
                return
        if not is_there(request):
            return


def is_there(request: web.Request) -> bool:
    """Say whether the viewer's connection is open."""
    return request.transport is not None and not request.transport.is_closing()
