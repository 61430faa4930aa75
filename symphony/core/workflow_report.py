"""WORKFLOW.md as people look at it: each setting with its source, and what is wrong with the file.

No value in a report is a credential: those are replaced before it is made.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class SettingSource(StrEnum):
    """Where a setting's value comes from."""

    FILE = "file"
    DEFAULT = "default"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as it is in force.

    Attributes:
        key: as people write it, `smolvm.volumes[0].host`.
        value: as YAML has it; a text of several lines as it is.
        line: of the file; None where the file does not have the key.
        variable: the environment's name for it.
    """

    key: str
    value: str
    source: SettingSource
    line: int | None = None
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line of the file; `meant` if it is the one that a note is about."""

    number: int
    text: str
    meant: bool = False


@dataclass(frozen=True, slots=True)
class FileNote:
    """One thing to say about the file.

    Attributes:
        message: without the place.
        line: None when it is the file as a whole.
        lines: the line with its neighbours.
    """

    message: str
    line: int | None = None
    lines: tuple[FileLine, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowReport:
    """The workflow in force, and the file as it is now.

    Attributes:
        path: as the user named it.
        read_at: when the file's present content was read.
        problems: why that content is not in force; empty when it is.
        remedy: what to do about them; may be empty.
        warnings: of the content in force.
        prompt: the template in force.
        prompt_line: where it begins; None when it is the default prompt.
    """

    path: Path
    read_at: datetime
    settings: tuple[SettingRow, ...]
    prompt: str
    prompt_line: int | None
    problems: tuple[FileNote, ...] = ()
    remedy: str = ""
    warnings: tuple[FileNote, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """The first turn of an issue's next attempt, as it would be sent now.

    Attributes:
        text: empty when it cannot be rendered.
        number: of that attempt.
        branch: as the prompt has it.
        foreseen: whether there is no workspace yet, so that its base's name is a guess.
        problem: why it cannot be rendered.
    """

    issue_id: str
    number: int
    branch: str
    foreseen: bool
    text: str = ""
    problem: FileNote | None = None


class WorkflowReports(Protocol):
    """Whoever reads WORKFLOW.md and can tell of it."""

    async def report(self) -> WorkflowReport:
        """Return the workflow in force and the file as it is now."""
        ...

    async def note(self, said: str) -> FileNote:
        """Return a message about a place in the workflow in force as a note about that place."""
        ...


class WorkflowDesk(Protocol):
    """Questions about the workflow, for people."""

    async def report(self) -> WorkflowReport:
        """Return the workflow in force and the file as it is now."""
        ...

    async def rendered_prompt(self, issue_id: str) -> RenderedPrompt:
        """Render the prompt of the issue's next attempt, by the code that attempts use.

        Raises:
            SymphonyError: `issue_not_found`, also for an issue that cannot be read.
        """
        ...
