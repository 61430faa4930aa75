"""Opens sessions with the programs beside this file, and lets them reach an MCP door over HTTP."""

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from symphony.agent import AcpAgents, Bounds
from symphony.core.agent import AgentEvent, McpServer, SessionSpec
from symphony.core.operations import AgentDoor
from symphony.core.permission import OnPermission
from symphony.core.ports import SandboxSpec, Session
from symphony.core.settings import AcpSettings
from symphony.core.transition import Exits
from symphony.sandbox.local import LocalDriver
from tests.support.reports import QuietReports

FOLDER = Path(__file__).parent
PATIENT = Bounds(cancel_grace_s=20.0, close_grace_s=0.3, exit_wait_s=20.0)
"""For agents that do what they are told: a busy machine changes nothing."""
IMPATIENT = Bounds(cancel_grace_s=0.3, close_grace_s=0.3, exit_wait_s=0.3)
"""For agents that never do."""
BOUND = 30.0  # seconds for anything in a test; only a failure takes so long


def agent_command(name: str, *arguments: str) -> str:
    """Return the shell command that starts the program of this name."""
    return shlex.join([sys.executable, str(FOLDER / f"{name}.py"), *arguments])


@dataclass
class Heard:
    """Collects what a session reports."""

    events: list[AgentEvent] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, event: AgentEvent) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, kind: str) -> None:
        """Return once there is an event of this kind."""
        async with asyncio.timeout(BOUND):
            while not any(event.kind == kind for event in self.events):
                self.changed.clear()
                await self.changed.wait()

    def of(self, *kinds: str) -> list[str]:
        """Return the summaries of these kinds, in order."""
        return [event.summary for event in self.events if event.kind in kinds]

    def methods(self, kind: str) -> list[str]:
        """Return the methods of the frames in one direction, in order."""
        return [
            event.frame["method"]
            for event in self.events
            if event.kind == kind and event.frame is not None and "method" in event.frame
        ]


def make_spec(cwd: Path, command: str | None, *servers: McpServer, resume: str | None = None, **acp: Any):
    """Return a spec that starts this command, with settings as YAML would give them."""
    settings = AcpSettings.model_validate({"adapter": "demo", "command": command, **acp})
    return SessionSpec(settings, cwd, servers, resume=resume)


@asynccontextmanager
async def open_program(
    cwd: Path,
    name: str,
    *arguments: str,
    heard: Heard | None = None,
    servers: tuple[McpServer, ...] = (),
    resume: str | None = None,
    on_permission: OnPermission | None = None,
    bounds: Bounds = PATIENT,
    environ: Mapping[str, str] | None = None,
    **acp: Any,
) -> AsyncIterator[Session]:
    """Open a session with one of the programs in a local sandbox."""
    spec = make_spec(cwd, agent_command(name, *arguments), *servers, resume=resume, **acp)
    agents = AcpAgents(bounds=bounds, environ=environ)
    async with (
        asyncio.timeout(BOUND),
        LocalDriver().open_sandbox(SandboxSpec(cwd)) as sandbox,
        agents.open_session(spec, sandbox, heard or Heard(), on_permission) as session,
    ):
        yield session


ONLY_DONE = Exits()


class Reports(QuietReports):
    """Remembers what an agent reported.

    Attributes:
        said: each report as the tool's name and its first argument.
        exits: how the agent may leave the issue's state.
    """

    def __init__(self, exits: Exits = ONLY_DONE) -> None:
        self.exits = exits
        self.said: list[tuple[str, str]] = []
        self.details: list[str | None] = []

    async def connected(self, client: str) -> None:
        self.said.append(("connected", client))

    async def mark_done(self, title: str, summary: str) -> str:
        self.said.append(("mark_done", title))
        self.details.append(summary)
        return "Accepted."

    async def transition(self, to_state: str, notes: str | None) -> str:
        self.said.append(("transition", to_state))
        self.details.append(notes or "")
        return "Accepted."

    async def request_human_steering(self, question: str, context: str | None) -> str:
        self.said.append(("ask", question))
        self.details.append(context)
        return "Asked."

    async def propose_issue(
        self, title: str, description: str | None, labels: Sequence[str], priority: int | None
    ) -> str:
        self.said.append(("propose", title))
        return "Proposed."

    def of(self, kind: str) -> list[str]:
        """Return the first arguments of the reports of one kind."""
        return [said for name, said in self.said if name == kind]


class Listener:
    """Serves one MCP door over HTTP on loopback."""

    def __init__(self, door: AgentDoor) -> None:
        self.door = door
        self.url = ""
        self.requests: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                headers: dict[str, str] = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append(method)
                status, answer = 405, b""
                if method == "POST":
                    reply = await self.door.post(path.split("/")[-2], headers.get("authorization"), body)
                    status, answer = reply.status, reply.body
                kind = "Content-Type: application/json\r\n" if answer else ""
                writer.write(
                    f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(answer)}\r\n"
                    f"Connection: close\r\n\r\n".encode()
                    + answer
                )
                await writer.drain()
                break
        finally:
            writer.close()


@asynccontextmanager
async def open_listener(door: AgentDoor) -> AsyncIterator[Listener]:
    """Listen until the context is left."""
    listener = Listener(door)
    server = await asyncio.start_server(listener.answer, "127.0.0.1", 0)
    listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield listener
    finally:
        server.close()
        await server.wait_closed()
