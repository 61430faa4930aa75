"""A stdio MCP server as a scripted agent talks to it: one line out, one line back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from symphony.core.ports import Process, Sandbox

CHUNK_BYTES = 1 << 16


class MemoryStdio:
    """Starts the server in the sandbox at the first message."""

    def __init__(self, sandbox: Sandbox, argv: Sequence[str]) -> None:
        self._sandbox = sandbox
        self._argv = argv
        self._process: Process | None = None
        self._pending = b""

    async def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer; an empty one when the server has ended."""
        if self._process is None:
            self._process = await self._sandbox.start(self._argv)
        await self._process.write(json.dumps(message).encode() + b"\n")
        while b"\n" not in self._pending:
            data = await self._process.read_stdout(CHUNK_BYTES)
            if not data:
                return {}
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def aclose(self) -> None:
        """End the server."""
        if self._process is not None:
            await self._process.kill()
