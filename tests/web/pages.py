"""A listener with pages on it that are told apart by their constructor, and forms as a browser sends them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html import unescape
from urllib.parse import urlencode

from aiohttp import web

from symphony.web.api import Api
from symphony.web.dashboard import Dashboard
from symphony.web.guards import Guard
from symphony.web.listener import Bounds, application, listen
from symphony.web.live import Live
from symphony.web.site import Site
from tests.web.support import Answer, Client, Daemon, Door, surface_of

FORM = "application/x-www-form-urlencoded"
BOUNDS = Bounds(close_s=0.1)


@asynccontextmanager
async def serving(
    daemon: Daemon, add: Callable[[Site, Live, web.Application], None]
) -> AsyncIterator[Client]:
    """Serve the dashboard and the pages that `add` puts beside it."""
    door = Door()
    guard = Guard.of("127.0.0.1", "127.0.0.1", None, ())
    dashboard = Dashboard(surface_of(daemon, door), guard)
    api = Api(daemon, door, BOUNDS.body_s, BOUNDS.operation_s)
    app = application(api, dashboard, guard)
    add(dashboard._site, dashboard._home.live, app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=BOUNDS.close_s)
    await runner.setup()
    server = await listen(runner, "127.0.0.1", "127.0.0.1", 0, BOUNDS)
    try:
        yield Client(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        dashboard.close()
        await runner.cleanup()
        await api.aclose()


async def submit(client: Client, path: str, **fields: str) -> Answer:
    """Send a form as a browser does: line ends as it writes them, an origin, no script."""
    typed = {name: value.replace("\n", "\r\n") for name, value in fields.items()}
    origin = f"http://127.0.0.1:{client.port}"
    return await client.ask("POST", path, raw=urlencode(typed).encode(), Content_Type=FORM, Origin=origin)


def page_of(answer: Answer) -> str:
    """Return a page as people read it, markup included and entities as what they stand for."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return unescape(answer.body.decode())


def value_of(answer: Answer, name: str) -> str:
    """Return what a field of a page holds."""
    html = answer.body.decode()
    if f'name="{name}" rows=' in html:
        start = html.index(f'name="{name}" rows=')
        text = html[html.index(">\n", start) + 2 : html.index("</textarea>", start)]
    else:
        start = html.index('value="', html.index(f'name="{name}"')) + len('value="')
        text = html[start : html.index('"', start)]
    return unescape(text)
