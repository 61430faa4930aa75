"""Whatever is asked of the API, the answer is one that its document tells of, and never a defect.

Requests are made up from the OpenAPI document: right ones, nearly right ones and wrong ones.
"""

import asyncio
import json
import string
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from symphony.agent.script import ask, one_turn
from symphony.core.errors import SymphonyError
from symphony.web.errors import STATUS_BY_CODE, status_of
from symphony.web.listener import Bounds, open_listener
from symphony.web.openapi import document
from tests.engine.conftest import World
from tests.web.conformity import check, operations, path_of, resolved
from tests.web.support import Client, Daemon, Door, surface_of

QUIET = settings(
    max_examples=150,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
    ],
)
KNOWN_IDS = ("1", "2", "none")
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
ODD_IDS = (
    "..",
    ".",
    "a/b",
    "%",
    "%2F",
    "a%00b",
    "\x00",
    "😀",
    "\u202e",
    "x" * 5_000,
    "state",
    "openapi.json",
    " ",
    "a\nb",
)
IDS = st.one_of(st.sampled_from(KNOWN_IDS), st.sampled_from(ODD_IDS), TEXT.filter(bool))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
TYPES = st.sampled_from(
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data; boundary=x",
        "nonsense",
        "",
    ]
)


@dataclass(frozen=True)
class Wish:
    """One request.

    Attributes:
        path: as in the document.
        headers: with `_` for `-`; None takes a header away.
    """

    method: str
    path: str
    target: str
    raw: bytes
    headers: dict[str, str | None]


def valid(schema: Any) -> st.SearchStrategy[Any]:
    """Return values that fit a schema of the document's bodies."""
    match resolved(schema):
        case {"enum": list(values)}:
            return st.sampled_from(values)
        case {"anyOf": list(options)}:
            return st.one_of(*map(valid, options))
        case {"type": "object", "properties": dict(fields), **others}:
            needed = set(others.get("required", ()))
            return st.fixed_dictionaries(
                {name: valid(field) for name, field in fields.items() if name in needed},
                optional={name: valid(field) for name, field in fields.items() if name not in needed},
            )
        case {"type": "object"}:
            return st.dictionaries(TEXT, JSON, max_size=3)
        case {"type": "array", "items": items}:
            return st.lists(valid(items), max_size=3)
        case {"type": "integer"}:
            return st.integers()
        case {"type": "number"}:
            return st.floats(allow_nan=False, allow_infinity=False)
        case {"type": "string"}:
            return st.one_of(TEXT, st.sampled_from(["Todo", "Done", "Proposed", "pypi.org", "1", ""]))
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "null"}:
            return st.none()
        case other:
            raise AssertionError(f"no values for {other}")


def body_schema(method: str, path: str) -> Any:
    operation = document()["paths"][path].get(method, {})
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")


@st.composite
def wishes(draw: st.DrawFn, *, well_formed: bool = False) -> Wish:
    """Return a request; a well-formed one fits the document."""
    method, path = draw(st.sampled_from(operations()))
    schema = body_schema(method, path)
    headers: dict[str, str | None] = {}
    raw = b""
    if schema is not None:
        body = draw(valid(schema) if well_formed else st.one_of(valid(schema), bent(valid(schema)), JSON))
        raw = json.dumps(body).encode()
        headers["Content_Type"] = "application/json"
    if not well_formed:
        method = draw(st.sampled_from([method, method, method, "get", "post", "put", "delete", "patch"]))
        raw = draw(st.one_of(st.just(raw), st.just(raw), st.binary(max_size=40)))
        if draw(st.integers(0, 3)) == 0:
            headers["Content_Type"] = draw(TYPES)
        if draw(st.integers(0, 5)) == 0:
            headers["Origin"] = draw(
                st.sampled_from(["null", "https://evil.example", "http://127.0.0.1", "x"])
            )
        if draw(st.integers(0, 5)) == 0:
            headers["HX_Request"] = "true"
        if draw(st.integers(0, 9)) == 0:
            headers["Host"] = draw(st.sampled_from([None, "evil.example", "127.0.0.1:1", "::", "a b"]))
    target = path.replace("{id}", quote(draw(IDS), safe="")) if "{id}" in path else path
    if draw(st.integers(0, 5)) == 0:
        target += "?" + "".join(draw(st.lists(st.sampled_from(string.ascii_letters + "=&%+"), max_size=9)))
    return Wish(method, path, target, raw, headers)


@st.composite
def bent(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    """Return a value of which something is missing, more or of another type."""
    value = draw(values)
    if not isinstance(value, dict):
        return draw(JSON)
    for name in draw(st.lists(st.sampled_from(sorted(value) or ["x"]), max_size=2)):
        if draw(st.booleans()):
            value.pop(name, None)
        else:
            value[name] = draw(JSON)
    return {**value, **draw(st.dictionaries(TEXT, JSON, max_size=1))}


async def grant(client: Client, wish: Wish) -> int:
    """Send a request, hold its answer to the document, and return its status."""
    answer = await client.ask(wish.method.upper(), wish.target, raw=wish.raw, **wish.headers)
    path = path_of(wish.target)
    described = document()["paths"][path]
    if wish.method in described:
        check(wish.method, path, answer)
    else:
        assert answer.error[0] in {400, 403, 405, 421}
    return answer.status


@QUIET
@given(wishes())
async def test_a_daemon_in_memory_never_breaks(client: Client, wish: Wish) -> None:
    assert await grant(client, wish) < 500


@QUIET
@given(wishes(well_formed=True), st.sampled_from([*STATUS_BY_CODE, "store_full", "invalid_title"]))
async def test_a_daemon_that_refuses_is_heard_as_described(
    client: Client, daemon: Daemon, wish: Wish, code: str
) -> None:
    daemon.failure = error = SymphonyError("What happened.", code=code, remedy="Do this.")
    assume(str(status_of(error)) in document()["paths"][wish.path][wish.method]["responses"])
    await grant(client, wish)


@dataclass
class Engine:
    """A listener over a whole engine with rooms in memory, whose time passes while it is asked."""

    world: World
    client: Client

    async def grant(self, wish: Wish) -> int:
        granting = asyncio.create_task(grant(self.client, wish))
        while not (await asyncio.wait({granting}, timeout=0.01))[0]:
            if (due := self.world.clock.next_due) is not None:
                await self.world.clock.advance(due)
        return granting.result()


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    world = World()
    async with world.running():
        world.script("2", one_turn(ask("Which colour?")))
        world.drop("1", "---\ntitle: Fix it\n---\n")
        world.drop("2")
        await world.until(lambda: world.state_of("1") == "Done" and world.operations.snapshot().waiting)
        surface = replace(surface_of(Daemon(), Door()), operations=world.operations)
        bounds = Bounds(close_s=0.1)
        async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds) as listener:
            yield Engine(world, Client(listener.port))


@QUIET
@given(st.lists(wishes(), min_size=1, max_size=4))
async def test_a_whole_engine_never_breaks_whatever_came_before(engine: Engine, asked: list[Wish]) -> None:
    for wish in asked:
        assert await engine.grant(wish) < 500
