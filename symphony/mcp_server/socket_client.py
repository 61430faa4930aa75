"""One connection to a dispatch's socket: reads lines, has them answered side by side, writes back.

Requests may overlap, and a client that closes its half still gets what it is owed. A client that
does not read makes us stop reading from it, and is dropped when it goes on so.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final, Protocol

import structlog

from symphony.core.operations import DoorReply
from symphony.mcp_server.door import (
    BODY_LIMIT_BYTES,
    IN_FLIGHT_LIMIT,
    Refused,
    parse_message,
    too_large,
    too_many,
)

log = structlog.get_logger(__name__)

CHUNK_BYTES: Final = 1 << 16
HELD_BYTES_LIMIT: Final = 4 << 20  # of the messages being answered; parsed they may take ten times as much
WRITE_BOUND_S: Final = 30.0  # for a client to take one answer, however busy its machine is
CLOSE_BOUND_S: Final = 1.0  # for the last bytes to leave

PARSE_ERROR, INVALID_REQUEST, INTERNAL_ERROR, SERVER_ERROR = -32700, -32600, -32603, -32000
JSON_RPC_CODES: Final[Mapping[str, int]] = {
    "invalid_json": PARSE_ERROR,
    "invalid_request": INVALID_REQUEST,
    "batch_not_supported": INVALID_REQUEST,
    "body_too_large": INVALID_REQUEST,
    "internal_error": INTERNAL_ERROR,
}


class Answering(Protocol):
    """What answers messages: a dispatch's line."""

    async def answer(self, message: Mapping[str, Any]) -> DoorReply:
        """Return the reply to one message.

        Raises:
            Refused: there is none.
        """
        ...


class Allowance:
    """What may be held at once: by a dispatch, or by one connection as a share of that."""

    def __init__(
        self, requests: int = IN_FLIGHT_LIMIT, size: int = HELD_BYTES_LIMIT, whole: "Allowance | None" = None
    ) -> None:
        """Allow so many requests and bytes, and no more than is left of the whole."""
        self._requests = requests
        self._size = size
        self._whole = whole

    def share(self) -> "Allowance":
        """Return half of all for one connection: one that does not read leaves room for the others."""
        return Allowance(IN_FLIGHT_LIMIT // 2, HELD_BYTES_LIMIT // 2, self)

    def take(self, size: int) -> bool:
        """Say whether one more message of this size is allowed, and count it."""
        if self._requests < 1 or self._size < size or (self._whole and not self._whole.take(size)):
            return False
        self._requests -= 1
        self._size -= size
        return True

    def give_back(self, size: int) -> None:
        """Count a message as done with."""
        self._requests += 1
        self._size += size
        if self._whole is not None:
            self._whole.give_back(size)


class Client:
    """The other end of one connection."""

    def __init__(
        self,
        issue_id: str,
        line: Answering,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        allowance: Allowance,
    ) -> None:
        self._issue_id = issue_id
        self._line = line
        self._reader = reader
        self._writer = writer
        self._allowance = allowance.share()
        self._writing = asyncio.Lock()
        self._answering: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read())

    async def serve(self) -> None:
        """Answer until it has nothing more to say and has all its answers, or is gone.

        Cancellation: the connection is cut.
        """
        try:
            await asyncio.wait({self._reading})
            while self._answering:
                await asyncio.wait(self._answering)
        finally:
            await self._leave()

    def end(self) -> None:
        """Read no more from it."""
        self._reading.cancel()

    async def _read(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            async with aclosing(read_lines(self._reader)) as lines:
                async for line in lines:
                    await self._take(line)

    async def _take(self, line: bytes | None) -> None:
        try:
            if line is None:
                raise too_large()
            message = parse_message(line)
        except Refused as refused:
            await self._write(as_line(None, refused))
            return
        size = len(line)
        if not self._allowance.take(size):
            await self._write(as_line(message, too_many()))
            return
        task = asyncio.create_task(self._answer(message))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        task.add_done_callback(lambda _: self._allowance.give_back(size))

    async def _answer(self, message: dict[str, Any]) -> None:
        try:
            body = (await self._line.answer(message)).body
            answer = body + b"\n" if body else b""
        except Refused as refused:
            answer = as_line(message, refused)
        except Exception:  # what went wrong inside is for the log, not for the agent
            log.exception("mcp.answer_broke", issue=self._issue_id)
            answer = as_line(message, Refused(500, "internal_error", "symphony itself failed."))
        with suppress(ConnectionError, TimeoutError):
            await self._write(answer)

    async def _write(self, answer: bytes) -> None:
        """Write one line; an empty answer is none.

        Raises:
            ConnectionError, TimeoutError: the client is gone, or does not read and was cut off.
        """
        if not answer:
            return
        async with self._writing:
            self._writer.write(answer)
            try:
                async with asyncio.timeout(WRITE_BOUND_S):
                    await self._writer.drain()
            except TimeoutError:
                log.warning("mcp.client_does_not_read", issue=self._issue_id, seconds=WRITE_BOUND_S)
                self._writer.transport.abort()
                raise

    async def _leave(self) -> None:
        for task in (self._reading, *self._answering):
            task.cancel()
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_BOUND_S):
                await self._writer.wait_closed()
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._writer.transport.abort()


async def read_lines(reader: asyncio.StreamReader) -> AsyncGenerator[bytes | None, None]:
    """Yield each line that is not blank, the last one also without its end; None is one too long.

    Raises:
        ConnectionError: the client is gone.
    """
    pending = bytearray()
    too_long = False
    while data := await reader.read(CHUNK_BYTES):
        *ends, rest = data.split(b"\n")
        for end in ends:
            pending += end
            if too_long or len(pending) > BODY_LIMIT_BYTES:
                yield None
            elif pending.strip():
                yield bytes(pending)
            pending.clear()
            too_long = False
        pending += rest
        if too_long or len(pending) > BODY_LIMIT_BYTES:
            too_long = True
            pending.clear()
    if too_long:
        yield None
    elif pending.strip():
        yield bytes(pending)


def as_line(message: Mapping[str, Any] | None, refused: Refused) -> bytes:
    """Return a refusal as JSON-RPC words it; empty for a message that expects no answer."""
    code = JSON_RPC_CODES.get(refused.code, SERVER_ERROR)
    identity = (message or {}).get("id")
    if message is not None and "id" not in message and code == SERVER_ERROR:
        return b""
    if isinstance(identity, bool) or not isinstance(identity, str | int):
        identity = None
    answer = {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": refused.message}}
    return json.dumps(answer).encode("ascii") + b"\n"
