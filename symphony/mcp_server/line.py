"""One dispatch's line to the tools: a JSON-RPC message in, its reply out, whatever carries them.

The SDK settles on one era of the protocol per connection, by the first request it sees. A POST
has no connection, and one dispatch may see clients of both eras, so each era has a wire, which the
connections of a socket share.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import structlog
from mcp import types
from pydantic import ValidationError

from symphony.core.operations import DoorReply
from symphony.core.text import one_line
from symphony.mcp_server.desk import Desk
from symphony.mcp_server.door import IN_FLIGHT_LIMIT, Refused, gone, not_a_message, too_many
from symphony.mcp_server.server import build_server
from symphony.mcp_server.wire import Answer, Wire, WireClosed

log = structlog.get_logger(__name__)

UNAVAILABLE: Final = "symphony's tool server ended before it answered: try again."
ENVELOPE_KEY: Final = "io.modelcontextprotocol/protocolVersion"  # marks a 2026-07-28 request


class Line:
    """Answers the messages of one dispatch until it is closed."""

    def __init__(self, issue_id: str, desk: Desk, *, bound_s: float, grace_s: float) -> None:
        self._issue_id = issue_id
        self._desk = desk
        self._bound_s = bound_s
        self._grace_s = grace_s
        self._wires: dict[bool, Wire] = {}
        self._in_flight: set[asyncio.Future[None]] = set()
        self._closing = False

    async def answer(self, message: Mapping[str, Any]) -> DoorReply:
        """Return the reply to one message.

        Raises:
            Refused: it is no JSON-RPC message, or the dispatch ended meanwhile.
        """
        if self._closing:
            raise gone()
        if len(self._in_flight) >= IN_FLIGHT_LIMIT:
            raise too_many()
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in_flight.add(answered)
        try:
            return await self._pass_on(message)
        except ValidationError as error:
            raise not_a_message() from error
        except WireClosed as error:
            if self._closing:
                raise gone() from error
            raise Refused(503, "mcp_unavailable", UNAVAILABLE) from error
        finally:
            self._in_flight.discard(answered)
            answered.set_result(None)

    async def aclose(self) -> None:
        """Let requests in flight end, then end them."""
        self._closing = True
        try:
            if self._in_flight:
                await asyncio.wait(self._in_flight, timeout=self._grace_s)
        finally:
            await asyncio.gather(*(wire.aclose() for wire in self._wires.values()), self._desk.aclose())

    async def _pass_on(self, message: Mapping[str, Any]) -> DoorReply:
        if "method" not in message:
            if "result" not in message and "error" not in message:
                raise not_a_message()
            return DoorReply(202)  # symphony asks its clients nothing, so their answers are to nobody
        if "id" not in message:
            await self._tell(types.JSONRPCNotification.model_validate(message))
            return DoorReply(202)
        answer = await self._ask(types.JSONRPCRequest.model_validate(message))
        shape = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
        return DoorReply(200, json.dumps(shape).encode("ascii"))

    async def _ask(self, request: types.JSONRPCRequest) -> Answer:
        bound = asyncio.timeout(self._bound_s)
        try:
            async with bound:
                return await self._wire(modern(request.params)).ask(request)
        except TimeoutError:
            log.warning("mcp.request_timed_out", issue=self._issue_id, method=one_line(request.method))
            error = types.ErrorData(
                code=types.REQUEST_TIMEOUT, message=f"symphony did not answer within {self._bound_s:g} s."
            )
            return types.JSONRPCError(jsonrpc="2.0", id=request.id, error=error)

    async def _tell(self, notification: types.JSONRPCNotification) -> None:
        for wire in list(self._wires.values()) or [self._wire(modern=False)]:
            await wire.tell(notification)

    def _wire(self, modern: bool) -> Wire:
        wire = self._wires.get(modern)
        if wire is None or wire.closed:
            wire = self._wires[modern] = Wire(build_server(self._desk), self._issue_id)
        return wire


def modern(params: Mapping[str, Any] | None) -> bool:
    """Say whether a request carries the envelope that replaced the handshake in 2026-07-28."""
    meta = (params or {}).get("_meta")
    return isinstance(meta, Mapping) and ENVELOPE_KEY in meta
