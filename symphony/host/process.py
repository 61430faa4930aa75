"""Programs on the host, each in a process group of its own, with bounded starts and ends.

Called by the workspace room for git and hooks and by the local sandbox for agents. It never
inherits the caller's environment, never uses a shell, and leaves neither a zombie nor a pipe.
"""

import asyncio
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from symphony.core.errors import SymphonyError
from symphony.core.ports import RunResult
from symphony.host.pipe import PipeReader, PipeWriter
from symphony.host.process_tree import end_all, find_family, group_exists
from symphony.host.spawn import ProcessError as ProcessError
from symphony.host.spawn import spawn

PROCESS_MARK = "SYMPHONY_PROCESS"  # tells what one program started from everything else
STDIN_GRACE = 0.5  # seconds for a program to leave by itself once its stdin is closed
PIPE_GRACE = 0.5  # seconds for the last output after the program itself has ended
REAP_WAIT = 1.0  # seconds for the kernel to report a program that has been killed
CHUNK_BYTES = 1 << 16


class ProcessGone(SymphonyError):
    """A program has closed its stdin or ended, and something was to be written to it."""

    code = "process.gone"


class HostProcess:
    """A program on the host with pipes, in a session of its own; a `core.ports.Process`.

    Whoever starts one awaits `kill` in the end, also when the program has ended by itself.
    """

    def __init__(self, program: str, started: subprocess.Popen[bytes], mark: str) -> None:
        self._program = program
        self._started = started
        self._mark = mark
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._stdout = PipeReader()
        self._stderr = PipeReader()
        self._stdin = PipeWriter()
        self._ending: asyncio.Task[None] | None = None
        self._watch_exit()

    @property
    def pid(self) -> int:
        """The program's process id, which is its group's and its session's as well."""
        return self._started.pid

    async def write(self, data: bytes) -> None:
        """Write to its stdin, waiting while the pipe is full.

        Raises:
            ProcessGone: it has closed its stdin or ended, or its stdin was closed here.
        Cancellation: the data is still written whole, so that no frame is torn.
        """
        try:
            await self._stdin.write(data)
        except BrokenPipeError as error:
            fact = (
                f"it ended with status {self._exited.result()}"
                if self._exited.done()
                else "its stdin is closed"
            )
            raise ProcessGone(f"nothing can be written to '{self._program}': {fact}.") from error

    async def close_stdin(self) -> None:
        """Close its stdin once all is written; repeating it does nothing."""
        self._stdin.close()

    async def read_stdout(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        return await self._stdout.read(limit)

    async def read_stderr(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        return await self._stderr.read(limit)

    async def wait(self) -> int:
        """Return the exit status; negative is the signal that ended it."""
        return await asyncio.shield(self._exited)

    async def kill(self) -> None:
        """End it and all that it started; return when it is gone or after a bounded wait.

        If its stdin is still open, it is closed and the program gets `STDIN_GRACE`; then SIGTERM
        and `TERM_GRACE`; then SIGKILL, for its group, its offspring and every process that
        inherited its mark. Repeating it does nothing.

        Cancellation: it runs to its end first.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end_everything())
        await finish_first(self._ending)

    async def end_group(self) -> None:
        """End what an ended program left in its group; what called setsid on purpose lives on.

        Cancellation: it runs to its end first.
        """
        if self._stdout.ended and self._stderr.ended and self._exited.done() and not group_exists(self.pid):
            self._close()
        else:
            await finish_first(asyncio.create_task(self._end_group()))

    async def connect(self) -> None:
        """Attach the pipes to the running loop; `start_group` calls it once."""
        loop = asyncio.get_running_loop()
        started = self._started
        if started.stdout is not None:
            await loop.connect_read_pipe(lambda: self._stdout, started.stdout)
        if started.stderr is None:
            self._stderr.connection_lost(None)
        else:
            await loop.connect_read_pipe(lambda: self._stderr, started.stderr)
        if started.stdin is not None:
            await loop.connect_write_pipe(lambda: self._stdin, started.stdin)
        if self._exited.done():
            self._stdin.abort()

    async def _end_everything(self) -> None:
        try:
            if not self._stdin.closed:
                self._stdin.close()
                await asyncio.wait({self._exited}, timeout=STDIN_GRACE)
            await end_all(lambda: find_family({PROCESS_MARK: self._mark}, group=self._group()))
        except asyncio.CancelledError:
            # only a loop that shuts down cancels this task: what can be done at once is done
            if not self._exited.done():
                os.killpg(self.pid, signal.SIGKILL)
            raise
        finally:
            await self._release()

    async def _end_group(self) -> None:
        try:
            if group_exists(self.pid):
                await end_all(lambda: find_family({}, group=self._group()))
        finally:
            await self._release()

    def _group(self) -> int | None:
        """Return the group, or None once its number may belong to a stranger."""
        return None if self._exited.done() and psutil.pid_exists(self.pid) else self.pid

    async def _release(self) -> None:
        """Give back the pipes and the zombie; repeating it does nothing."""
        self._stdin.abort()
        await asyncio.gather(self._stdout.finish(PIPE_GRACE), self._stderr.finish(PIPE_GRACE))
        self._close()
        await asyncio.wait({self._exited}, timeout=REAP_WAIT)

    def _close(self) -> None:
        for pipe in (self._started.stdin, self._started.stdout, self._started.stderr):
            if pipe is not None:
                pipe.close()

    def _watch_exit(self) -> None:
        """Learn of the exit without a thread where the kernel offers it."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            threading.Thread(target=self._wait_in_thread, args=(loop,), daemon=True).start()
            return

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._note_exit(self._started.wait())

        loop.add_reader(descriptor, ended)

    def _wait_in_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        status = self._started.wait()
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(self._note_exit, status)

    def _note_exit(self, status: int) -> None:
        if not self._exited.done():
            self._exited.set_result(status)
        self._stdin.abort()  # a child of it may hold the other end open, but nobody reads for it any more


async def start_group(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    merge_output: bool = False,
    has_stdin: bool = True,
) -> HostProcess:
    """Start a program in its own session with this environment and no other.

    Args:
        argv: the program and its arguments; a bare name is looked up in `env`'s PATH.
        cwd: the folder in which it starts.
        env: all of its environment; `SYMPHONY_PROCESS` is added so that its offspring can be found.
        merge_output: stderr comes in order with stdout.
        has_stdin: whether anything can be written to it.

    Raises:
        ProcessError: `process.program_not_found`, `process.not_executable`,
            `process.folder_not_found`, `process.start_failed`.
    Cancellation: a program that was started is ended first.
    """
    mark = uuid.uuid4().hex
    program = argv[0] if argv else ""
    spawning = asyncio.create_task(
        asyncio.to_thread(spawn, tuple(argv), cwd, {**env, PROCESS_MARK: mark}, merge_output, has_stdin)
    )
    try:
        await asyncio.shield(spawning)
    except asyncio.CancelledError:
        await finish_first(asyncio.create_task(_discard(program, spawning, mark)))
        raise
    process = HostProcess(program, spawning.result(), mark)
    try:
        await process.connect()
    except BaseException:
        await process.kill()
        raise
    return process


async def run_group(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    output_limit: int = 65_536,
    merge_output: bool = False,
    stdin: bytes | None = None,
) -> RunResult:
    """Run a program to its end, killed with all that it started at the timeout.

    What it leaves in its process group when it ends is ended as well, also when that keeps the
    output open. Of each stream the last `output_limit` bytes are kept while all of it is read.

    Args:
        argv: the program and its arguments; a bare name is looked up in `env`'s PATH.
        cwd: the folder in which it starts.
        env: all of its environment.
        timeout_s: seconds; the result's exit status is None when it was killed at it.
        output_limit: bytes per stream.
        merge_output: stderr comes in order with stdout.
        stdin: what it may read; None is an empty stdin.

    Raises:
        ProcessError: as of `start_group`.
    Cancellation: the program is ended first.
    """
    process = await start_group(
        argv, cwd=cwd, env=env, merge_output=merge_output, has_stdin=stdin is not None
    )
    return await run_started(process, timeout_s=timeout_s, output_limit=output_limit, stdin=stdin)


async def run_started(
    process: HostProcess, *, timeout_s: float, output_limit: int, stdin: bytes | None = None
) -> RunResult:
    """Take a program that was just started to its end, as `run_group` does.

    Cancellation: the program is ended first.
    """
    async with asyncio.TaskGroup() as scope:
        stdout = scope.create_task(read_tail(process.read_stdout, output_limit))
        stderr = scope.create_task(read_tail(process.read_stderr, output_limit))
        scope.create_task(_feed(process, stdin or b""))
        status: int | None = None
        try:
            async with asyncio.timeout(timeout_s):
                status = await process.wait()
            await asyncio.wait({stdout, stderr}, timeout=PIPE_GRACE)
        except TimeoutError:
            pass
        finally:
            await (process.kill() if status is None else process.end_group())
    return RunResult(status, stdout.result(), stderr.result())


async def read_tail(read: Callable[[int], Awaitable[bytes]], limit: int) -> bytes:
    """Read all and return the last `limit` bytes."""
    kept = bytearray()
    while data := await read(CHUNK_BYTES):
        kept += data
        del kept[: max(0, len(kept) - limit)]
    return bytes(kept)


async def finish_first(task: "asyncio.Task[Any]") -> None:
    """Wait for a bounded task to end before a cancellation of the caller takes effect.

    Raises:
        CancelledError: the caller was cancelled meanwhile; else whatever the task raised.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()


async def _feed(process: HostProcess, data: bytes) -> None:
    """Write all to its stdin; a program that does not want it is free to leave it."""
    with suppress(ProcessGone):
        if data:
            await process.write(data)
    await process.close_stdin()


async def _discard(program: str, spawning: "asyncio.Task[subprocess.Popen[bytes]]", mark: str) -> None:
    """End a program that nobody will ever hold."""
    with suppress(ProcessError):
        await HostProcess(program, await spawning, mark).kill()
