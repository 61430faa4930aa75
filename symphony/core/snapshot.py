"""What every surface shows: one frozen picture of the scheduler, published after each decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from symphony.core.access_view import AccessView
from symphony.core.guard.finding import Finding
from symphony.core.issue import IssueSet
from symphony.core.machine import MachineUsage
from symphony.core.permission import PermissionRequest
from symphony.core.problem import Problem
from symphony.core.states import StateTable
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.core.workflow import Workflow


@dataclass(frozen=True, slots=True)
class RunningView:
    """One attempt that is under way.

    Attributes:
        machine: None where it has none, or none yet.
        permissions: what its agent waits for, oldest first.
        findings: how much the guard rails have found on its issue.
    """

    issue_id: str
    identifier: str
    title: str
    state: str
    attempt_id: str
    number: int
    adapter: str
    phase: str
    turn: int
    max_turns: int
    started_at: datetime
    last_event_at: datetime
    last_event: str
    usage: Usage
    stopping: str | None = None
    machine: MachineUsage | None = None
    permissions: tuple[PermissionRequest, ...] = ()
    findings: int = 0


@dataclass(frozen=True, slots=True)
class RetryingView:
    """One issue that waits for its next attempt."""

    issue_id: str
    identifier: str
    kind: str
    due_at: datetime
    failures: int
    reason: str


@dataclass(frozen=True, slots=True)
class WaitingView:
    """One issue that needs a person's answer.

    Attributes:
        machine: the one that its session lives in; None without one.
    """

    issue_id: str
    identifier: str
    title: str
    steering: SteeringRequest
    reason: str
    machine: MachineUsage | None = None


@dataclass(frozen=True, slots=True)
class HeldView:
    """Finished work that waits for a person because there are secrets in it."""

    issue_id: str
    identifier: str
    title: str
    reason: str
    since: datetime
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class BlockedView:
    """One active issue that is not eligible, with the reason in the scheduler's words.

    Attributes:
        since: when it was parked; None for any other reason.
    """

    issue_id: str
    identifier: str
    title: str
    state: str
    code: str
    reason: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole picture.

    Attributes:
        counts: `running, retrying, waiting, blocked, failed, undelivered, eligible, access, permissions,
            held` and one `state:<name>` per state folder.
        status: one word: `working`, `attention`, `idle` or `draining`.
        status_reason: the word explained.
        rate_limits: adapter to the time until which it rests.
        blocked: active issues that do not run, those that need a person first.
        access: hosts that guests were refused and a person has to decide about; at most
            `ACCESS_SHOWN`.
        held: finished work that a person has to let out or give up.
        sandbox: the kind in force, which the command line may have chosen.
    """

    generated_at: datetime
    status: str = "idle"
    status_reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    running: tuple[RunningView, ...] = ()
    retrying: tuple[RetryingView, ...] = ()
    waiting: tuple[WaitingView, ...] = ()
    blocked: tuple[BlockedView, ...] = ()
    problems: tuple[Problem, ...] = ()
    access: tuple[AccessView, ...] = ()
    held: tuple[HeldView, ...] = ()
    totals: Usage = Usage()
    rate_limits: Mapping[str, datetime] = field(default_factory=dict)
    paused: bool = False
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """The snapshot with what it was made from, for surfaces that show every issue.

    Attributes:
        workflow: the one in force.
    """

    snapshot: Snapshot
    issues: IssueSet
    states: StateTable
    workflow: Workflow
