"""Feeds the SDK's server message by message and matches its answers to the requests.

The SDK's own HTTP transport is an ASGI application; symphony has one listener already, so a POST
becomes one message on an in-memory stream here, and the answer that comes out becomes its reply.
A stdio transport needs none of this: it gives its streams to `Server.run` itself.

Clients choose their own request ids and several clients may talk in one dispatch, so each request
runs under an id of ours and gets its own back.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import structlog
from mcp import types
from mcp.server.lowlevel import Server
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import ServerMessageMetadata, SessionMessage

log = structlog.get_logger(__name__)

CLOSE_BOUND_S = 5.0  # the SDK gives its own clean-up as long
INBOX_LIMIT = 64  # messages that the server has not taken yet; whoever sends more waits
CANCELLED_BY_CLIENT = -32800  # as the language server protocol numbers it; MCP names no code

Answer: TypeAlias = types.JSONRPCResponse | types.JSONRPCError


class WireClosed(Exception):
    """The server behind the wire is gone; the request was not answered."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request whose answer is outstanding.

    Attributes:
        id: the client's.
    """

    id: types.RequestId
    answer: asyncio.Future[Answer]


class Wire:
    """One run of one server; start it once, close it once."""

    def __init__(self, server: Server[object], issue_id: str) -> None:
        self._server = server
        self._issue_id = issue_id
        self._waiting: dict[types.RequestId, Waiting] = {}
        self._inbox: asyncio.Queue[SessionMessage] = asyncio.Queue(INBOX_LIMIT)
        self._last_id = 0
        self._closed = False
        self._serving = asyncio.create_task(self._serve(), name=f"mcp {issue_id}")

    @property
    def closed(self) -> bool:
        """Say whether it answers no more."""
        return self._closed

    async def ask(self, request: types.JSONRPCRequest) -> Answer:
        """Return the server's answer under the client's own id.

        Raises:
            WireClosed: the server ended first.
        Cancellation: the answer is dropped when it comes; the call itself goes on.
        """
        if self._closed:
            raise WireClosed
        self._last_id += 1
        internal = self._last_id
        waiting = Waiting(request.id, asyncio.get_running_loop().create_future())

        async def unanswered() -> None:
            error = types.ErrorData(code=CANCELLED_BY_CLIENT, message="The client cancelled this request.")
            settle(waiting, types.JSONRPCError(jsonrpc="2.0", id=internal, error=error))

        self._waiting[internal] = waiting
        try:
            await self._inbox.put(
                SessionMessage(
                    request.model_copy(update={"id": internal}),
                    ServerMessageMetadata(can_send_request=False, on_request_unanswered=unanswered),
                )
            )
            answer = await waiting.answer
        finally:
            del self._waiting[internal]
        return answer.model_copy(update={"id": request.id})

    async def tell(self, notification: types.JSONRPCNotification) -> None:
        """Pass a notification on, unless it is about a request that is not here."""
        if self._closed:
            return
        if notification.method == "notifications/cancelled":
            internal = self._request_named(notification.params or {})
            if internal is None:
                return
            params = {**(notification.params or {}), "requestId": internal}
            notification = notification.model_copy(update={"params": params})
        await self._inbox.put(SessionMessage(notification, ServerMessageMetadata(can_send_request=False)))

    async def aclose(self) -> None:
        """End the server in bounded time; what still waits for an answer gets `WireClosed`."""
        self._abandon()
        self._serving.cancel()
        await asyncio.wait({self._serving}, timeout=CLOSE_BOUND_S)
        if not self._serving.done():
            log.warning("mcp.close_timed_out", issue=self._issue_id, seconds=CLOSE_BOUND_S)

    def _request_named(self, params: Mapping[str, Any]) -> types.RequestId | None:
        # Two clients may use the same id at once: then nobody knows whose request is meant.
        wanted = params.get("requestId")
        named = [
            internal
            for internal, waiting in self._waiting.items()
            if type(waiting.id) is type(wanted) and waiting.id == wanted
        ]
        return named[0] if len(named) == 1 else None

    async def _serve(self) -> None:
        options = self._server.create_initialization_options()
        try:
            async with (
                create_client_server_memory_streams() as ((answers, messages), (inward, outward)),
                asyncio.TaskGroup() as group,
            ):
                feeding = group.create_task(self._feed(messages.send))
                group.create_task(self._deliver(answers))
                await self._server.run(inward, outward, options)
                feeding.cancel()
        except Exception:  # the next message gets a fresh server; the daemon goes on
            log.exception("mcp.server_broke", issue=self._issue_id)
        finally:
            self._abandon()

    def _abandon(self) -> None:
        self._closed = True
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(WireClosed())

    async def _feed(self, send: Any) -> None:
        while True:
            await send(await self._inbox.get())

    async def _deliver(self, answers: Any) -> None:
        async for item in answers:
            message = item.message
            if isinstance(message, types.JSONRPCResponse | types.JSONRPCError) and message.id is not None:
                waiting = self._waiting.get(message.id)
                if waiting is not None:
                    settle(waiting, message)


def settle(waiting: Waiting, answer: Answer) -> None:
    """Give a request its answer, once."""
    if not waiting.answer.done():
        waiting.answer.set_result(answer)
