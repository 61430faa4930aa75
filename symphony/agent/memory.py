"""Agents that follow a script, for the engine's tests and for simulation.

Uses no thread, no disk and no time; the order of everything is the loop's alone. Symphony's
tools are reached through the same door as over HTTP, or by a stdio server of the sandbox.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, assert_never
from urllib.parse import unquote, urlsplit

from symphony.agent.asking import answer_of, asked_again, settled
from symphony.agent.errors import AgentClosedPipe, AgentError, AgentExited, AgentIgnoredCancel
from symphony.agent.memory_stdio import MemoryStdio
from symphony.agent.script import (
    AskPermission,
    Call,
    Fail,
    Hang,
    IgnoreCancel,
    Say,
    Script,
    Spend,
    Step,
    Turn,
    UseTool,
    Work,
)
from symphony.agent.speech import Speech
from symphony.agent.updates import read_update
from symphony.agent.watch import Watch
from symphony.core.agent import AgentEvent, McpServer, SessionSpec, StopKind, TurnEnd
from symphony.core.machine import GuestNeeds
from symphony.core.operations import AgentDoor
from symphony.core.permission import OnPermission, PermissionAnswer, Proposal
from symphony.core.ports import Sandbox, Session
from symphony.core.settings import AcpSettings, SmolvmSettings
from symphony.core.usage import Usage

CLIENT = {"name": "memory-agent", "version": "1"}
AGENT = 'The agent "memory"'


class MemoryAgents:
    """`core.ports.Agents` without programs.

    Attributes:
        sessions: all that were ever opened, oldest first.
        needs: what their guests need, whatever the settings say.
    """

    def __init__(self, door: AgentDoor | None = None, default: Script | None = None) -> None:
        """Take the door to symphony's tools, and what issues without a script of their own do."""
        self._door = door
        self._default = default or Script()
        self._scripts: dict[str, list[Script]] = {}
        self._numbers = count(1)
        self.sessions: list[MemorySession] = []
        self.needs = GuestNeeds()

    async def guest_needs(self, acp: AcpSettings, smolvm: SmolvmSettings) -> GuestNeeds:  # noqa: ARG002  the shape of the port
        """Return `needs`."""
        return self.needs

    def script(self, issue_id: str, *sessions: Script) -> None:
        """Say what each session on an issue does, the first session first; the last one repeats."""
        self._scripts[issue_id] = list(sessions)

    @asynccontextmanager
    async def open_session(
        self,
        spec: SessionSpec,
        sandbox: Sandbox,
        on_event: Callable[[AgentEvent], None],
        on_permission: OnPermission | None = None,
    ) -> AsyncIterator[Session]:
        """Open a session that follows the issue's next script.

        Raises:
            AgentError: on entering, the script's `opening`.
        """
        script = self._next(issue_of(spec))
        await asyncio.sleep(0)
        if script.opening is not None:
            raise script.opening
        resumed = spec.resume is not None and script.resumes
        identity = spec.resume if resumed and spec.resume else f"memory-{next(self._numbers)}"
        session = MemorySession(identity, resumed, script, spec, sandbox, on_event, self._door, on_permission)
        self.sessions.append(session)
        try:
            await session.open()
            yield session
        finally:
            await session.aclose()

    def _next(self, issue_id: str) -> Script:
        scripts = self._scripts.get(issue_id, [])
        return scripts.pop(0) if len(scripts) > 1 else scripts[0] if scripts else self._default


class MemorySession:
    """One scripted session.

    Attributes:
        prompts: every text that it was given.
        answers: what symphony's tools answered, as (is an error, text).
        permissions: what it was allowed and refused.
        closed: whether its context was left.
    """

    def __init__(
        self,
        session_id: str,
        resumed: bool,
        script: Script,
        spec: SessionSpec,
        sandbox: Sandbox,
        on_event: Callable[[AgentEvent], None],
        door: AgentDoor | None,
        on_permission: OnPermission | None = None,
    ) -> None:
        self.resumed = resumed
        self.model = spec.acp.model or ""
        self.spec = spec
        self.prompts: list[str] = []
        self.answers: list[tuple[bool, str]] = []
        self.permissions: list[PermissionAnswer] = []
        self.closed = False
        self._id = session_id
        self._script = script
        self._sandbox = sandbox
        self._on_event = on_event
        self._door = door
        self._on_permission = on_permission
        self._watch = Watch(spec, on_event)
        self._stdio: MemoryStdio | None = None
        self._cancelled = asyncio.Event()
        self._gone: AgentError | None = None
        self._totals = Usage()
        self._speech = Speech()
        self._calls = count(1)

    @property
    def id(self) -> str:
        """The agent's name for it."""
        return self._id

    @property
    def last_words(self) -> str:
        """Nothing: it has no stderr."""
        return ""

    async def lost(self) -> AgentError:
        """Return how the script lets its program end."""
        while self._script.lost is None:
            await asyncio.Event().wait()
        return self._script.lost

    async def open(self) -> None:
        """Do what an agent does before the first prompt."""
        self._frame_out("session/new", cwd=str(self.spec.cwd))
        self._on_event(AgentEvent("frame_in", frame={"result": {"sessionId": self._id}}))
        if self._script.connects and self._server is not None:
            await self.connect()

    async def connect(self) -> None:
        """List symphony's tools, as an agent does once."""
        await self._post("initialize", {"protocolVersion": "2025-11-25", "clientInfo": CLIENT})
        await self._post("tools/list", {})

    async def aclose(self) -> None:
        """Leave, with the server that it started."""
        self.closed = True
        if self._stdio is not None:
            await self._stdio.aclose()

    async def prompt(self, text: str) -> TurnEnd:
        """Perform the next turn.

        Raises:
            AgentError: as the script says.
        Cancellation: the turn ends.
        """
        if self._gone is not None:
            raise self._gone
        self._cancelled.clear()
        self._speech.begin_turn()
        self.prompts.append(text)
        self._frame_out("session/prompt", prompt=text)
        before = self._totals
        turn = self._script.turns[min(len(self.prompts), len(self._script.turns)) - 1]
        stop = await self._perform(turn)
        self._on_event(AgentEvent("frame_in", frame={"result": {"stopReason": stop.value}}))
        return TurnEnd(stop, self._speech.last, _difference(self._totals, before))

    async def cancel(self) -> None:
        """End the running turn."""
        self._frame_out("session/cancel")
        self._cancelled.set()

    async def _perform(self, turn: Turn) -> StopKind:
        for step in turn.steps:
            await asyncio.sleep(0)
            if self._cancelled.is_set() and not isinstance(step, IgnoreCancel):
                return StopKind.CANCELLED
            if not await self._step(step):
                return StopKind.CANCELLED
        return turn.stop

    async def _step(self, step: Step) -> bool:
        """Do one step; False ends the turn as cancelled."""
        match step:
            case Say(text, times):
                for _ in range(times):
                    self._update("agent_message_chunk", content={"type": "text", "text": text})
            case UseTool(title, kind, given, output):
                call = {"toolCallId": f"call-{next(self._calls)}", "title": title, "status": "completed"}
                more = {"kind": kind, "rawInput": given, "rawOutput": output} if given or output else {}
                self._update("tool_call", **call, **more)
                self._watch.heard(call["toolCallId"], {**call, **more})
            case Work(action):
                await action(self._sandbox, self.spec.cwd)
            case Spend(usage):
                self._totals = self._totals.plus(usage)
                self._on_event(AgentEvent("usage", f"{self._totals.tokens} tokens", usage=self._totals))
            case Call(tool, arguments):
                self.answers.append(await self._call(tool, arguments))
            case AskPermission(proposal):
                return await self._ask(proposal)
            case Hang():
                await self._cancelled.wait()
                return False
            case IgnoreCancel():
                await self._cancelled.wait()
                self._gone = AgentIgnoredCancel(AGENT, 0)
                raise self._gone
            case Fail(error):
                if isinstance(error, AgentExited | AgentClosedPipe):
                    self._gone = error
                raise error
            case _ as never:
                assert_never(never)
        return True

    async def _ask(self, proposal: Proposal) -> bool:
        ask = self._on_permission
        given = {"command": proposal.subject} if proposal.kind == "execute" else {"path": proposal.subject}
        against = self._watch.asked(f"call-{next(self._calls)}", {"rawInput": given}, proposal)
        answer, why = settled(self.spec.acp, proposal, can_ask=ask is not None, against=against)
        if answer is None and ask is not None:
            answer, why = await answer_of(ask(proposal), self._cancelled)
        if answer is None:
            return False
        answer = asked_again(answer, proposal) if self._watch.blocks else answer
        self.permissions.append(answer)
        self._on_event(AgentEvent("permission", f"{proposal.title}: {answer} ({why})"))
        return True

    async def _call(self, tool: str, arguments: Mapping[str, Any]) -> tuple[bool, str]:
        self._update("tool_call", toolCallId=f"call-{next(self._calls)}", title=tool, status="in_progress")
        answer = await self._post("tools/call", {"name": tool, "arguments": dict(arguments)})
        result = answer.get("result", {})
        text = "".join(block.get("text", "") for block in result.get("content", ()))
        return bool(result.get("isError", "error" in answer)), text

    async def _post(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        server = self._server
        message = {"jsonrpc": "2.0", "id": next(self._calls), "method": method, "params": params}
        if server is not None and server.command is not None:
            self._stdio = self._stdio or MemoryStdio(self._sandbox, (server.command, *server.args))
            return await self._stdio.ask(message)
        if self._door is None or server is None:
            raise AgentError(f"{AGENT} was to call {method}, but it was given no door to symphony's tools.")
        reply = await self._door.post(
            issue_of(self.spec), server.headers.get("Authorization"), json.dumps(message).encode()
        )
        answer: dict[str, Any] = json.loads(reply.body) if reply.body else {}
        return answer

    @property
    def _server(self) -> McpServer | None:
        return next(iter(self.spec.mcp_servers), None)

    def _update(self, what: str, /, **fields: Any) -> None:
        params = {"sessionId": self._id, "update": {"sessionUpdate": what, **fields}}
        self._on_event(AgentEvent("frame_in", frame={"method": "session/update", "params": params}))
        update = read_update(params)
        self._speech.hear(update)
        self._on_event(AgentEvent(update.kind, update.summary, begins_call=what == "tool_call"))

    def _frame_out(self, method: str, **params: Any) -> None:
        frame = {"method": method, "params": {"sessionId": self._id, **params}}
        self._on_event(AgentEvent("frame_out", frame=frame))


def issue_of(spec: SessionSpec) -> str:
    """Return the issue that a session works on: from symphony's endpoint, else the folder's name."""
    for server in spec.mcp_servers:
        parts = urlsplit(server.url or "").path.strip("/").split("/")
        if len(parts) >= 2 and parts[-1] == "mcp":
            return unquote(parts[-2])
    return spec.cwd.name


def _difference(now: Usage, before: Usage) -> Usage:
    return Usage(
        now.input_tokens - before.input_tokens,
        now.output_tokens - before.output_tokens,
        now.cached_tokens - before.cached_tokens,
        now.cost_usd - before.cost_usd,
        context_used=now.context_used,
        context_size=now.context_size,
    )
