"""The demo agent's way to symphony: lists the tools once, and calls them with their failures as words."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from symphony.agent.demo.text import one_line
from symphony.agent.demo.tools import Answer, Server, call_tool, list_tools
from symphony.agent.demo.voice import Voice

NAME = "symphony"  # the server that is preferred when the session has several
CONNECT_BOUND_S = 20.0  # a server that is not there must not keep the session from opening


class Reporter:
    """One session's link to symphony's tools."""

    def __init__(self, server: Server | None, voice: Voice) -> None:
        self._server = server
        self._voice = voice

    async def connect(self) -> None:
        """List the tools, so that symphony knows that it can be reached; failing is told on stderr."""
        if self._server is None:
            return
        try:
            await list_tools(self._server, CONNECT_BOUND_S)
        except Exception as error:  # noqa: BLE001  whatever a server does, the session opens all the same
            sys.stderr.write(f"demo agent: cannot reach symphony's tools: {_reason(error)}\n")

    async def call(self, name: str, arguments: Mapping[str, str]) -> Answer:
        """Call a tool, shown as such; a failure is an answer too."""
        call = await self._voice.start(name, "other")
        if self._server is None:
            answer = Answer(True, "the session was opened without an MCP server")
        else:
            try:
                answer = await call_tool(self._server, name, arguments)
            except Exception as error:  # noqa: BLE001  whatever a server does is the agent's to tell
                answer = Answer(True, f"symphony's tools cannot be reached: {_reason(error)}")
        await self._voice.ended(call, not answer.failed, answer.text)
        return answer


def _reason(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")
