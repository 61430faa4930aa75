"""A program in a guest: the pipes of one `machine exec -i`, and what ends it in the guest.

The variables of a program go in at the start of its stdin, so that no value ever stands on a
command line of the host.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable

from symphony.core.ports import RunResult
from symphony.core.text import one_line
from symphony.host.process import PIPE_GRACE, HostProcess, ProcessGone, finish_first, read_tail
from symphony.sandbox.smolvm.backlog import CHUNK_BYTES, Backlog

LAUNCH_TIMEOUT = 60.0  # seconds for a command to begin in a guest that runs; it takes milliseconds
WORD_LIMIT = 100  # characters of the launcher's word, which the guest could have written itself
LAUNCH_LIMIT = 65_536  # bytes that the engine and the launcher may say before the program's first
STDIN_GRACE = 2.0  # seconds to leave by itself once its stdin is closed, which the engine has to pass on
SIGNALLED = 128  # the engine's exit status for a program that a signal ended is this and the signal
LAST_SIGNAL = 64

LastWords = Callable[[], Awaitable[bytes]]
EndFamily = Callable[[], Awaitable[None]]


class GuestProcess:
    """A program in a guest; a `core.ports.Process`.

    Args:
        program: its name, for an error.
        host: the engine's command that carries its pipes.
        early: what it has said on stderr already.
        end_family: ends the program and its offspring in the guest, in bounded time.
        last_words: what to add to its stderr when it ended badly: the machine's end, if that was why.
    """

    def __init__(
        self, program: str, host: HostProcess, early: bytes, end_family: EndFamily, last_words: LastWords
    ) -> None:
        self._program = program
        self._host = host
        self._stdout = Backlog(host.read_stdout)
        self._stderr = Backlog(host.read_stderr, early)
        self._end_family = end_family
        self._last_words: LastWords | None = last_words
        self._added = b""
        self._ending: asyncio.Task[None] | None = None

    async def write(self, data: bytes) -> None:
        """Write to its stdin, waiting while the pipe is full.

        Raises:
            ProcessGone: it has ended, or its stdin was closed here.
        """
        try:
            await self._host.write(data)
        except ProcessGone as error:
            fact = error.message.rpartition(": ")[2]
            raise ProcessGone(f"nothing can be written to '{self._program}': {fact}") from error

    async def close_stdin(self) -> None:
        """Close its stdin once all is written; repeating it does nothing."""
        await self._host.close_stdin()

    async def read_stdout(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        return await self._stdout.read(limit)

    async def read_stderr(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        if said := await self._stderr.read(limit):
            return said
        if self._last_words is not None:
            words, self._last_words = self._last_words, None
            self._added = await words()
        said, self._added = self._added[:limit], self._added[limit:]
        return said

    async def wait(self) -> int:
        """Return the exit status; negative is the signal that ended it."""
        status = await self._host.wait()
        return SIGNALLED - status if SIGNALLED < status <= SIGNALLED + LAST_SIGNAL else status

    async def kill(self) -> None:
        """End it and all that it started; return when it is gone or after a bounded wait.

        If its stdin is still open, it is closed and the program gets a moment to leave by itself.

        Cancellation: it runs to its end first.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await finish_first(self._ending)

    async def run(self, *, timeout_s: float, output_limit: int) -> RunResult:
        """Take a program that was just started to its end, killed with all its offspring at the timeout.

        Cancellation: the program is ended first.
        """
        await self.close_stdin()
        status: int | None = None
        async with asyncio.TaskGroup() as scope:
            stdout = scope.create_task(read_tail(self.read_stdout, output_limit))
            stderr = scope.create_task(read_tail(self.read_stderr, output_limit))
            try:
                async with asyncio.timeout(timeout_s):
                    status = await self.wait()
                await asyncio.wait({stdout, stderr}, timeout=PIPE_GRACE)
            except TimeoutError:
                pass
            finally:
                await (self.kill() if status is None else self._release())
        return RunResult(status, stdout.result(), stderr.result())

    async def _end(self) -> None:
        try:
            await self._host.close_stdin()
            ended = asyncio.create_task(self._host.wait())
            await asyncio.wait({ended}, timeout=STDIN_GRACE)
            await self._end_family()
        finally:
            await self._release()

    async def _release(self) -> None:
        await self._host.kill()
        await asyncio.gather(self._stdout.close(), self._stderr.close())


async def read_launch(host: HostProcess, mark: str) -> tuple[str, bytes]:
    """Read stderr up to the launcher's first word about this program.

    Returns:
        The word, `started` with the guest's kernel or why not; and what was said besides it.

    Raises:
        TimeoutError: nothing came in time; the caller ends the command.
    """
    told = re.compile(rb"^symphony-launch %b: (.+)\n" % re.escape(mark.encode()), re.MULTILINE)
    said = b""
    async with asyncio.timeout(LAUNCH_TIMEOUT):
        while len(said) < LAUNCH_LIMIT:
            if found := told.search(said):
                return one_line(found[1].decode("utf-8", "replace"), WORD_LIMIT), said[found.end() :]
            piece = await host.read_stderr(CHUNK_BYTES)
            if not piece:
                break
            said += piece
    return "", said
