"""ACP's wire under the demo agent: JSON-RPC messages, one a line, on stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Mapping
from typing import Any, Callable

from symphony.agent.demo.thread import in_thread

CHUNK_BYTES = 1 << 16
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = (
    -32700,
    -32600,
    -32601,
    -32602,
    -32603,
)
NOT_FOUND = -32002  # as ACP numbers a resource that is not there


class RequestError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, text: str, details: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.data = {"details": details} if details else None


class Peer:
    """The client on the other side of stdin and stdout."""

    def __init__(self, stdin: int = 0, stdout: int = 1) -> None:
        """Take the two descriptors; inside a running loop."""
        self._stdin = stdin
        self._stdout = stdout
        self._turn = asyncio.Lock()
        self._whole = threading.Lock()
        self._answering: set[asyncio.Task[None]] = set()

    async def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification, waiting while the client does not read.

        Raises:
            ConnectionError: the client is gone.
        """
        await self._send({"jsonrpc": "2.0", "method": method, "params": params})

    async def serve(
        self,
        answer: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]],
        hear: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        """Answer requests side by side and hear notifications in order, until the client leaves.

        Cancellation: what is being answered is cancelled and waited for, as when the client leaves.
        """
        try:
            async for line in self._lines():
                self._take(line, answer, hear)
        finally:
            for task in self._answering:
                task.cancel()
            if self._answering:
                await asyncio.wait(self._answering)

    def _take(
        self,
        line: bytes,
        answer: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]],
        hear: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            self._spawn(self._refuse(None, RequestError(PARSE_ERROR, "Parse error")))
            return
        if not isinstance(said, dict) or not isinstance(said.get("method"), str):
            return  # an answer to nothing, since nothing is asked here
        params = said.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" in said:
            self._spawn(self._answer(said["id"], answer(said["method"], params)))
        else:
            hear(said["method"], params)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, identity: Any, result: Awaitable[Mapping[str, Any]]) -> None:
        try:
            await self._send({"jsonrpc": "2.0", "id": identity, "result": await result})
        except RequestError as error:
            await self._refuse(identity, error)
        except ConnectionError:
            return
        except Exception as error:  # noqa: BLE001  a defect here is the client's to show
            await self._refuse(
                identity, RequestError(INTERNAL_ERROR, "Internal error", f"{type(error).__name__}: {error}")
            )

    async def _refuse(self, identity: Any, error: RequestError) -> None:
        told = {"code": error.code, "message": str(error), "data": error.data}
        await self._send({"jsonrpc": "2.0", "id": identity, "error": told})

    async def _send(self, said: Mapping[str, Any]) -> None:
        frame = json.dumps(said).encode() + b"\n"
        async with self._turn:
            await in_thread(lambda: self._write(frame))

    def _write(self, frame: bytes) -> None:
        with self._whole:  # also when whoever sent the frame before was cancelled
            while frame:
                frame = frame[os.write(self._stdout, frame) :]

    async def _lines(self) -> Any:
        pending = bytearray()
        while data := await in_thread(self._read):
            pending += data
            if b"\n" in data:
                *lines, rest = bytes(pending).split(b"\n")
                pending = bytearray(rest)
                for line in lines:
                    if line.strip():
                        yield line

    def _read(self) -> bytes:
        return os.read(self._stdin, CHUNK_BYTES)
