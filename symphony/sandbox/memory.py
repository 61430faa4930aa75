"""Sandboxes whose programs are Python coroutines: for the engine's tests and for simulation.

Uses no thread, no disk and no real time; the order of everything is the loop's alone.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from itertools import count
from pathlib import Path, PurePath

from symphony.core.ports import Clock, RunResult, SandboxSpec
from symphony.host.clock import VirtualClock
from symphony.host.process import finish_first
from symphony.sandbox.errors import SandboxError, closed
from symphony.sandbox.memory_machine import MemoryMachine
from symphony.sandbox.memory_process import MemoryProcess, Program, end_processes, run_to_end

BASE_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/home/agent"}


class Fault(StrEnum):
    """What the driver can be told to do wrong."""

    OPEN = "open"
    """Opening a sandbox fails."""
    START = "start"
    """Starting a program fails."""
    NOT_FOUND = "not_found"
    """A program is not there, though it is registered."""


class MemoryDriver:
    """Runs registered coroutines as programs.

    Args:
        programs: by the last part of argv[0].
        clock: measures the timeout of `run`.
        has_machines: each sandbox gets a machine, which is a record of what was asked of it.
    """

    kind = "memory"
    isolation = "memory runs no program at all: it is for tests."

    def __init__(
        self,
        programs: Mapping[str, Program] | None = None,
        clock: Clock | None = None,
        *,
        has_machines: bool = False,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.has_machines = has_machines
        self.programs: dict[str, Program] = dict(programs or {})
        self.sandboxes: list[MemorySandbox] = []
        self.pids = count(1)
        self._faults: list[Fault] = []

    def register(self, name: str, program: Program) -> None:
        """Make a program known, in the place of one with the same name."""
        self.programs[name] = program

    def fail(self, fault: Fault, times: int = 1) -> None:
        """Let the next `times` occasions fail in this way."""
        self._faults += [fault] * times

    def takes(self, fault: Fault) -> bool:
        """Say whether this occasion is to fail, and count it."""
        if fault not in self._faults:
            return False
        self._faults.remove(fault)
        return True

    async def crash(self) -> None:
        """End every program in every open sandbox at once, as when a machine loses power."""
        await end_processes(
            [process for sandbox in self.sandboxes for process in sandbox.processes], now=True
        )

    def abandon(self) -> None:
        """Behave as if the daemon had died: open sandboxes stay as they are until `reap`."""
        for sandbox in self.sandboxes:
            sandbox.abandoned = True

    @asynccontextmanager
    async def open_sandbox(self, spec: SandboxSpec) -> AsyncIterator["MemorySandbox"]:
        """Open a sandbox; leaving the context ends every process in it.

        Raises:
            SandboxError: `sandbox.start_failed` when told to fail.
        Cancellation: its processes are ended first.
        """
        if self.takes(Fault.OPEN):
            raise SandboxError("sandbox: the memory sandbox was told not to open.", remedy="Retry the issue.")
        sandbox = MemorySandbox(self, spec)
        self.sandboxes.append(sandbox)
        try:
            yield sandbox
        finally:
            if not sandbox.abandoned:
                await finish_first(asyncio.create_task(self._close(sandbox)))

    async def reap(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """End the processes of dead runs that carry all of these labels; return a word for each.

        Sandboxes that are open here are left alone. No labels name nothing, and nothing is ended.
        """
        dead = [box for box in self.sandboxes if box.abandoned and labels and box.carries(labels)]
        words = [f"process {process.pid}" for box in dead for process in box.processes if process.alive]
        for sandbox in dead:
            await self._close(sandbox)
        return tuple(words)

    async def _close(self, sandbox: "MemorySandbox") -> None:
        await sandbox.close()
        self.sandboxes.remove(sandbox)


class MemorySandbox:
    """An open sandbox in memory; a `core.ports.Sandbox`."""

    kind = place = "memory"

    def __init__(self, driver: MemoryDriver, spec: SandboxSpec) -> None:
        self._driver = driver
        self._spec = spec
        self._closed = False
        self.abandoned = False
        self.processes: list[MemoryProcess] = []
        self.machine = MemoryMachine(spec) if driver.has_machines else None

    def carries(self, labels: Mapping[str, str]) -> bool:
        """Say whether it was opened with all of these labels."""
        return labels.items() <= self._spec.labels.items()

    async def start(
        self, argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> MemoryProcess:
        """Start a registered program, by default in the spec's folder.

        Raises:
            SandboxError: `sandbox.program_not_found`, `sandbox.start_failed`, `sandbox.closed`.
        """
        return self.launch(argv, cwd, environment)

    def launch(
        self, argv: Sequence[str], cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> MemoryProcess:
        """Do what `start` does, for programs that start others."""
        name = PurePath(argv[0]).name if argv else ""
        if self._closed:
            raise closed(self.kind, name)
        if not name:
            raise SandboxError("sandbox: no program was named.", remedy="Give a command.")
        if self._driver.takes(Fault.START):
            raise SandboxError(f"sandbox: '{argv[0]}' was told not to start.", remedy="Correct the command.")
        program = self._driver.programs.get(name)
        if program is None or self._driver.takes(Fault.NOT_FOUND):
            raise SandboxError(
                f"sandbox: program not found: '{argv[0]}': it is not registered with the memory driver.",
                code="sandbox.program_not_found",
                remedy="Install it, or correct the command.",
            )
        process = MemoryProcess(
            program,
            pid=next(self._driver.pids),
            argv=tuple(argv),
            cwd=cwd or self._spec.folder,
            environment={**BASE_ENVIRONMENT, **self._spec.environment, **(environment or {})},
            launch=self.launch,
        )
        self.processes.append(process)
        return process

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float,
        output_limit: int = 65_536,
    ) -> RunResult:
        """Run a program to its end, killed with all that it started at the timeout.

        Raises:
            SandboxError: as of `start`.
        """
        process = await self.start(argv, cwd=cwd, environment=environment)
        return await run_to_end(process, self._driver.clock, timeout_s, output_limit)

    async def lend(self, folder: Path) -> None:
        """Do nothing: nothing in memory has an owner."""

    async def close(self) -> None:
        """End every process of this sandbox and let nothing more start; repeating it does nothing."""
        self._closed = True
        await end_processes(self.processes)
