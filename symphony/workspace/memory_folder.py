"""What `memory` keeps of one workspace, and of each hook that it was asked to run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from symphony.core.ports import Workspace


@dataclass(slots=True)
class MemoryFolder:
    """What is in one workspace.

    Attributes:
        files: the work tree.
        head: the branch's commit, as the agent left it.
    """

    workspace: Workspace
    files: dict[str, bytes]
    head: str


@dataclass(slots=True)
class HookRun:
    """One hook that was run, with what it was given."""

    name: str
    script: str
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
