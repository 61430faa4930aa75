"""What a piece of work has passed before it was handed over [CONTRACT 6.2, 9.1]."""

from collections.abc import Sequence
from dataclasses import dataclass

from symphony.core.text import duration, one_line

NAME_SHOWN = 80
COMMAND_SHOWN = 200


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One check as it ran.

    Attributes:
        command: the shell command, as WORKFLOW.md had it.
        exit_status: None when it was killed at its timeout.
    """

    name: str
    command: str
    exit_status: int | None
    seconds: float

    def __str__(self) -> str:
        """Say it on one line."""
        ended = "killed at its timeout" if self.exit_status is None else f"exit status {self.exit_status}"
        name, command = one_line(self.name, NAME_SHOWN), one_line(self.command, COMMAND_SHOWN)
        return f"{name} ({command}): {ended} after {duration(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The checks that a tree has passed, all of them.

    Attributes:
        tree: the object id of the files that were checked, by the host's own count.
        merged: that of the files that passed the same checks on the merge train's head; empty without it.
    """

    tree: str
    checks: tuple[CheckRun, ...]
    merged: str = ""

    def covers(self, tree: str, checks: Sequence[tuple[str, str]]) -> bool:
        """Say whether it is for these files and these checks, as names and commands."""
        return self.tree == tree and tuple((run.name, run.command) for run in self.checks) == tuple(checks)
