"""The best that was seen of an issue's work while its checks still fail [CONTRACT 6.2]."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from symphony.core.text import counted, one_line

NAMES_SHOWN = 200  # characters of the names of checks


@dataclass(frozen=True, slots=True)
class Checked:
    """Work that some checks fail on.

    Attributes:
        commit: as the host has it.
        failing: the names of the checks that fail, never none.
        total: how many checks ran.
        attempt: the number of the attempt.
        committed: whether an agent made the commit, so that its own repository has it, too.
    """

    commit: str
    failing: tuple[str, ...]
    total: int
    attempt: int
    at: datetime
    committed: bool

    def __str__(self) -> str:
        """Say it in words that follow "commit"."""
        names = one_line(", ".join(self.failing), NAMES_SHOWN)
        fails = "fails" if len(self.failing) == 1 else "fail"
        return (
            f"{self.commit[:12]} of attempt {self.attempt}, on which {len(self.failing)} of "
            f"{counted(self.total, 'check')} {fails} ({names})"
        )


@dataclass(frozen=True, slots=True)
class BestState:
    """The work with the fewest failing checks, of equals the newest; it goes once the issue is delivered.

    Attributes:
        name: the ref in the repository that only the host writes.
        repository: that repository.
        best, last: the best of all that was checked, and the last.
    """

    name: str
    repository: Path
    best: Checked
    last: Checked

    @property
    def lost(self) -> bool:
        """Say whether the work has become worse since."""
        return self.best.commit != self.last.commit

    @property
    def branch(self) -> str:
        """The branch that `command` makes."""
        return "/".join(self.name.split("/")[-2:])

    @property
    def command(self) -> str:
        """The command that brings it into a person's own repository, as a branch."""
        return f"git fetch {shlex.quote(str(self.repository))} {self.name}:refs/heads/{self.branch}"

    @property
    def offer(self) -> str:
        """Say for people that there was something better."""
        return f"It was better once, at commit {self.best}; now it is {self.last}. `{self.command}` gets it"
