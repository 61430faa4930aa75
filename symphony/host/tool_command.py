"""Runs the commands that the workflow declares as tools, in the folder of WORKFLOW.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from symphony.core.ports import RunResult
from symphony.host.inherited import inherited
from symphony.host.process import run_started, start_group


class ToolCommands:
    """`core.ports.HostCommands` over processes."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Run commands in this folder with a few variables of this environment."""
        self._folder = folder
        self._environ = environ

    async def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout_s: float, output_limit: int
    ) -> RunResult:
        """Run a program to its end, without input, and end all that it started.

        Raises:
            ProcessError: it could not be started.
        Cancellation: the command is ended first.
        """
        process = await start_group(argv, cwd=self._folder, env={**inherited(self._environ), **environment})
        try:
            return await run_started(process, timeout_s=timeout_s, output_limit=output_limit)
        finally:
            await process.kill()  # what left its group is ended as well
