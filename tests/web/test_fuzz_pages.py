"""Whatever is asked of the pages over a whole engine, nothing breaks and nobody's words become markup."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symphony.agent.script import Script, Turn, ask, mark_done
from symphony.engine.editing import TrackedEditing
from symphony.web.api import Api
from symphony.web.dashboard import Dashboard
from symphony.web.guards import Guard
from symphony.web.listener import Bounds, application, open_listener
from tests.engine.conftest import World
from tests.web.support import Answer, Client, Daemon, Door, surface_of

MARKUP = "<img src=zz onerror=alert(1)>"
HOSTILE = f"\"'>{MARKUP}</textarea></script>{{{{ 7*7 }}}}\x1b[31m\u202e"
LEFT_OUT = (
    "/api/",
    "/healthz",
    "/metrics",
    "/static/",
    "/workflow",
)  # programs' paths, files, and a page of one file
EDITORS = ("/new", "/edit")  # keep what was typed as it is
TEXT = st.one_of(st.just(HOSTILE), st.text(st.characters(codec="utf-8"), max_size=20))
IDS = st.one_of(
    st.sampled_from(["1", "2", "none", "..", "a/b", "%", "%2F", "\x00", "x" * 3_000, HOSTILE]),
    TEXT.filter(bool),
)
NAMES = st.sampled_from(
    [
        "text",
        "question",
        "state",
        "sure",
        "host",
        "decision",
        "title",
        "body",
        "priority",
        "labels",
        "blocked_by",
        "id",
        "revision",
        "draft",
        "action",
        "next",
        "token",
        "more",
    ]
)
VALUES = st.one_of(
    TEXT,
    st.sampled_from(
        ["Todo", "Done", "yes", "once", "deny", "pypi.org", "preview", "1", "2", "//evil.example", "/"]
    ),
)
QUERIES = st.dictionaries(
    st.sampled_from(["page", "before", "after", "show", "state", "next", "issue"]),
    st.one_of(VALUES, st.sampled_from(["0", "-1", "99999999999", "header,inbox,ask", "needs"])),
    max_size=2,
)


@dataclass(frozen=True)
class Click:
    """What a browser, or someone who plays one, asks for."""

    method: str
    path: str
    form: tuple[tuple[str, str], ...]
    htmx: bool


def routes() -> list[tuple[str, str]]:
    """Return the method and path of every page and form."""

    async def found() -> list[tuple[str, str]]:
        daemon = Daemon()
        guard = Guard.of("127.0.0.1", "127.0.0.1", None, ())
        surface = surface_of(daemon, Door())
        app = application(Api(surface, 1.0, 1.0), Dashboard(surface, guard), guard)
        return [
            (route.method, route.resource.canonical)
            for route in app.router.routes()
            if route.resource is not None and not route.resource.canonical.startswith(LEFT_OUT)
        ]

    return sorted(asyncio.run(found()))


ROUTES = routes()


@st.composite
def clicks(draw: st.DrawFn) -> Click:
    method, path = draw(st.sampled_from(ROUTES))
    for name in ("id", "state", "what"):
        path = path.replace(f"{{{name}}}", quote(draw(IDS), safe="")) if f"{{{name}}}" in path else path
    query = draw(QUERIES)
    if path.endswith("/live"):
        query["poll"] = "1"  # the stream itself would not end
    form = draw(st.lists(st.tuples(NAMES, VALUES), max_size=5)) if method == "POST" else []
    target = f"{path}?{urlencode(query, errors='replace')}" if query else path
    return Click(method, target, tuple(form), draw(st.booleans()))


@dataclass
class Desk:
    """A browser in front of a whole engine, whose time passes while it waits."""

    world: World
    client: Client

    async def take(self, click: Click) -> Answer:
        asked = asyncio.create_task(
            self.client.ask(
                click.method,
                click.path,
                raw=urlencode(click.form).encode(),
                Content_Type="application/x-www-form-urlencoded" if click.method == "POST" else None,
                Origin=f"http://127.0.0.1:{self.client.port}",
                HX_Request="true" if click.htmx else None,
            )
        )
        while not (await asyncio.wait({asked}, timeout=0.01))[0]:
            if (due := self.world.clock.next_due) is not None:
                await self.world.clock.advance(due)
        return asked.result()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    world = World()
    async with world.running():
        world.script("2", Script((Turn((ask(HOSTILE, HOSTILE),)), Turn((mark_done(HOSTILE[:40], HOSTILE),)))))
        world.drop("1", f"---\ntitle: {HOSTILE!r}\nlabels: ['{MARKUP}']\n---\n{HOSTILE}\n", state="Done")
        world.drop("2")
        await world.until(lambda: world.operations.snapshot().waiting)
        surface = replace(
            surface_of(Daemon(), Door()),
            operations=world.operations,
            editing=TrackedEditing(world.issues, world.engine.tracking),
        )
        bounds = Bounds(close_s=0.1)
        async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds) as listener:
            yield Desk(world, Client(listener.port))


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(clicks(), min_size=1, max_size=3))
async def test_a_page_never_breaks_and_shows_words_as_words(desk: Desk, done: list[Click]) -> None:
    for click in done:
        answer = await desk.take(click)
        assert answer.status < 500, (click, answer.body)
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            text = answer.body.decode()
            assert MARKUP not in text
            if not click.path.partition("?")[0].endswith(EDITORS):
                assert "\x1b" not in text
                assert "\u202e" not in text
        if "location" in answer.headers:
            assert answer.headers["location"].startswith("/")
            assert not answer.headers["location"].startswith("//")
