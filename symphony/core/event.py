"""What the orchestrator can be told: the closed set of events that `decide` answers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from symphony.core.access import AccessDecision, AccessTries
from symphony.core.admission import HostMemory
from symphony.core.budget import CeilingChange
from symphony.core.claim import Phase
from symphony.core.disk import HostDisk
from symphony.core.guard.finding import Finding
from symphony.core.handoff import Completion
from symphony.core.issue import IssueSet
from symphony.core.machine import MachineUsage
from symphony.core.outcome import Outcome
from symphony.core.permission import PermissionAnswer, PermissionRequest
from symphony.core.problem import Problem
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.core.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed: the poll interval, or something that was due.

    Attributes:
        slept: for how long nothing here could run, as in a machine that was suspended.
    """

    slept: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class TrackerChanged:
    """The tracker was read."""

    issues: IssueSet


@dataclass(frozen=True, slots=True)
class WorkflowChanged:
    """WORKFLOW.md was read.

    Attributes:
        workflow: the new one; None keeps the last known good one.
        problems: why it could not be used; empty when it could.
    """

    workflow: Workflow | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptProgressed:
    """An attempt moved on, or was heard from."""

    issue_id: str
    attempt_id: str
    phase: Phase
    turn: int
    last_event: str
    usage: Usage
    at: datetime


@dataclass(frozen=True, slots=True)
class SteeringAsked:
    """An agent asked a person; the question is in the store already."""

    steering: SteeringRequest


@dataclass(frozen=True, slots=True)
class CompletionAccepted:
    """An agent's `mark_done` or `transition` is in the store."""

    completion: Completion


@dataclass(frozen=True, slots=True)
class CompletionWithdrawn:
    """What an agent had said counts no more; mostly checks failed after it, and the agent goes on."""

    issue_id: str
    attempt_id: str
    why: str = "checks failed after mark_done"


@dataclass(frozen=True, slots=True)
class AttemptWaits:
    """The turn in which an agent asked has ended; the attempt waits for the reply."""

    issue_id: str
    attempt_id: str


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt is over and holds nothing any more."""

    issue_id: str
    attempt_id: str
    outcome: Outcome
    usage: Usage


@dataclass(frozen=True, slots=True)
class ReplyGiven:
    """A person answered; the reply is in the store already."""

    steering: SteeringRequest


@dataclass(frozen=True, slots=True)
class ReplyUsed:
    """The turn that carried these replies has ended; the store says so already."""

    issue_id: str
    attempt_id: str
    steering_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PermissionAsked:
    """An agent wants a person's permission in its running turn, which waits for it."""

    request: PermissionRequest


@dataclass(frozen=True, slots=True)
class PermissionGiven:
    """A person answered a request for permission, or nobody did for too long.

    Attributes:
        request_id: None is the issue's only open one.
    """

    issue_id: str
    request_id: str | None
    answer: PermissionAnswer


@dataclass(frozen=True, slots=True)
class PermissionClosed:
    """A request for permission is over: answered, or its turn does not want it any more."""

    issue_id: str
    attempt_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class FindingMade:
    """The guard rails found something in a running attempt.

    Attributes:
        refused: the agent had asked for it, and was refused it.
    """

    issue_id: str
    attempt_id: str
    finding: Finding
    refused: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseAsked:
    """A person lets finished work out that is held because of secrets in it."""

    issue_id: str


@dataclass(frozen=True, slots=True)
class WorkRejected:
    """A reviewer has sent delivered work back; the words are stored."""

    review: SteeringRequest


@dataclass(frozen=True, slots=True)
class RetryAsked:
    """A person wants the issue tried again now."""

    issue_id: str


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A person wants the attempt ended and the issue left alone until a retry."""

    issue_id: str


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """A person wants no new attempt, on one issue or (None) on any."""

    issue_id: str | None


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """A person lifts a pause."""

    issue_id: str | None


@dataclass(frozen=True, slots=True)
class BudgetAsked:
    """A person gives an issue other ceilings."""

    issue_id: str
    changes: tuple[CeilingChange, ...]


@dataclass(frozen=True, slots=True)
class AccessRefused:
    """A running attempt's guest tried hosts that are closed to it."""

    issue_id: str
    attempt_id: str
    tries: AccessTries


@dataclass(frozen=True, slots=True)
class AccessDecided:
    """A person decided about a host, which `parse_host` has checked.

    Attributes:
        decision: for WORKFLOW the file is written by whoever sends this.
    """

    issue_id: str
    host: str
    decision: AccessDecision


@dataclass(frozen=True, slots=True)
class AccessFailed:
    """A machine could not carry out the latest decision about a host.

    Attributes:
        opening: whether it was to open the host.
        code, reason: of the machine's error.
    """

    issue_id: str
    attempt_id: str
    host: str
    opening: bool
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class MachineSeen:
    """The machine of an attempt was looked at.

    Attributes:
        machine: None once it is gone.
    """

    issue_id: str
    attempt_id: str
    machine: MachineUsage | None


@dataclass(frozen=True, slots=True)
class HostSeen:
    """The host's memory and disks were looked at.

    Attributes:
        memory: None where it cannot be told or is not needed, and then nothing waits for it.
        disk: the same.
    """

    memory: HostMemory | None
    disk: HostDisk | None = None


@dataclass(frozen=True, slots=True)
class DrainAsked:
    """The daemon stops: first no new attempt, then (`now`) no attempt at all."""

    now: bool = False


Event: TypeAlias = (
    Ticked
    | TrackerChanged
    | WorkflowChanged
    | AttemptProgressed
    | SteeringAsked
    | CompletionAccepted
    | CompletionWithdrawn
    | AttemptWaits
    | AttemptEnded
    | ReplyGiven
    | ReplyUsed
    | PermissionAsked
    | PermissionGiven
    | PermissionClosed
    | FindingMade
    | ReleaseAsked
    | WorkRejected
    | RetryAsked
    | CancelAsked
    | PauseAsked
    | ResumeAsked
    | BudgetAsked
    | AccessRefused
    | AccessDecided
    | AccessFailed
    | MachineSeen
    | HostSeen
    | DrainAsked
)
