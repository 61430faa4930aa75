"""Work that lay in a workspace and nowhere else, and where it is kept now."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SafetyRef:
    """What was in an issue's workspace before something touched it.

    Attributes:
        name: the ref in the repository that only the host writes.
        repository: that repository.
        commit: its tree holds the files as they lay in the workspace; its first parent is the commit
            that was checked out, further ones are commits that no imported branch held.
        at: when it was saved.
        why: one sentence.
    """

    name: str
    repository: Path
    commit: str
    at: datetime
    why: str

    @property
    def branch(self) -> str:
        """The branch that `command` makes."""
        return "/".join(["saved", *self.name.split("/")[-2:]])

    @property
    def command(self) -> str:
        """The command that brings it into a person's own repository, as a branch."""
        return f"git fetch {shlex.quote(str(self.repository))} {self.name}:refs/heads/{self.branch}"
