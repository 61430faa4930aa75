"""What the scheduler is doing with an issue: a closed set; no claim means it is free."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from symphony.core.access import AccessLedger
from symphony.core.budget import Ceilings
from symphony.core.guard.ledger import GuardLedger
from symphony.core.handoff import Completion
from symphony.core.machine import MachineUsage
from symphony.core.outcome import StopReason
from symphony.core.permission import PermissionRequest
from symphony.core.steering import SteeringRequest
from symphony.core.transition import Passage
from symphony.core.usage import Usage


class Phase(StrEnum):
    """Where an attempt is, in order."""

    WORKSPACE = "preparing the workspace"
    BEFORE_RUN = "running before_run"
    SANDBOX = "starting the sandbox"
    SESSION = "opening the session"
    TURN = "in a turn"
    IMPORT = "importing the branch"
    CHECKS = "running checks"
    TRAIN = "boarding the merge train"
    HANDOFF = "handing over"
    CLEANUP = "cleaning up"


@dataclass(frozen=True, slots=True)
class Running:
    """An attempt is under way, and holds a slot unless it waits for a person's permission.

    Attributes:
        number: 1 for the first attempt on the issue ever.
        last_event_at: when anything was last heard from it.
        stopping: set once it has been told to end.
        steering: a question asked in the turn that is still running, with the reply if it came.
        missing_since: when the issue's file was first seen to be gone.
        revision: the issue text that the attempt was last told.
        machine: what its machine was last seen to do; None without one.
        permissions: what its agent asked and has no answer to yet, oldest first.
        repeats: the code of the failure after which it tries a handoff again; empty for others.
    """

    attempt_id: str
    number: int
    adapter: str
    state: str
    max_turns: int
    started_at: datetime
    last_event_at: datetime
    phase: Phase = Phase.WORKSPACE
    turn: int = 0
    last_event: str = ""
    usage: Usage = Usage()
    stopping: StopReason | None = None
    steering: SteeringRequest | None = None
    missing_since: datetime | None = None
    revision: str = ""
    stall_timeout_ms: int = 0
    delivering: bool = False
    machine: MachineUsage | None = None
    permissions: tuple[PermissionRequest, ...] = ()
    repeats: str = ""

    @property
    def holds_slot(self) -> bool:
        """Say whether it counts against the slots [CONTRACT 4.3]."""
        return not self.permissions


@dataclass(frozen=True, slots=True)
class Waiting:
    """A person has to answer; no slot is held.

    Attributes:
        attempt: the attempt that keeps its session for the reply; None when it was released
            or ended with the daemon.
    """

    steering: SteeringRequest
    attempt: Running | None = None


@dataclass(frozen=True, slots=True)
class Retrying:
    """A failed attempt or handoff is repeated at `due_at`; no slot is held.

    Attributes:
        steering: a question that is open while a handoff is repeated.
        code: the failure's, of a handoff that is repeated; empty for others.
    """

    due_at: datetime
    reason: str
    steering: SteeringRequest | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Continuing:
    """A clean exit is followed by a fresh attempt at `due_at`; the slot is kept."""

    due_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Parked:
    """Nothing more happens until a person retries the issue or edits its file.

    Attributes:
        reasons: the last failures, oldest first, or the person's own words.
        revision: the text it was parked with; another one frees it.
        by_person: parked by `cancel`, not by failures.
        steering: a question that was open, or not yet used, when it was parked.
    """

    at: datetime
    reasons: tuple[str, ...]
    revision: str
    by_person: bool = False
    steering: SteeringRequest | None = None


Claim: TypeAlias = Running | Waiting | Retrying | Continuing | Parked


@dataclass(frozen=True, slots=True)
class IssueRecord:
    """All that the scheduler remembers of one issue.

    Attributes:
        failures: failed or fruitless attempts in a row.
        failure_reasons: their reasons, oldest first, at most `max_failures`; without a failure, the checks
            that the last attempt ended with.
        attempts: how many were ever started.
        usage: over all ended attempts.
        completion: an accepted `mark_done` or `transition` that is not carried out.
        last_handoff: one sentence about the latest handoff; empty before it.
        access: hosts that the guest was refused, and what a person decided about them.
        budget: ceilings that a person gave the issue; they count before WORKFLOW.md's.
        passage: how agents have passed it on from state to state.
        guard: what the guard rails found, and whether they hold its finished work.
    """

    issue_id: str
    claim: Claim | None = None
    failures: int = 0
    failure_reasons: tuple[str, ...] = ()
    paused: bool = False
    attempts: int = 0
    usage: Usage = field(default_factory=Usage)
    completion: Completion | None = None
    last_handoff: str = ""
    access: AccessLedger = AccessLedger()
    budget: Ceilings = Ceilings()
    passage: Passage = Passage()
    guard: GuardLedger = GuardLedger()

    @property
    def spent(self) -> Usage:
        """What all attempts have cost, the one that lives included."""
        match self.claim:
            case Running(usage=usage) | Waiting(attempt=Running(usage=usage)):
                return self.usage.plus(usage)
            case _:
                return self.usage
