"""Everything around the engine that outlives it, and the engine itself as a process that can die."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from symphony.core.admission import HostMemory
from symphony.core.errors import SymphonyError
from symphony.core.event import DrainAsked
from symphony.core.restore import restore
from symphony.engine.mailbox import Mailbox
from symphony.engine.notifier import Notices, open_notices
from symphony.engine.operations import EngineOperations
from symphony.engine.orchestrator import Orchestrator
from symphony.engine.ports import Ports
from symphony.engine.retention import Retention, open_retention
from symphony.engine.supervisor import Supervisor
from symphony.engine.tracking import Tracking
from symphony.forge.memory import MemoryForge
from symphony.host.memory import MemoryHost
from symphony.host.memory_commands import MemoryCommands
from symphony.store.memory_exchange import MemoryExchange
from symphony.workflow.errors import WorkflowError
from symphony.workflow.prompts import LiquidPrompts
from symphony.workspace.memory import MemoryWorkspaces
from tests.simulation.agents import Author, SimulatedAgents
from tests.simulation.drivers import (
    QuietRunLogs,
    SimulatedForge,
    SimulatedGate,
    SimulatedStore,
    SimulatedTracker,
    SimulatedWorkspaces,
)
from tests.simulation.faults import Faults, Life
from tests.simulation.ledger import Ledger
from tests.simulation.loop import LoopClock, VirtualLoop
from tests.simulation.machines import SimulatedDriver
from tests.simulation.notices import SimulatedNotifier
from tests.simulation.storage import SimulatedStorage
from tests.simulation.train import TrainYard
from tests.simulation.workflows import FINISHED, SELDOM, TRAIN, VALID, WorkflowInUse, WorkflowOnDisk

HOST_MIB = 16_384  # of the host's memory
DISK_MIB = 200_000  # of its disk
DRAIN_BOUND = 180.0  # the grace of 30 s, what an attempt does on its way out, and a slow disk
DEATH_ROUNDS = 50  # of cancelling until a dead process has no task left
CRASHES = frozenset(
    {
        "attempt.crashed",
        "access.crashed",
        "machine.crashed",
        "notify.crashed",
        "notify.broke",
        "retention.crashed",
    }
)


class World:
    """One seed's world.

    Attributes:
        trace: what happened, line by line; the same for the same seed and steps.
        task: the running process; None while it is down.
        engine: of the running process, once it is built.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.loop = VirtualLoop(self._new_task)
        self.clock = LoopClock(self.loop)
        self.ledger = Ledger()
        self.faults = Faults(seed, self._sleep)
        self.author = Author(
            seed,
            self._write,
            self._sleep,
            passing=lambda: SELDOM in self.workflow.raw,
            riding=lambda: TRAIN in self.workflow.raw,
        )
        self.files: dict[Path, bytes] = {}
        self.workspaces = MemoryWorkspaces()
        self.yard = TrainYard(self.workspaces)
        self.forge = MemoryForge()
        self.workflow = WorkflowOnDisk(VALID[seed % len(VALID)])
        self.trace: list[str] = []
        self.life = Life()
        self.host = MemoryHost(HostMemory(HOST_MIB << 20, HOST_MIB << 20))
        self.store = SimulatedStore(self.life, self.faults, self.ledger, self.loop.time)
        self.task: asyncio.Task[None] | None = None
        self.engine: Orchestrator | None = None
        self.operations: EngineOperations | None = None
        self.retention: Retention | None = None
        self.on_decision = lambda: None
        self.on_start = lambda: None
        self.on_end = lambda: None
        self._tasks = 0
        self.revision = 0

    def say(self, text: str) -> None:
        """Add to the trace."""
        self.trace.append(f"{self.loop.time():.3f} {text}")

    def start(self) -> None:
        """Start the process, unless it runs or its WORKFLOW.md is broken."""
        if self.task is not None or not self.workflow.raw:  # an empty file means all defaults at a start
            return
        workflow = WorkflowInUse(self.workflow)
        try:
            first = workflow.start()
        except WorkflowError as error:
            self.say(f"refuses to start: {error.code}")
            return
        self.life = Life()
        self.store = self.store.after(self.life)
        self.task = self.loop.create_task(self._main(workflow, first))

    async def _main(self, workflow: WorkflowInUse, first: Any) -> None:
        life, faults, ledger, mailbox = self.life, self.faults, self.ledger, Mailbox()
        gate, open_for = SimulatedGate(faults), set[str]()
        drivers = {
            name: SimulatedDriver(
                faults,
                self.clock,
                ledger,
                gate,
                open_for,
                self.workspaces.files_at,
                has_machines=name == "smolvm",
            )
            for name in ("local", "smolvm")
        }
        tracker = SimulatedTracker(
            self.files, life, faults, ledger, lambda: engine.state.states, now=self.clock.now
        )
        forge = SimulatedForge(self.forge, life, faults, ledger)
        workspaces = SimulatedWorkspaces(
            self.workspaces, self.store, life, faults, ledger, open_for, self.yard
        )
        ports = Ports(
            clock=self.clock,
            store=self.store,
            tracker=tracker,
            workspaces=workspaces,
            driver_of=drivers.__getitem__,
            agents=SimulatedAgents(ledger, self.store.talk, gate, self.author.script),
            gate=gate,
            run_logs=QuietRunLogs(life),
            prompts=LiquidPrompts(),
            log=self,
            labels={"installation": "simulation"},
            host=self.host,
            commands=MemoryCommands(self.clock),
            forge_of=lambda _: forge,
        )
        tracking = Tracking(tracker, mailbox, self.clock, lambda said: self.say(f"tracker: {said}"))
        memory = await self.store.load()
        engine = Orchestrator(
            restore(first, memory),
            ports,
            mailbox,
            tracking,
            workflow,
            Supervisor(ports, mailbox, tracking, await self.store.totals()),
            last_run=memory,
        )
        engine.listeners.append(self.on_decision)
        self.engine = engine
        self.operations = EngineOperations(engine, Path("/memory/logs"), MemoryExchange())
        self.retention = Retention(
            lambda: engine.state,
            [SimulatedStorage(self.workspaces, workspaces, self.clock)],
            self.store,
            self.clock,
            self,
            ready=lambda: engine.scanned,
            held_back=lambda: engine.supervisor.held_back,
            holding_back=engine.supervisor.holding_back,
        )
        notices = Notices(
            lambda: engine.state.workflow.settings.notify,
            self.operations.snapshot,
            self.store,
            self.clock,
            self,
            {"command": SimulatedNotifier(faults, life, ledger, self.store)},
            lambda issue_id: f"http://symphony.test/{issue_id}",
            engine.tell_listeners,
        )
        engine.more_problems = notices.problems
        self.operations.subscribe(notices.notice)
        async with open_notices(notices), open_retention(self.retention):
            self.on_start()
            await engine.run()

    def settle(self, turns: int | None = None) -> bool:
        """Let everything happen that needs no time, or so many turns of it; say whether it is quiet."""
        quiet = self.loop.turn(turns)
        self._notice_end()
        return quiet

    def pass_time(self, seconds: float) -> None:
        """Let time pass with all that falls due in it."""
        self.loop.pass_time(seconds)
        self._notice_end()

    def wake(self) -> None:
        """Make it the time of what is due next."""
        self.loop.jump_to_next()

    def kill(self, turns: int) -> None:
        """End the process as kill -9 does, after so many turns of the loop."""
        self.settle(turns)
        if self.task is None:
            return
        self.life.alive = False
        self.store.die()
        for _ in range(DEATH_ROUNDS):
            left = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
            if not left:
                break
            for task in sorted(left, key=_age):
                task.cancel()
            self.loop.turn()
        else:
            raise RuntimeError("the dead process still has tasks")
        if not self.task.cancelled():
            self.task.exception()
        self._forget()
        self.say("killed")

    def drain(self, *, now: bool) -> None:
        """Tell the process to stop and wait until it has."""
        if self.engine is None or self.task is None:
            return
        self.engine.mailbox.post(DrainAsked(now=now))
        waited = 0.0
        while self.task is not None and waited < DRAIN_BOUND:
            self.pass_time(5.0)
            waited += 5.0
        if self.task is not None:
            self.ledger.blame(f"drain always ends: it did not within {DRAIN_BOUND:g} s")

    def person(self, what: str, command: Coroutine[Any, Any, Any]) -> None:
        """Let a person give a command; that it is refused is no fault."""
        self.loop.create_task(self._person(what, command))

    async def _person(self, what: str, command: Coroutine[Any, Any, Any]) -> None:
        try:
            await command
            self.say(f"{what}: done")
        except SymphonyError as error:
            self.say(f"{what}: {error.code}")
        except Exception as error:
            self.ledger.blame(f"every command has an answer: {what} broke with {error!r}")

    def touch(self, path: Path, *, noticed: bool) -> None:
        """Let the watcher see what a person changed, if it does."""
        if path.parent.name in FINISHED:
            self.ledger.finished.add(path.stem)
        self.ledger.moved.pop(path.stem, None)
        self.ledger.passes.pop(path.stem, None)
        if noticed and self.engine is not None:
            self.engine.tracking.notice([path])

    def _notice_end(self) -> None:
        if self.task is None or not self.task.done():
            return
        error = None if self.task.cancelled() else self.task.exception()
        if error is not None and not (isinstance(error, SymphonyError) and error.code == "store_full"):
            self.ledger.blame(f"the daemon never crashes: {error!r}")
        self.say(f"ended: {getattr(error, 'code', error)}")
        left = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        self._forget()
        self.life.alive = False
        for task in sorted(left, key=_age):  # people who waited for an answer, and nobody else
            task.cancel()
        self.loop.turn()

    def _forget(self) -> None:
        self.task = self.engine = self.operations = self.retention = None
        self.on_end()

    def _write(self, cwd: Path, name: str, file: str) -> None:
        folder = self.workspaces._folders.get(cwd.name)
        if folder is None or not self.life.alive:
            return
        if name:
            folder.files[file] = name.encode()
        elif file in folder.files and (theirs := self.yard.theirs(file)) is not None:
            folder.files[file] = theirs

    async def _sleep(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=seconds))

    def _new_task(self, loop: asyncio.AbstractEventLoop, coro: Any) -> asyncio.Task[Any]:
        self._tasks += 1
        return asyncio.Task(coro, loop=loop, name=str(self._tasks))

    def hear(self, said: str) -> None:
        """Take what a part of the product logs by itself; only a store may break a tool's call."""
        self.say(said)
        if said.startswith("mcp.call_broke") and not said.endswith("StoreError") and self.life.alive:
            self.ledger.blame(f"an agent's call is always answered: {said}")

    def info(self, event: str, **fields: Any) -> None:
        """Be the engine's log."""
        self.say(f"{event} {fields.get('issue')} {fields.get('reason', '')} {fields.get('outcome', '')}")

    def warning(self, event: str, **fields: Any) -> None:
        """Be the engine's log."""
        self.info(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """Be the engine's log; a crash of the engine's own is a broken promise."""
        self.info(event, **fields)
        if event in CRASHES and self.life.alive:
            self.ledger.blame(f"the engine never crashes: {event} {fields.get('error')}")


def _age(task: asyncio.Task[Any]) -> tuple[bool, int, str]:
    name = task.get_name()
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)
