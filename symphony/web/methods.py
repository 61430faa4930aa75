"""Endpoints by method: which one answers, and what a client is told that waits to be asked for its body."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from symphony.core.text import one_line
from symphony.web.errors import method_not_allowed

Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


def by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    """Return one endpoint for a path that refuses the methods it does not have."""
    reading = {"HEAD": endpoints["GET"]} if "GET" in endpoints else {}
    table = {**endpoints, **reading}

    async def dispatch(request: web.Request) -> web.StreamResponse:
        endpoint = table.get(request.method)
        if endpoint is None:
            raise method_not_allowed(one_line(request.method, 20), one_line(request.path), ", ".join(table))
        return await endpoint(request)

    return dispatch


async def expect(request: web.Request) -> None:
    """Ask for the body of a client that waits to be asked; other expectations are left unmet."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
