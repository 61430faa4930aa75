"""The whole engine over in-memory rooms and a virtual clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from symphony.agent.memory import MemoryAgents
from symphony.agent.script import Script, mark_done, one_turn
from symphony.core.claim import Claim, IssueRecord
from symphony.core.event import DrainAsked
from symphony.core.idle import Idleness
from symphony.core.ports import Meter, Meters
from symphony.core.restore import restore
from symphony.engine.mailbox import Mailbox
from symphony.engine.operations import EngineOperations
from symphony.engine.orchestrator import Orchestrator
from symphony.engine.ports import Ports
from symphony.engine.supervisor import Supervisor
from symphony.engine.tracking import Tracking
from symphony.forge.memory import MemoryForge
from symphony.host.clock import VirtualClock, settle
from symphony.host.memory import MemoryHost
from symphony.host.memory_commands import MemoryCommands
from symphony.mcp_server.memory import MemoryGate
from symphony.sandbox.memory import MemoryDriver
from symphony.store.memory import MemoryStore
from symphony.store.memory_exchange import MemoryExchange
from symphony.store.memory_run_log import MemoryRunLogs
from symphony.tracker.memory import MemoryTracker
from symphony.workflow.memory import MemoryWorkflowFile
from symphony.workflow.prompts import LiquidPrompts
from symphony.workspace.memory import MemoryWorkspaces

PASSES = 10  # of settling before nothing is taken to move without time
ROUNDS = 400  # of settling before a condition counts as never coming true


class ListLog:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append(("error", event, fields))


@dataclass
class World:
    """Everything around the engine; survives a crash of it."""

    workflow_text: str = "---\nsandbox: local\nacp: {adapter: demo}\n---\nDo {{ issue.title }}.\n"
    store: MemoryStore = field(default_factory=MemoryStore)
    workspaces: MemoryWorkspaces = field(default_factory=MemoryWorkspaces)
    driver: MemoryDriver = field(default_factory=MemoryDriver)
    clock: VirtualClock = field(default_factory=VirtualClock)
    log: ListLog = field(default_factory=ListLog)
    host: MemoryHost = field(default_factory=MemoryHost)
    said: list[str] = field(default_factory=list)
    meter: Meter = field(default_factory=Meters)
    exchange: MemoryExchange = field(default_factory=MemoryExchange)
    environ: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate = MemoryGate()
        self.commands = MemoryCommands(self.clock)
        self.forge = MemoryForge()
        self.driver.register("mcp", self.gate.relay)
        self.agents = MemoryAgents(self.gate, default=one_turn(mark_done()))
        self.file = MemoryWorkflowFile(self.workflow_text, environ=self.environ)
        self.run_logs = MemoryRunLogs(self.clock.now)
        self.tracker: MemoryTracker | None = None
        self.orchestrator: Orchestrator | None = None

    @property
    def engine(self) -> Orchestrator:
        assert self.orchestrator is not None
        return self.orchestrator

    @property
    def issues(self) -> MemoryTracker:
        assert self.tracker is not None
        return self.tracker

    async def build(self, *, until_idle: bool = False) -> Orchestrator:
        workflow = self.file.current or await self.file.start()
        if self.tracker is None:
            self.tracker = MemoryTracker(lambda: self.engine.state.states, now=self.clock.now)
        mailbox = Mailbox()
        ports = Ports(
            clock=self.clock,
            store=self.store,
            tracker=self.tracker,
            workspaces=self.workspaces,
            driver_of=lambda _: self.driver,
            agents=self.agents,
            gate=self.gate,
            run_logs=self.run_logs,
            prompts=LiquidPrompts(),
            log=self.log,
            labels={"installation": "test"},
            host=self.host,
            commands=self.commands,
            forge_of=lambda _: self.forge,
            meter=self.meter,
        )
        tracking = Tracking(
            self.tracker, mailbox, self.clock, lambda said: self.log.warning("tracker", reason=said)
        )
        memory = await self.store.load()
        self.orchestrator = Orchestrator(
            restore(workflow, memory),
            ports,
            mailbox,
            tracking,
            self.file,
            Supervisor(ports, mailbox, tracking),
            last_run=memory,
            until_idle=until_idle,
            tell_person=self.said.append,
        )
        self.operations = EngineOperations(
            self.orchestrator, self.file.path.parent / ".symphony/logs", self.exchange
        )
        return self.orchestrator

    @asynccontextmanager
    async def running(self, **options: bool) -> AsyncIterator["World"]:
        """Run the engine; leaving drains it at once."""
        engine = await self.build(**options)
        task = asyncio.create_task(engine.run())
        try:
            yield self
            if not task.done():
                await engine.mailbox.put(DrainAsked(now=True))
                await self.until(task.done)
        finally:
            if not task.done():
                task.cancel()
            await asyncio.wait({task})
        task.result()

    async def run_until_idle(self) -> Idleness:
        """Run to the end of all work, time passing as fast as it can."""
        engine = await self.build(until_idle=True)
        task = asyncio.create_task(engine.run())
        await self.until(task.done)
        return task.result()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Let everything happen, and time pass when nothing else does, until the condition holds."""
        for _ in range(ROUNDS):
            for _ in range(PASSES):
                await settle()
                if condition():
                    return
            due = self.clock.next_due
            if due is not None:
                await self.clock.advance(due)
        raise AssertionError(f"never came true; the log ends: {self.log.lines[-12:]}")

    async def quiet(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(20):
            await settle()

    def drop(self, name: str, text: str = "", state: str = "Todo") -> None:
        """Put an issue file where the tracker sees it."""
        path = self.issues.drop(state, name, text)
        self.engine.tracking.notice([path])

    def record(self, issue_id: str) -> IssueRecord:
        return self.engine.state.record(issue_id)

    def claim(self, issue_id: str) -> Claim | None:
        return self.record(issue_id).claim

    def state_of(self, issue_id: str) -> str | None:
        issue = self.engine.state.issues.get(issue_id)
        return issue.state if issue else None

    def script(self, issue_id: str, *scripts: Script) -> None:
        self.agents.script(issue_id, *scripts)

    def kinds(self, issue_id: str) -> list[str]:
        return [line["kind"] for line in self.run_logs.lines[issue_id]]


@pytest.fixture
def world() -> World:
    return World()
