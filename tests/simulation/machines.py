"""Where the agents of one process run: sandboxes, some of them machines that sleep, fail and lose pipes."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from symphony.agent.errors import AgentClosedPipe
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.ports import SandboxSpec
from symphony.engine.reports import ANSWER_WITHIN
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.memory import MemoryDriver, MemorySandbox
from symphony.sandbox.memory_machine import MemoryMachine
from symphony.sandbox.memory_process import MemoryProcessIO
from symphony.workspace.memory_history import MemoryCommit
from tests.simulation.faults import Faults
from tests.simulation.ledger import Ledger


class SimulatedMachine(MemoryMachine):
    """A machine; it may not pause, not wake, or wake with a broken pipe."""

    def __init__(self, spec: SandboxSpec, faults: Faults, ledger: Ledger) -> None:
        super().__init__(spec)
        self._faults = faults
        self._ledger = ledger
        self._pipe_broken = False

    async def pause(self) -> None:
        await self._faults.lag()
        self.can_pause = not self._faults.takes("pause")
        await super().pause()

    async def resume(self) -> None:
        await self._faults.lag()
        self.can_resume = not self._faults.takes("resume")
        await super().resume()
        self._pipe_broken = self._faults.takes("pipe")

    async def usage(self) -> MachineUsage:
        if self._faults.takes("usage"):
            raise SandboxError("The machine does not answer.", remedy="")
        return await super().usage()

    def use_pipe(self) -> None:
        """Return if the pipe to the agent is whole; once it broke, the next one is another pipe.

        Raises:
            AgentClosedPipe: it broke in the sleep.
        """
        if self.state is MachineState.PAUSED:
            self._ledger.blame(
                f"a machine that sleeps is woken before its agent is told anything: {self.name}"
            )
        if self._pipe_broken:
            self._pipe_broken = False
            raise AgentClosedPipe("the agent", "working")


class SimulatedDriver(MemoryDriver):
    """Sandboxes of one process; they die with it."""

    def __init__(
        self,
        faults: Faults,
        clock: Any,
        ledger: Ledger,
        gate: Any,
        open_for: set[str],
        files_at: Callable[[Path], Mapping[str, bytes] | None],
        *,
        has_machines: bool,
    ) -> None:
        super().__init__(clock=clock, has_machines=has_machines)
        self._world = faults
        self._ledger = ledger
        self._open_for = open_for
        self._files_at = files_at
        self.register("sh", self._shell)
        self.register("mcp", gate.relay)

    @asynccontextmanager
    async def open_sandbox(self, spec: SandboxSpec) -> AsyncIterator[MemorySandbox]:
        issue_id = spec.labels["issue"]
        await self._world.lag()
        if self._world.takes("sandbox"):
            raise SandboxError("sandbox: it does not open.", remedy="Retry the issue.")
        if issue_id in self._open_for:
            self._ledger.blame(f"never two attempts of one issue: two sandboxes of {issue_id} are open")
        self._open_for.add(issue_id)
        try:
            async with super().open_sandbox(spec) as sandbox:
                if self.has_machines:
                    sandbox.machine = SimulatedMachine(spec, self._world, self._ledger)
                yield sandbox
        finally:
            self._open_for.discard(issue_id)

    async def _shell(self, io: MemoryProcessIO) -> int:
        await self._world.lag()
        if self._world.takes("slow_check"):  # longer than a call of mark_done may last
            await self.clock.sleep_until(self.clock.now() + ANSWER_WITHIN * 1.5)
        if self._world.takes("check"):
            return 1
        files = self._files_at(io.cwd)
        if files is None:  # its checkout is gone, and nobody hears of it any more
            return 1
        tree = MemoryCommit(files, "", None).tree
        if tree not in self._ledger.imported and self._world.takes("merged_check"):
            return 1
        self._ledger.checked.add((tree, io.argv[-1].partition("\n")[2]))
        return 0
