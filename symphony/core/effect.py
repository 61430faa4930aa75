"""What `decide` wants done: the closed set of effects that the engine performs."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from symphony.core.budget import Ceilings
from symphony.core.guard.finding import Finding
from symphony.core.handoff import Completion
from symphony.core.issue import Issue
from symphony.core.outcome import StopReason
from symphony.core.permission import PermissionAnswer
from symphony.core.steering import SteeringRequest
from symphony.core.workflow import Workflow


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Begin an attempt with the workflow as it is at this moment.

    Attributes:
        number: 1 for the first on this issue ever.
        allowed_hosts: what a person has opened for the issue beside the settings.
        findings: what the guard rails found in earlier attempts.
    """

    issue: Issue
    attempt_id: str
    number: int
    workflow: Workflow
    allowed_hosts: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class StartDelivery:
    """Finish the handoff of an accepted completion, without an agent.

    Attributes:
        released: names held work that a person lets out; empty for none.
        findings: what the guard rails found on the issue.
    """

    completion: Completion
    attempt_id: str
    number: int
    workflow: Workflow
    released: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """End an attempt; it answers with AttemptEnded."""

    issue_id: str
    attempt_id: str
    reason: StopReason


@dataclass(frozen=True, slots=True)
class ResumeAttempt:
    """Give a waiting attempt its reply; it holds a slot again."""

    issue_id: str
    attempt_id: str
    steering: SteeringRequest


@dataclass(frozen=True, slots=True)
class AnswerPermission:
    """Give a running attempt a person's answer to a request for permission; it holds a slot again."""

    issue_id: str
    attempt_id: str
    request_id: str
    answer: PermissionAnswer


@dataclass(frozen=True, slots=True)
class UpdateIssue:
    """Tell a running attempt that its issue was edited or moved within active states."""

    issue: Issue
    attempt_id: str


@dataclass(frozen=True, slots=True)
class SetCeilings:
    """Tell a running attempt which ceilings a person gave its issue."""

    attempt_id: str
    own: Ceilings


@dataclass(frozen=True, slots=True)
class OpenAccess:
    """Let a running attempt's machine reach a host; it answers with AccessFailed when it cannot."""

    issue_id: str
    attempt_id: str
    host: str


@dataclass(frozen=True, slots=True)
class CloseAccess:
    """Cut a running attempt's machine off from a host; it answers with AccessFailed when it cannot."""

    issue_id: str
    attempt_id: str
    host: str


Effect: TypeAlias = (
    StartAttempt
    | StartDelivery
    | StopAttempt
    | ResumeAttempt
    | AnswerPermission
    | UpdateIssue
    | SetCeilings
    | OpenAccess
    | CloseAccess
)


@dataclass(frozen=True, slots=True)
class Audit:
    """One decision with its reason, for the audit [CONTRACT 4]."""

    at: datetime
    issue_id: str | None
    decision: str
    reason: str
