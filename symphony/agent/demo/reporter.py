"""The demo agent's way to symphony: lists the tools once, and calls them with their failures as words."""

import asyncio
import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from symphony.agent.demo.voice import Voice
from symphony.core.text import one_line

if TYPE_CHECKING:
    from symphony.agent.demo.tools import Answer, Server

NAME = "symphony"  # the server that is preferred when the session has several
CONNECT_BOUND_S = 20.0  # a server that is not there must not keep the session from opening


class Reporter:
    """One session's link to symphony's tools."""

    def __init__(self, server: "Server | None", voice: Voice) -> None:
        self._server = server
        self._voice = voice

    async def connect(self) -> None:
        """List the tools, so that symphony knows that it can be reached; failing is told on stderr."""
        if self._server is None:
            return
        tools = await load_tools()
        try:
            async with asyncio.timeout(CONNECT_BOUND_S):
                await tools.list_tools(self._server)
        except Exception as error:  # noqa: BLE001  whatever the SDK raises, the session opens all the same
            sys.stderr.write(f"demo agent: cannot reach symphony's tools: {_reason(error)}\n")

    async def call(self, name: str, arguments: Mapping[str, str]) -> "Answer":
        """Call a tool, shown as such; a failure is an answer too."""
        tools = await load_tools()
        call = await self._voice.start(name, "other")
        if self._server is None:
            answer: Answer = tools.Answer(True, "the session was opened without an MCP server")
        else:
            try:
                answer = await tools.call_tool(self._server, name, arguments)
            except Exception as error:  # noqa: BLE001  whatever the SDK raises is the agent's to tell
                answer = tools.Answer(True, f"symphony's tools cannot be reached: {_reason(error)}")
        await self._voice.ended(call, not answer.failed, answer.text)
        return answer


async def load_tools() -> Any:
    """Import the MCP SDK off the loop."""
    return await asyncio.to_thread(importlib.import_module, "symphony.agent.demo.tools")


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return one_line(f"{type(error).__name__}: {error}")
