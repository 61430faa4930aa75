"""The driver that isolates nothing: programs of an attempt as processes of the user on the host."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

from symphony.core.labels import label_variables
from symphony.core.ports import RunResult, SandboxSpec
from symphony.host.process import HostProcess, ProcessError, finish_first, run_started, start_group
from symphony.host.process_tree import end_all, find_family
from symphony.sandbox.errors import SandboxError, closed

ALLOWED = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TZ"})
ALLOWED_PREFIX = "LC_"
SANDBOX_MARK = "SYMPHONY_SANDBOX"  # tells the processes of one sandbox from those of all others
SPAWN_WAIT = 5.0  # seconds for a program that is just being started; more means a folder that hangs


class LocalDriver:
    """Runs programs on the host itself, with the user's HOME, because agents keep their login there.

    Args:
        host_environment: from which the few allowed variables are taken.
    """

    kind = "local"
    isolation = "local isolates nothing: the agent runs as you, with your files, logins and network."
    has_machines = False

    def __init__(self, host_environment: Mapping[str, str] | None = None) -> None:
        self._host_environment = dict(os.environ if host_environment is None else host_environment)
        self._open: set[str] = set()

    @asynccontextmanager
    async def open_sandbox(self, spec: SandboxSpec) -> AsyncIterator["LocalSandbox"]:
        """Open a sandbox; leaving the context ends every process that was started from it.

        That includes children that called setsid, lost their parent or ignore SIGTERM.

        Raises:
            SandboxError: `sandbox.start_failed`: the folder is not there.
        Cancellation: its processes are ended first.
        """
        if not await asyncio.to_thread(spec.folder.is_dir):
            raise SandboxError(
                f"sandbox: there is no folder {spec.folder} to open a local sandbox on.",
                remedy="Retry the issue, so that its workspace is made again.",
            )
        mark = uuid.uuid4().hex
        environment = {
            **allowed(self._host_environment),
            **spec.environment,
            **label_variables(spec.labels),
            SANDBOX_MARK: mark,
        }
        sandbox = LocalSandbox(spec.folder, environment)
        self._open.add(mark)
        try:
            yield sandbox
        finally:
            try:
                await finish_first(asyncio.create_task(sandbox.close()))
            finally:
                self._open.discard(mark)

    async def reap(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """End the processes of dead runs that carry all of these labels; return a word for each.

        Sandboxes that are open here are left alone. No labels name nothing, and nothing is ended.
        """
        open_here = [{SANDBOX_MARK: mark} for mark in self._open]
        wanted = label_variables(labels)

        def find() -> Sequence[psutil.Process]:
            spared = {process.pid for mark in open_here for process in find_family(mark)}
            return [process for process in find_family(wanted) if process.pid not in spared]

        return tuple(f"process {pid}" for pid in await end_all(find))


class LocalSandbox:
    """An open local sandbox; a `core.ports.Sandbox`."""

    kind = place = "local"
    machine = None

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._processes: set[HostProcess] = set()
        self._closed = False
        self._spawning = 0
        self._spawned = asyncio.Event()

    async def start(
        self, argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> HostProcess:
        """Start a program, by default in the spec's folder.

        Raises:
            SandboxError: `sandbox.program_not_found`, `sandbox.start_failed`, `sandbox.closed`.
        """
        self._check_open(argv)
        variables = {**self._environment, **(environment or {}), **self._mark}
        self._spawning += 1
        try:
            process = await start_group(argv, cwd=cwd or self._folder, env=variables)
        except ProcessError as error:
            raise _translated(error) from error
        finally:
            self._spawning -= 1
            self._spawned.set()
        self._processes.add(process)
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
        try:
            return await run_started(process, timeout_s=timeout_s, output_limit=output_limit)
        finally:
            self._processes.discard(process)

    async def lend(self, folder: Path) -> None:
        """Do nothing: programs run as the user whose files they are."""

    async def close(self) -> None:
        """End every process of this sandbox and let nothing more start; repeating it does nothing."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(SPAWN_WAIT):
                while self._spawning:
                    self._spawned.clear()
                    await self._spawned.wait()
        await asyncio.gather(*(process.kill() for process in self._processes))
        self._processes.clear()
        await end_all(lambda: find_family(self._mark))

    @property
    def _mark(self) -> Mapping[str, str]:
        return {SANDBOX_MARK: self._environment[SANDBOX_MARK]}

    def _check_open(self, argv: Sequence[str]) -> None:
        if self._closed:
            raise closed(self.kind, argv[0] if argv else "")


def allowed(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of the host that a program needs to start and to speak the user's language."""
    return {
        name: value
        for name, value in environment.items()
        if name in ALLOWED or name.startswith(ALLOWED_PREFIX)
    }


def _translated(error: ProcessError) -> SandboxError:
    missing = error.code == "process.program_not_found"
    return SandboxError(
        f"sandbox: {error.message}",
        code="sandbox.program_not_found" if missing else "sandbox.start_failed",
        remedy=error.remedy,
    )
