"""The start of a program, and why it did not start, in words.

Called by `host.process` in a worker thread: it blocks on the file system.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from symphony.core.errors import SymphonyError


class ProcessError(SymphonyError):
    """A program could not be started.

    Codes: `process.program_not_found`, `process.not_executable`, `process.folder_not_found`,
    `process.start_failed`.
    """

    code = "process.start_failed"


def spawn(
    argv: tuple[str, ...], cwd: Path, env: Mapping[str, str], merge_output: bool, has_stdin: bool
) -> subprocess.Popen[bytes]:
    """Start a program in its own session with pipes for what it writes, and for what it reads if it does.

    Raises:
        ProcessError: it did not start.
    """
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge_output else subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        raise _start_error(argv, cwd, env, error) from error


def _start_error(argv: tuple[str, ...], cwd: Path, env: Mapping[str, str], error: Exception) -> ProcessError:
    """Say why a program did not start, in the order in which a user would look."""
    program = argv[0] if argv else ""
    if not program:
        return ProcessError("no program was named.", remedy="Give a command.")
    if not cwd.is_dir():
        return ProcessError(
            f"folder not found: {cwd}, in which '{program}' was to run.",
            code="process.folder_not_found",
            remedy="Create it, or correct the setting that names it.",
        )
    path = env.get("PATH", os.defpath)
    if isinstance(error, FileNotFoundError):
        file = cwd / program if "/" in program else Path(shutil.which(program, path=path) or "")
        if file.is_file():
            return ProcessError(
                f"'{program}' was not started: the interpreter in the first line of {file} does not exist.",
                remedy="Install the interpreter, or correct the first line.",
            )
        place = f"there is no file {file}" if "/" in program else f"it is in no folder of PATH ({path})"
        return ProcessError(
            f"program not found: '{program}': {place}.",
            code="process.program_not_found",
            remedy="Install it, or correct the command.",
        )
    if isinstance(error, PermissionError):
        return ProcessError(
            f"program not executable: '{program}'.",
            code="process.not_executable",
            remedy="Make it executable with `chmod +x`, or correct the command.",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOEXEC:
        return ProcessError(
            f"'{program}' was not started: it is neither a program for this machine nor a script with `#!`.",
            remedy="Start it through its interpreter, such as `sh`, or give it a first line.",
        )
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ProcessError(f"'{program}' was not started in {cwd}: {reason}.", remedy="Correct the command.")
