"""What the world does to the engine: a closed set of steps, and the plan that a seed makes of them.

A plan depends on the seed alone, never on what the engine did, so that any part of it can be replayed.
A step that does not fit where the world stands does nothing.
"""

from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from tests.simulation.workflows import BROKEN, VALID

IDS = ("1", "2", "3", "4")
FOLDERS = ("Todo", "In Progress", "Backlog", "Done", "Cancelled")
FAULTS = (
    "prepare", "save", "import", "hand_off", "remove", "sandbox", "door", "session", "scan", "move",
    "after_create", "before_run", "after_run", "before_remove", "check",
    "pause", "resume", "pipe", "usage", "notify",
)  # fmt: skip
DELAYS = {0.0: 6, 0.5: 8, 1.0: 8, 2.5: 8, 10.0: 8, 31.0: 8, 61.0: 8, 301.0: 4, 3700.0: 1}
COMMANDS = (
    "retry", "retry", "cancel", "pause", "resume", "resume", "move", "discard",
    "create", "approve", "refresh",
)  # fmt: skip
TOKENS = ("+400", "400", "800", "3000", "default")
VOLUMES = (64, 100_000, 100_000)  # MiB that are left of the disk
FREE = (64, 16_384, 16_384, 6_144, 3_072)  # MiB of the host's memory


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


def plan(seed: int, count: int) -> list[Planned]:
    """Return the steps of a seed; a longer plan begins with the shorter one."""
    random = Random(f"plan {seed}")
    begin = [Planned(Start()), Planned(Drop("1", "Todo", None, noticed=True))]
    while len(begin) < count:
        step = _step(random)
        hurried = random.random() < 0.25 and not isinstance(step, Kill | Drain)
        begin.append(Planned(step, random.randrange(1, 40) if hurried else None))
        if isinstance(step, Kill | Drain) and random.random() < 0.8:
            begin.append(Planned(Start(), random.randrange(1, 60) if random.random() < 0.3 else None))
    return begin[:count]


def _step(random: Random) -> Step:
    kind = random.choices(tuple(CHANCES), tuple(CHANCES.values()))[0]
    issue, noticed = random.choice(IDS), random.random() < 0.8
    match kind:
        case "drop":
            folder = random.choices(FOLDERS, (6, 3, 1, 1, 1))[0]
            blocker = random.choice(IDS) if random.random() < 0.15 else None
            return Drop(issue, folder, blocker, noticed)
        case "edit":
            return Edit(issue, noticed)
        case "move":
            return MoveFile(issue, random.choices(FOLDERS, (5, 3, 2, 2, 2))[0], noticed)
        case "delete":
            return Delete(issue, noticed)
        case "workflow":
            texts = VALID if random.random() < 0.75 else BROKEN
            return EditWorkflow(random.choice(texts), noticed)
        case "reply":
            return Reply(issue)
        case "permit":
            return Permit(issue, random.choice(("once", "always", "deny")))
        case "command":
            name = random.choice(COMMANDS)
            whole = name in {"pause", "resume"} and random.random() < 0.4
            return Command(name, None if whole else issue)
        case "break":
            return Break(random.choice(FAULTS), random.choice((1, 1, 1, 2, 5)))
        case "disk":
            return FillDisk(random.random() < 0.4)
        case "memory":
            return FillMemory(random.choice(FREE))
        case "volume":
            return FillVolume(random.choice(VOLUMES))
        case "budget":
            return Budget(issue, random.choice(TOKENS))
        case "look":
            return Look(issue)
        case "pass":
            return Pass(random.choices(tuple(DELAYS), tuple(DELAYS.values()))[0])
        case "wake":
            return Wake()
        case "kill":
            return Kill(
                random.choice((0, random.randrange(40), random.randrange(200))), random.random() < 0.5
            )
        case "start":
            return Start()
        case _:
            return Drain(random.random() < 0.5)


CHANCES = {
    "drop": 12,
    "edit": 4,
    "move": 5,
    "delete": 2,
    "workflow": 5,
    "reply": 11,
    "permit": 3,
    "command": 9,
    "break": 8,
    "disk": 3,
    "memory": 2,
    "volume": 2,
    "budget": 2,
    "look": 2,
    "pass": 14,
    "wake": 14,
    "kill": 6,
    "start": 4,
    "drain": 2,
}
