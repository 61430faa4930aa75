"""One program in memory: a coroutine with three pipes, a process id and signals."""

import asyncio
import signal
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from symphony.core.ports import Clock, RunResult
from symphony.host.clock import SETTLE_PASSES
from symphony.host.process import ProcessGone, finish_first, read_tail
from symphony.sandbox.memory_pipe import MemoryPipe

CANCEL_TRIES = 8  # a coroutine that goes on after so many cancellations is a mistake in a test

Launch: TypeAlias = "Callable[[Sequence[str]], MemoryProcess]"


class MemoryProcessIO:
    """What a program in memory sees of the world.

    Attributes:
        argv, cwd, environment: as it was started.
        handles_sigterm: set it to survive SIGTERM; `terminated` then tells of it.
        terminated: set once SIGTERM came.
    """

    def __init__(
        self, process: "MemoryProcess", argv: tuple[str, ...], cwd: Path, environment: Mapping[str, str]
    ) -> None:
        self._process = process
        self.argv = argv
        self.cwd = cwd
        self.environment = environment
        self.handles_sigterm = False
        self.terminated = asyncio.Event()

    async def read_stdin(self, limit: int = 1 << 16) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        return await self._process.stdin.read(limit)

    async def write_stdout(self, data: bytes) -> None:
        """Write to stdout, waiting while nobody reads it."""
        await self._process.stdout.write(data)

    async def write_stderr(self, data: bytes) -> None:
        """Write to stderr, waiting while nobody reads it."""
        await self._process.stderr.write(data)

    def close_stdin(self) -> None:
        """Refuse what is still to come on stdin."""
        self._process.stdin.refuse()

    def start(self, argv: Sequence[str]) -> "MemoryProcess":
        """Start another program in the same sandbox, which lives on when this one ends."""
        return self._process.start_child(argv)


Program: TypeAlias = Callable[[MemoryProcessIO], Coroutine[None, None, int]]


class MemoryProcess:
    """A running coroutine; a `core.ports.Process`."""

    def __init__(
        self,
        program: Program,
        *,
        pid: int,
        argv: tuple[str, ...],
        cwd: Path,
        environment: Mapping[str, str],
        launch: Launch,
    ) -> None:
        self.pid = pid
        self.stdin = MemoryPipe()
        self.stdout = MemoryPipe()
        self.stderr = MemoryPipe()
        self._program = argv[0]
        self._launch = launch
        self._children: list[MemoryProcess] = []
        self._io = MemoryProcessIO(self, argv, cwd, environment)
        self._signal = signal.SIGKILL
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(program(self._io))
        self._task.add_done_callback(self._note_exit)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return not self._exited.done()

    async def write(self, data: bytes) -> None:
        """Write to its stdin, waiting while the pipe is full.

        Raises:
            ProcessGone: it has closed its stdin or ended, or its stdin was closed here.
        Cancellation: the data is still written whole.
        """
        try:
            await self.stdin.write(data)
        except BrokenPipeError as error:
            fact = "its stdin is closed" if self.alive else f"it ended with status {self._exited.result()}"
            raise ProcessGone(f"nothing can be written to '{self._program}': {fact}.") from error

    async def close_stdin(self) -> None:
        """Close its stdin; repeating it does nothing."""
        self.stdin.end()

    async def read_stdout(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        return await self.stdout.read(limit)

    async def read_stderr(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        return await self.stderr.read(limit)

    async def wait(self) -> int:
        """Return the exit status; negative is the signal that ended it."""
        return await asyncio.shield(self._exited)

    async def kill(self) -> None:
        """End it and all that it started: stdin closed, then SIGTERM, then SIGKILL.

        Cancellation: it runs to its end first.
        """
        await finish_first(asyncio.create_task(end_processes(self.family())))

    def family(self) -> list["MemoryProcess"]:
        """Return it and all that it started, and what those started."""
        return [self, *(process for child in self._children for process in child.family())]

    def start_child(self, argv: Sequence[str]) -> "MemoryProcess":
        """Start a program that `kill` ends together with this one."""
        child = self._launch(argv)
        self._children.append(child)
        return child

    def send(self, signum: signal.Signals) -> None:
        """Signal it; nothing happens when it has ended."""
        if signum is signal.SIGTERM and self._io.handles_sigterm:
            self._io.terminated.set()
        elif self.alive:
            self._signal = signum
            self._task.cancel()

    def _note_exit(self, task: "asyncio.Task[int]") -> None:
        last = b""
        if task.cancelled():
            status = -self._signal
        elif error := task.exception():
            status, last = 1, "".join(traceback.format_exception(error)).encode()
        else:
            status = task.result()
        self._exited.set_result(status)
        self.stdin.refuse()
        self.stdout.end()
        self.stderr.end(last)


async def end_processes(processes: Sequence[MemoryProcess], *, now: bool = False) -> None:
    """End them in the order of a real end, or with SIGKILL at once."""
    if not now:
        for process in processes:
            process.stdin.end()
        if await _ended(processes):
            return
        for process in processes:
            process.send(signal.SIGTERM)
        if await _ended(processes):
            return
    for _ in range(CANCEL_TRIES):
        for process in processes:
            process.send(signal.SIGKILL)
        if await _ended(processes):
            return


async def run_to_end(process: MemoryProcess, clock: Clock, timeout_s: float, output_limit: int) -> RunResult:
    """Take a program that was just started to its end, or to its timeout by this clock."""
    due = clock.now() + timedelta(seconds=timeout_s)
    await process.close_stdin()
    async with asyncio.TaskGroup() as scope:
        stdout = scope.create_task(read_tail(process.read_stdout, output_limit))
        stderr = scope.create_task(read_tail(process.read_stderr, output_limit))
        timer = scope.create_task(clock.sleep_until(due))
        exit_ = scope.create_task(process.wait())
        try:
            await asyncio.wait({timer, exit_}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timed_out = process.alive
            timer.cancel()
            await process.kill()
    return RunResult(None if timed_out else exit_.result(), stdout.result(), stderr.result())


async def _ended(processes: Sequence[MemoryProcess]) -> bool:
    """Let the programs run for a while that takes no time; say whether all have ended."""
    for _ in range(SETTLE_PASSES):
        if not any(process.alive for process in processes):
            return True
        await asyncio.sleep(0)
    return False
