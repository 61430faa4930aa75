"""The plan that a seed makes of steps.

It depends on the seed alone, never on what the engine did, so that any part of it can be replayed.
"""

from random import Random

from tests.simulation.steps import (
    Break,
    Budget,
    Command,
    Delete,
    Drain,
    Drop,
    Edit,
    EditWorkflow,
    FillDisk,
    FillMemory,
    FillVolume,
    Kill,
    Look,
    MoveFile,
    MoveTrain,
    Pass,
    Permit,
    Planned,
    Reply,
    Start,
    Step,
    StopTrain,
    Sweep,
    Wake,
)
from tests.simulation.train import BASE_CONFLICT, CHECKED_OUT
from tests.simulation.workflows import BROKEN, VALID

IDS = ("1", "2", "3", "4")
FOLDERS = ("Todo", "In Progress", "Backlog", "Done", "Cancelled")
FAULTS = (
    "prepare", "save", "import", "hand_off", "remove", "sandbox", "door", "session", "scan", "move", "moved",
    "after_create", "before_run", "after_run", "before_remove", "check", "slow_check",
    "pause", "resume", "pipe", "usage", "notify", "push", "forge", "opened",
    "merge", "board", "boarded", "merged_check", "merged_check", "merged_check",
)  # fmt: skip
LONGEST_TROUBLE = 8  # steps
DELAYS = {0.0: 6, 0.5: 8, 1.0: 8, 2.5: 8, 10.0: 8, 31.0: 8, 61.0: 8, 301.0: 4, 3700.0: 1}
COMMANDS = (
    "retry", "retry", "cancel", "pause", "resume", "resume", "move", "discard",
    "create", "approve", "refresh", "reject", "reject",
)  # fmt: skip
TOKENS = ("+400", "400", "800", "3000", "default")
VOLUMES = (64, 100_000, 100_000)  # MiB that are left of the disk
FREE = (64, 16_384, 16_384, 6_144, 3_072)  # MiB of the host's memory


def plan(seed: int, count: int) -> list[Planned]:
    """Return the steps of a seed; a longer plan begins with the shorter one."""
    random = Random(f"plan {seed}")
    begin = [Planned(Start()), Planned(Drop("1", "Todo", None, noticed=True))]
    reliefs: dict[int, Step] = {}
    while len(begin) < count:
        step = reliefs.pop(len(begin), None) or _step(random)
        if (relief := _relief_of(step)) is not None:
            reliefs[len(begin) + random.randrange(1, LONGEST_TROUBLE)] = relief
        hurried = random.random() < 0.25 and not isinstance(step, Kill | Drain)
        begin.append(Planned(step, random.randrange(1, 40) if hurried else None))
        if isinstance(step, Kill | Drain) and random.random() < 0.8:
            begin.append(Planned(Start(), random.randrange(1, 60) if random.random() < 0.3 else None))
    return begin[:count]


def _relief_of(step: Step) -> Step | None:
    """Return what ends a trouble in which nothing moves, so that not all of a plan passes in it."""
    match step:
        case FillDisk(full=True):
            return FillDisk(False)
        case FillVolume(free_mib) if free_mib == min(VOLUMES):
            return FillVolume(max(VOLUMES))
        case FillMemory(free_mib) if free_mib == min(FREE):
            return FillMemory(max(FREE))
        case EditWorkflow(text) if text in BROKEN:
            return EditWorkflow(VALID[0], noticed=True)
        case StopTrain(code) if code:
            return StopTrain("")
        case Command("pause", None):
            return Command("resume", None)
        case _:
            return None


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
        case "move train":
            return MoveTrain(random.choice(("reset", "back", "delete", "commit", "clash", "clash")))
        case "stop train":
            return StopTrain(random.choice((BASE_CONFLICT, CHECKED_OUT, "")))
        case "sweep":
            return Sweep()
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
    "move train": 4,
    "stop train": 3,
    "sweep": 3,
    "look": 2,
    "pass": 14,
    "wake": 14,
    "kill": 6,
    "start": 8,
    "drain": 2,
}
