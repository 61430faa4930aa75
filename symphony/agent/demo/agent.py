"""The demo agent as an ACP program: sessions, turns and their cancellation."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from acp import PROTOCOL_VERSION, Agent, RequestError, run_agent
from acp.interfaces import Client
from acp.schema import (
    AgentCapabilities,
    HttpMcpServer,
    Implementation,
    InitializeResponse,
    McpCapabilities,
    McpServerStdio,
    NewSessionResponse,
    PromptResponse,
)

import symphony
from symphony.agent.demo.job import Job
from symphony.agent.demo.reporter import NAME, Reporter, load_tools
from symphony.agent.demo.voice import Voice
from symphony.host.process import finish_first


class DemoAgent:
    """Answers an ACP client; each session has a job of its own."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._jobs: dict[str, Job] = {}
        self._turns: dict[str, asyncio.Task[None]] = {}

    def on_connect(self, conn: Client) -> None:
        """Take the other side."""
        self._client = conn

    async def initialize(self, **_: Any) -> InitializeResponse:
        """Say what this is and what it can."""
        return InitializeResponse(
            protocol_version=PROTOCOL_VERSION,
            agent_capabilities=AgentCapabilities(mcp_capabilities=McpCapabilities(http=True)),
            agent_info=Implementation(
                name="symphony-demo", title="symphony's demo agent (no model)", version=symphony.__version__
            ),
        )

    async def new_session(
        self, cwd: str, mcp_servers: Sequence[Any] | None = None, **_: Any
    ) -> NewSessionResponse:
        """Open a session in a folder and connect to symphony's tools."""
        folder = Path(cwd)
        if not _is_workspace(folder):
            raise RequestError.invalid_params({"details": f"there is no folder {cwd}"})
        session_id = f"demo-{os.getpid()}-{len(self._jobs) + 1}"
        voice = Voice(cast("Client", self._client), session_id)
        reporter = Reporter(await _choose_server(mcp_servers or ()), voice)
        await reporter.connect()
        title = os.environ.get("SYMPHONY_ISSUE_TITLE", "")
        self._jobs[session_id] = Job(folder, title, voice, reporter)
        return NewSessionResponse(session_id=session_id)

    async def prompt(self, prompt: Sequence[Any], session_id: str, **_: Any) -> PromptResponse:
        """Work through one turn."""
        job = self._jobs.get(session_id)
        if job is None:
            raise RequestError.resource_not_found(session_id)
        if session_id in self._turns:
            raise RequestError.invalid_request({"details": "a turn is running in this session"})
        text = "\n".join(block.text for block in prompt if block.type == "text")
        turn = self._turns[session_id] = asyncio.create_task(job.turn(text))
        try:
            await asyncio.wait({turn})
        finally:
            turn.cancel()
            del self._turns[session_id]
            await finish_first(asyncio.ensure_future(asyncio.wait({turn})))
        if turn.cancelled():
            return PromptResponse(stop_reason="cancelled")
        turn.result()
        return PromptResponse(stop_reason="end_turn")

    async def cancel(self, session_id: str, **_: Any) -> None:
        """End the running turn, with the command that it runs."""
        if turn := self._turns.get(session_id):
            turn.cancel()


def _is_workspace(folder: Path) -> bool:
    return folder.is_absolute() and folder.is_dir()


async def _choose_server(offered: Sequence[Any]) -> Any:
    """Return symphony's server among those that the session was given."""
    usable = [server for server in offered if isinstance(server, HttpMcpServer | McpServerStdio)]
    chosen = next((server for server in usable if server.name == NAME), usable[0] if usable else None)
    if chosen is None:
        return None
    tools = await load_tools()
    if isinstance(chosen, HttpMcpServer):
        headers = {header.name: header.value for header in chosen.headers}
        return tools.Server(chosen.url, headers, "", (), {})
    environment = {variable.name: variable.value for variable in chosen.env}
    return tools.Server(None, {}, chosen.command, tuple(chosen.args), environment)


async def serve() -> None:
    """Speak ACP on stdin and stdout until stdin ends or SIGTERM comes."""
    serving = asyncio.ensure_future(run_agent(cast("Agent", DemoAgent())))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    await asyncio.wait({serving})
    if not serving.cancelled() and serving.exception() is not None:
        sys.stderr.write(f"demo agent: {serving.exception()}\n")
