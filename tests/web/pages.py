"""The dashboard over a daemon in memory, and forms as a browser sends them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from urllib.parse import urlencode

from symphony.core.branch import Branches
from symphony.core.editing import Editing
from symphony.core.workflow_report import WorkflowDesk
from symphony.web.listener import Bounds, open_listener
from tests.web.support import Answer, Client, Daemon, Door, surface_of

FORM = "application/x-www-form-urlencoded"
BOUNDS = Bounds(close_s=0.1)


@asynccontextmanager
async def serving(
    daemon: Daemon,
    *,
    editing: Editing | None = None,
    workflow: WorkflowDesk | None = None,
    branches: Branches | None = None,
) -> AsyncIterator[Client]:
    """Serve the dashboard over a daemon in memory, with what a test has of its own behind it."""
    surface = surface_of(daemon, Door(), editing=editing, workflow=workflow, branches=branches)
    async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=BOUNDS) as listener:
        yield Client(listener.port)


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
