"""Small commands of the host that agents call as tools [CONTRACT 6.5]."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from symphony.core.ports.sandbox import RunResult


class HostCommands(Protocol):
    """Runs commands in a folder that no agent can write, and never through a shell."""

    async def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout_s: float, output_limit: int
    ) -> RunResult:
        """Run a program to its end, without input, and end all that it started.

        Args:
            argv: the program and its arguments.
            environment: beside the few variables that every program needs.
            timeout_s: seconds; the result's exit status is None when it was ended at it.
            output_limit: bytes of each stream that are kept, their end.

        Raises:
            SymphonyError: `process.*`: it could not be started.
        Cancellation: the command is ended first.
        """
        ...
