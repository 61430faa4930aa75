"""An open machine as a sandbox: starts programs in it and ends them.

Its driver makes it and takes the machine away; nothing here creates or deletes one.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from symphony.core.machine import MachineState
from symphony.core.ports import RunResult, SandboxSpec
from symphony.core.text import one_line
from symphony.host.process import HostProcess, ProcessGone
from symphony.sandbox.errors import SandboxError, closed
from symphony.sandbox.guest import (
    GO,
    STDIN_VARIABLES,
    LaunchFailure,
    end_command,
    launch_command,
    variables_text,
)
from symphony.sandbox.smolvm.engine import Engine
from symphony.sandbox.smolvm.errors import EngineError, parse_failure
from symphony.sandbox.smolvm.machine import SmolvmMachine
from symphony.sandbox.smolvm.ownership import give
from symphony.sandbox.smolvm.process import GuestProcess, read_launch

TERM_GRACE = 2  # seconds between SIGTERM and SIGKILL in the guest, as on the host
ALIVE = (MachineState.RUNNING, MachineState.PAUSED, None)  # None: the engine did not say
START_WAIT = 30.0  # seconds for a program that is just being started; then the machine takes it along
END_TIMEOUT = 30.0  # seconds for ending a family of processes in a guest that may be overloaded
STARTED = "started"  # the launcher's word for a program that runs, before the guest's kernel
SAID_LIMIT = 400  # characters of the engine's words in a reason


class SmolvmSandbox:
    """An open machine; a `core.ports.Sandbox`."""

    kind = "smolvm"

    def __init__(self, engine: Engine, machine: SmolvmMachine, spec: SandboxSpec) -> None:
        self.machine = machine
        self._engine = engine
        self._spec = spec
        self._variables = guest_variables(spec)
        self._processes: set[GuestProcess] = set()
        self._closed = False
        self._starting = 0
        self._started = asyncio.Event()

    @property
    def place(self) -> str:
        """Where its programs run: the guest's own kernel is not the host's."""
        return f"{self.kind}, guest kernel {self.machine.kernel}" if self.machine.kernel else self.kind

    async def start(
        self, argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> GuestProcess:
        """Start a program, by default in the spec's folder.

        Raises:
            SandboxError: `sandbox.program_not_found`, `sandbox.start_failed`, `sandbox.closed`,
                `sandbox.machine_gone`.
        Cancellation: what was started is ended first.
        """
        if self._closed:
            raise closed(self.kind, argv[0] if argv else "")
        if not argv:
            raise SandboxError("sandbox: no program was named.", remedy="Give a command.")
        self._starting += 1
        try:
            process = await self._launch(argv, cwd, environment)
        finally:
            self._starting -= 1
            self._started.set()
        self._processes.add(process)
        if self._closed:  # the sandbox was closed while this was under way
            await process.kill()
        return process

    async def _launch(
        self, argv: Sequence[str], cwd: Path | None, environment: Mapping[str, str] | None
    ) -> GuestProcess:
        mark, folder = uuid.uuid4().hex, cwd or self._spec.folder
        command = launch_command(argv, mark=mark, folder=str(folder), variables=STDIN_VARIABLES)
        host = await self._engine.open("machine", "exec", "-i", "--name", self.machine.name, "--", *command)
        try:
            with suppress(ProcessGone):  # it has ended, and its stderr says why
                await host.write(variables_text({**self._variables, **(environment or {})}, mark))
            word, said = await read_launch(host, mark)
            refusal = None
            if word.startswith(STARTED):
                self.machine.kernel = word.removeprefix(STARTED).strip()
                with suppress(ProcessGone):
                    await host.write(GO)
            else:
                refusal = await self._refusal(argv[0], folder, word, said)
        except TimeoutError:
            refusal = SandboxError(
                f"sandbox: '{argv[0]}' did not start in the machine {self.machine.name} in time.",
                remedy="The guest may be overloaded; the issue is tried again in a new machine.",
            )
        except BaseException:
            await host.kill()
            raise
        if refusal is not None:
            await host.kill()
            raise refusal
        return GuestProcess(
            argv[0], host, said, lambda: self._end_family(mark), lambda: self._last_words(host)
        )

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
        try:
            return await process.run(timeout_s=timeout_s, output_limit=output_limit)
        finally:
            self._processes.discard(process)

    async def lend(self, folder: Path) -> None:
        """Let the machine's own user have a folder and all in it, when that is not the caller.

        Raises:
            EngineError: `sandbox.mount_failed`.
        """
        if self.machine.uid is not None:
            await give(folder, self.machine.uid)

    async def close(self) -> None:
        """End every program of this sandbox and let nothing more start; repeating it does nothing."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(START_WAIT):
                while self._starting:
                    self._started.clear()
                    await self._started.wait()
        await asyncio.gather(*(process.kill() for process in self._processes))
        self._processes.clear()

    async def _end_family(self, mark: str) -> None:
        with suppress(EngineError):  # a machine that is gone has ended them all
            await self._engine.call(
                "machine",
                "exec",
                "--name",
                self.machine.name,
                "--",
                *end_command(mark, TERM_GRACE),
                doing="end a program in the guest",
                timeout_s=END_TIMEOUT,
            )

    async def _refusal(self, program: str, folder: Path, word: str, said: bytes) -> SandboxError:
        """Return why a program did not start, from the launcher's word, or from the machine's state."""
        if word == str(LaunchFailure.NOT_FOUND.value):
            return SandboxError(
                f"sandbox: program not found: '{program}': it is not in the guest's image.",
                code="sandbox.program_not_found",
                remedy="Install it, or correct the command.",
            )
        if word == str(LaunchFailure.NO_FOLDER.value):
            return SandboxError(
                f"sandbox: folder not found: {folder}, in which '{program}' was to run.",
                remedy="Create it, or correct the setting that names it.",
            )
        if word:
            return SandboxError(
                f"sandbox: '{program}' could not be started in the guest (status {word}).",
                remedy="Make it executable, or correct the command.",
            )
        state = await self._state()
        if state not in ALIVE:
            return self._machine_gone(state)
        words = one_line(parse_failure(said)[1], SAID_LIMIT) or "nothing was said"
        return SandboxError(
            f"sandbox: '{program}' was not started in the guest: {words}.",
            remedy="The issue is tried again in a new machine.",
        )

    async def _last_words(self, host: HostProcess) -> bytes:
        """Return why a program ended, if it was its machine that ended."""
        if self._closed or await host.wait() == 0:
            return b""
        state = await self._state()
        return b"" if state in ALIVE else f"{self._machine_gone(state).message}\n".encode()

    async def _state(self) -> MachineState | None:
        """Return what the machine does; None when the engine does not say."""
        try:
            return await self.machine.state()
        except EngineError:
            return None

    def _machine_gone(self, state: MachineState | None) -> SandboxError:
        return SandboxError(
            f"sandbox: the machine {self.machine.name} does not run any more; the engine calls it {state}.",
            code="sandbox.machine_gone",
            remedy="The work is in the workspace; the issue is tried again in a new machine.",
        )


def guest_variables(spec: SandboxSpec) -> Mapping[str, str]:
    """Return what every program in the guest sees beside the image's own variables.

    The workspace belongs to the machine's own user on the host, which git in a guest takes for a
    stranger's, so that it is told that this folder is safe; with checkouts, whose names are not
    known yet, that every folder is.
    """
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": str(spec.folder) if spec.checkouts is None else "*",
        "IS_SANDBOX": "1",
        **spec.environment,
    }
