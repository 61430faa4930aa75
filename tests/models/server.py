"""The server: one port, three dialects, one script for whoever asks."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.models import anthropic, chat, responses
from tests.models.offered import Call, Tool, call_of
from tests.models.script import Cut, Refuse, Reply, Run, Say, Silence, Spent, UseMcp, Write

SIDE_WORDS = "A title"  # for what agents ask beside the work, such as a session's title
ENDS = ("stop", "output_item.done")  # in what an answer ends with, in each dialect
LARGEST = 64 * 2**20  # bytes of a request: agents send their whole history


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider's API is spoken."""

    path: str
    tools_of: Callable[[Mapping[str, Any]], list[Tool]]
    stream: Callable[[int, str, str | Call, Spent], Iterator[tuple[str, Mapping[str, Any]]]]
    refusal: Callable[[Refuse], Mapping[str, Any]]


DIALECTS = tuple(
    Dialect(each.PATH, each.tools_of, each.stream, each.refusal) for each in (anthropic, responses, chat)
)


@dataclass
class Model:
    """A scripted model, and what it was asked.

    Attributes:
        replies: still to be given, the next first; after the last one it ends every turn.
        asked: the bodies of requests for work, oldest first.
        headers: their headers.
        errors: what went wrong in the test itself.
        no_upgrade: the status for who wants a web socket; at 426 Codex does without one, at once.
    """

    replies: list[Reply] = field(default_factory=list)
    spent: Spent = Spent()
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    url: str = ""
    no_upgrade: int = 426
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def play(self, *replies: Reply) -> None:
        """Give these replies next."""
        self.replies.extend(replies)

    async def until_asked(self, times: int) -> None:
        """Return once it was asked for work so many times."""
        while len(self.asked) < times:
            self.changed.clear()
            await self.changed.wait()

    def prompts(self) -> str:
        """Return all that it was ever told, as one text."""
        return json.dumps(self.asked, ensure_ascii=False)

    def take(self) -> Reply:
        """Return the next reply."""
        return self.replies.pop(0) if self.replies else Say("There is nothing left to do.")


@asynccontextmanager
async def open_model(
    host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Model]:
    """Serve a scripted model, by default on a port of its own."""
    model = Model()
    app = web.Application(client_max_size=LARGEST)
    for dialect in DIALECTS:
        app.router.add_post(dialect.path, _answering(model, dialect))
    app.router.add_post("/v1/messages/count_tokens", _count_tokens)
    app.router.add_route("*", "/{rest:.*}", _nothing_for(model))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        model.url = f"{'https' if tls else 'http'}://{host}:{runner.addresses[0][1]}"
        yield model
    finally:
        await runner.cleanup()
    assert not model.errors, model.errors


def _answering(model: Model, dialect: Dialect) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        tools = dialect.tools_of(body)
        if not tools:
            return await _send(request, dialect, 0, body, SIDE_WORDS, model.spent)
        model.asked.append(body)
        model.headers.append(dict(request.headers))
        model.changed.set()
        number, reply = len(model.asked), model.take()
        match reply:
            case Refuse(status=status, headers=headers):
                return web.json_response(dialect.refusal(reply), status=status, headers=dict(headers))
            case Silence():
                await asyncio.Event().wait()
                raise AssertionError
            case Cut():
                return await _send(request, dialect, number, body, "I was just", model.spent, cut=True)
            case Say(text):
                return await _send(request, dialect, number, body, text, model.spent)
            case Run() | Write() | UseMcp():
                try:
                    call = call_of(reply, tools)
                except AssertionError as error:
                    model.errors.append(str(error))
                    return await _send(request, dialect, number, body, str(error), model.spent)
                return await _send(request, dialect, number, body, call, model.spent)

    return answer


async def _send(
    request: web.Request,
    dialect: Dialect,
    number: int,
    body: Mapping[str, Any],
    said: str | Call,
    spent: Spent,
    *,
    cut: bool = False,
) -> web.StreamResponse:
    whole = dialect.path == anthropic.PATH and not body.get("stream")
    if whole and cut:
        return _hang_up(request, web.Response())
    if whole:
        return web.json_response(anthropic.whole(number, str(body.get("model")), said, spent))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for name, event in dialect.stream(number, str(body.get("model")), said, spent):
        if cut and any(word in name + json.dumps(event.get("choices", "")) for word in ENDS):
            return _hang_up(request, response)
        head = f"event: {name}\n" if name else ""
        await response.write(f"{head}data: {json.dumps(event)}\n\n".encode())
    if dialect.path == chat.PATH:
        await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _hang_up(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return response


async def _count_tokens(_: web.Request) -> web.Response:
    return web.json_response({"input_tokens": 100})


def _nothing_for(model: Model) -> Callable[[web.Request], Any]:
    async def nothing(request: web.Request) -> web.Response:
        if request.headers.get("Upgrade"):
            return web.Response(status=model.no_upgrade)
        return web.json_response({"error": {"message": f"there is no {request.path}"}}, status=404)

    return nothing
