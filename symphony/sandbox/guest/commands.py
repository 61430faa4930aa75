"""The command lines with which a driver starts and ends programs in a guest.

Pure: a driver runs what is returned. The programs behind them are shell scripts of the kit.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from enum import Enum

from symphony.core.guest import GUEST_END, GUEST_LAUNCH

STDIN_VARIABLES = "-"
"""In place of a file of variables: they come first on the program's stdin, and then `GO`."""

GO = b"\n"
"""What lets a program go whose variables came by stdin, once `started` was read on its stderr."""

PROCESS_MARK = "SYMPHONY_PROCESS"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OF_THE_SHELL = frozenset(
    {"BASHOPTS", "BASH_VERSINFO", "EUID", "IFS", "LINENO", "OPTIND", "PPID", "SHELLOPTS", "UID"}
)  # a shell refuses to set these, or reads the rest of the file differently once they are set


class LaunchFailure(Enum):
    """Why a program was not started."""

    NOT_FOUND = 127
    """There is no such program, or the interpreter that it names is not there."""
    NOT_EXECUTABLE = 126
    """It is a folder, or it may not be executed."""
    NO_FOLDER = 125
    """The folder to start in is not there."""
    NO_VARIABLES = 124
    """The file of variables cannot be read, or their text was cut off."""


def launch_command(
    argv: Sequence[str], *, mark: str, folder: str, variables: str | None = None
) -> tuple[str, ...]:
    """Return the command that starts a program in a folder of the guest.

    Args:
        argv: the program, looked up in the PATH of the variables, and its arguments.
        mark: letters and digits that no other program has; `end_command` finds it by them.
        folder: where it starts.
        variables: a file of the guest with `variables_text`, removed if it can be; or
            `STDIN_VARIABLES`. Values never stand on this command line.
    """
    # marked before it is the program, so that it can be ended from its first moment on
    marked = ("/usr/bin/env", f"{PROCESS_MARK}={mark}")
    return (*marked, "/bin/sh", GUEST_LAUNCH, mark, folder, variables or "", *argv)


def end_command(mark: str, grace_s: int) -> tuple[str, ...]:
    """Return the command that ends every process with this mark: SIGTERM, then SIGKILL after the grace.

    It exits with 0 once none is left, else with 1 about 6 s after the grace at the latest.
    """
    return ("/bin/sh", GUEST_END, mark, str(grace_s))


def variables_text(environment: Mapping[str, str], mark: str) -> bytes:
    """Return the variables as `launch` reads them from a file or at the start of stdin.

    Names that no shell can set are left out.
    """
    lines = [
        f"export {name}={shlex.quote(value)}\n"
        for name, value in environment.items()
        if NAME.fullmatch(name) and name not in OF_THE_SHELL and "\0" not in value
    ]
    return "".join([*lines, f"#{mark}\n"]).encode("utf-8", "surrogateescape")


def launch_failure(mark: str, status: int | None, stderr: bytes) -> LaunchFailure | None:
    """Return why the program was not started; None when it ran, whatever its status says."""
    told = re.search(rb"^symphony-launch %b: (\d+)$" % re.escape(mark.encode()), stderr, re.MULTILINE)
    if told is None or status is None or int(told[1]) != status:
        return None
    return LaunchFailure(status) if status in {each.value for each in LaunchFailure} else None
