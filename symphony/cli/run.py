"""`symphony run`: the daemon, from the command line's side."""

import asyncio
import os
import traceback
from contextlib import suppress
from pathlib import Path

from symphony.cli.console import open_console
from symphony.cli.errors import CommandError
from symphony.cli.place import Place
from symphony.core.errors import SymphonyError
from symphony.core.text import one_line


def run_workflow(
    workflow: Path,
    *,
    port: int | None = None,
    verbose: bool = False,
    until_idle: bool = False,
    sandbox: str | None = None,
) -> int:
    """Run the daemon to its end and return the exit status [CONTRACT 1.1].

    Raises:
        SymphonyError: what kept it from starting; `internal_error` for what broke inside it.
    """
    from symphony.app import run_daemon  # all rooms: slow to import
    from symphony.run import RunOptions

    options = RunOptions(workflow, port, verbose, until_idle, sandbox)
    with open_console() as console:
        try:
            status = asyncio.run(run_daemon(options, os.environ, console))
        except Exception as error:
            expected = expected_in(error)
            if expected is error:
                raise
            if expected is not None:
                raise expected from error
            raise broken(error, Place(workflow), verbose=verbose) from error
    if console.stuck:
        os._exit(status)  # Python's own end would wait for the thread, and so for the terminal
    return status


def expected_in(error: BaseException) -> SymphonyError | None:
    """Return the expected error that this is, or that a task group has wrapped."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, SymphonyError) else None


def broken(error: Exception, place: Place, *, verbose: bool) -> CommandError:
    """Return what is said of a defect; its stack is shown to those who asked for it."""
    if verbose:
        with suppress(OSError, ValueError):
            traceback.print_exception(error)
    return CommandError(
        f"something broke inside symphony: {one_line(f'{type(error).__name__}: {error}', 300)}.",
        code="internal_error",
        remedy=f"The log is {place.installation.log_file}; `--verbose` shows where it broke.",
    )
