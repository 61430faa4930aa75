"""What the world does to the engine: a closed set of steps.

A step that does not fit where the world stands does nothing.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Drop:
    """A person writes or replaces an issue's file; the watcher may miss it."""

    issue: str
    folder: str
    blocked_by: str | None
    noticed: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """A person changes the text of an issue's file."""

    issue: str
    noticed: bool


@dataclass(frozen=True, slots=True)
class MoveFile:
    """A person moves the file, behind the daemon's back."""

    issue: str
    folder: str
    noticed: bool


@dataclass(frozen=True, slots=True)
class Delete:
    """A person deletes the file."""

    issue: str
    noticed: bool


@dataclass(frozen=True, slots=True)
class EditWorkflow:
    """A person saves WORKFLOW.md, perhaps broken."""

    text: str
    noticed: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """A person answers the issue's open question."""

    issue: str


@dataclass(frozen=True, slots=True)
class Permit:
    """A person answers what the issue's agent wants to be allowed."""

    issue: str
    answer: str


@dataclass(frozen=True, slots=True)
class Command:
    """A person gives a command about an issue, or (None) about all."""

    name: str
    issue: str | None


@dataclass(frozen=True, slots=True)
class Break:
    """The next occasions of this kind fail."""

    fault: str
    times: int


@dataclass(frozen=True, slots=True)
class FillDisk:
    """The store cannot be written, or can again."""

    full: bool


@dataclass(frozen=True, slots=True)
class FillMemory:
    """Other programs leave the host so much memory."""

    free_mib: int


@dataclass(frozen=True, slots=True)
class FillVolume:
    """Other programs leave so much of the disk that attempts write to."""

    free_mib: int


@dataclass(frozen=True, slots=True)
class Budget:
    """A person gives an issue another ceiling of tokens."""

    issue: str
    tokens: str


@dataclass(frozen=True, slots=True)
class MoveTrain:
    """A person moves the merge train's branch."""

    how: str


@dataclass(frozen=True, slots=True)
class StopTrain:
    """The merge train stands still for the reason with this code, or (empty) can go on."""

    code: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """A person has the disk cleared of what is finished and old."""


@dataclass(frozen=True, slots=True)
class Look:
    """A person looks at an issue, and at all."""

    issue: str


@dataclass(frozen=True, slots=True)
class Pass:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wake:
    """It becomes the time of whatever is due next."""


@dataclass(frozen=True, slots=True)
class Kill:
    """The process dies after so many turns of the loop, at the time of what is due next if `wake`."""

    turns: int
    wake: bool


@dataclass(frozen=True, slots=True)
class Start:
    """The process is started, if it is down."""


@dataclass(frozen=True, slots=True)
class Drain:
    """The process is told to stop; it has to."""

    now: bool


Step: TypeAlias = (
    Drop
    | Edit
    | MoveFile
    | Delete
    | EditWorkflow
    | Reply
    | Permit
    | Command
    | Break
    | FillDisk
    | FillMemory
    | FillVolume
    | Budget
    | MoveTrain
    | StopTrain
    | Sweep
    | Look
    | Pass
    | Wake
    | Kill
    | Start
    | Drain
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A step, and how long the loop turns after it before the next one: until it is quiet, or less."""

    step: Step
    turns: int | None = None
