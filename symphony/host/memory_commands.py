"""HostCommands for tests: programs are functions, and time is the given clock's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from symphony.core.ports import Clock, RunResult
from symphony.host.spawn import ProcessError

Program = Callable[[tuple[str, ...], Mapping[str, str]], Awaitable[RunResult]]


class MemoryCommands:
    """Runs programs that were registered.

    Attributes:
        ran: every command line, oldest first.
        ended: those that were ended before their end.
    """

    def __init__(self, clock: Clock) -> None:
        """Bound programs by this clock."""
        self._clock = clock
        self._programs: dict[str, Program] = {}
        self.ran: list[tuple[str, ...]] = []
        self.ended: list[tuple[str, ...]] = []

    def register(self, name: str, program: Program) -> None:
        """Let a program be found by this name."""
        self._programs[name] = program

    async def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout_s: float, output_limit: int
    ) -> RunResult:
        """Run a registered program to its end or to the timeout.

        Raises:
            ProcessError: there is none of this name.
        Cancellation: the program is cancelled.
        """
        program = self._programs.get(argv[0])
        if program is None:
            raise ProcessError(
                f"program not found: '{argv[0]}'.",
                code="process.program_not_found",
                remedy="Install it, or correct the command.",
            )
        command = tuple(argv)
        self.ran.append(command)
        running = asyncio.ensure_future(program(command, environment))
        due = self._clock.now() + timedelta(seconds=timeout_s)
        waiting = asyncio.ensure_future(self._clock.sleep_until(due))
        try:
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                return RunResult(None, b"", b"")
            result = running.result()
            kept = slice(-output_limit, None)
            return RunResult(result.exit_status, result.stdout[kept], result.stderr[kept])
        finally:
            if not running.done():
                self.ended.append(command)
            for task in (running, waiting):
                task.cancel()
            await asyncio.wait({running, waiting})
