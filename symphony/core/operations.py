"""What a person may ask of the running daemon, whichever surface they use."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from symphony.core.access import AccessDecision, AccessLedger
from symphony.core.access_answer import AccessAnswer
from symphony.core.best import BestState
from symphony.core.budget import CeilingChange, Spending
from symphony.core.budget_answer import BudgetAnswer
from symphony.core.effect import Audit
from symphony.core.explain import Explanation
from symphony.core.guard.ledger import GuardLedger
from symphony.core.issue import Issue, IssueDraft
from symphony.core.machine import MachineUsage
from symphony.core.permission import PermissionAnswer
from symphony.core.ports import AttemptRow
from symphony.core.receipt import Receipt
from symphony.core.snapshot import Picture, Snapshot
from symphony.core.steering import SteeringRequest
from symphony.core.train import Boarded


@dataclass(frozen=True, slots=True)
class IssueDetail:
    """All that `show` and the issue's page say of one issue.

    Attributes:
        issue: None when its file is gone or unreadable but something is remembered of it.
        standing: one sentence: what the scheduler does with it and why.
        run_log: the file, which may not exist yet.
        machine: of the attempt that lives; None without one.
        budget: what all its attempts have spent, and the ceilings in force.
        receipt: the checks that its latest handoff has passed; None without one.
        best: its work with the fewest failing checks; None when none fails, or it is not known.
        guard: what the guard rails found, and whether they hold its finished work.
        boarded: the place of its latest handoff on the merge train; None without one.
    """

    issue_id: str
    issue: Issue | None
    standing: str
    attempts: tuple[AttemptRow, ...]
    steering: tuple[SteeringRequest, ...]
    audit: tuple[Audit, ...]
    run_log: Path
    last_handoff: str
    failures: int
    paused: bool
    access: AccessLedger = AccessLedger()
    machine: MachineUsage | None = None
    budget: tuple[Spending, ...] = ()
    receipt: Receipt | None = None
    best: BestState | None = None
    guard: GuardLedger = GuardLedger()
    boarded: Boarded | None = None


class Operations(Protocol):
    """Commands and questions to the daemon.

    Raises:
        SymphonyError: `issue_not_found`; `nothing_to_restore`; `busy` when the mailbox stays full;
            `draining`; and for
            a command that does not fit the issue's standing `not_running`, `already_running`,
            `already_done`, `waiting_for_reply`, `no_open_question`, `already_answered`,
            `not_proposed`, `not_held`, `nothing_to_discard`, `no_ceiling`, `no_open_permission`,
            `several_permissions`, `not_delivered`, `nothing_to_reject`, `nothing_said`, `review_too_long`,
            `invalid_state`, `issue_gone`; the tracker's codes for create and move; for access `invalid_host`,
            `access_never`, `access_no_machine`, `access_full`, `workflow_not_editable`, and the
            machine's own.
    """

    def snapshot(self) -> Snapshot:
        """Return the latest snapshot."""
        ...

    def picture(self) -> Picture:
        """Return the latest snapshot with the issues, states and workflow behind it."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener, which must be quick, after each change; return what ends that."""
        ...

    async def detail(self, issue_id: str) -> IssueDetail:
        """Return all that is known of one issue."""
        ...

    async def explain(self, issue_id: str) -> Explanation:
        """Return where an issue stands, what happens next, and the last decisions on it."""
        ...

    async def issues(self) -> tuple[Issue, ...]:
        """Return every readable issue."""
        ...

    async def refresh(self) -> None:
        """Look at tracker and workflow now."""
        ...

    async def create(self, draft: IssueDraft) -> Issue:
        """Write a new issue."""
        ...

    async def reply(self, issue_id: str, text: str) -> None:
        """Answer the issue's open question."""
        ...

    async def permit(self, issue_id: str, request_id: str | None, answer: PermissionAnswer) -> None:
        """Answer a request for permission; None is the issue's only open one."""
        ...

    async def retry(self, issue_id: str) -> None:
        """Forget the issue's failures and make it eligible now."""
        ...

    async def cancel(self, issue_id: str) -> None:
        """End its attempt; it then rests until a retry or an edit."""
        ...

    async def pause(self, issue_id: str | None) -> None:
        """Start no new attempt on it (None: on any); a running one goes on."""
        ...

    async def resume(self, issue_id: str | None) -> None:
        """Lift a pause."""
        ...

    async def move(self, issue_id: str, to_state: str) -> Issue:
        """Move its file into another state."""
        ...

    async def approve(self, issue_id: str) -> Issue | None:
        """Move a proposed issue into the first active state, or let held work out.

        None is held work whose issue has no file any more.
        """
        ...

    async def discard(self, issue_id: str) -> None:
        """Delete its workspace with all undelivered work; without a workspace, its patch."""
        ...

    async def reject(self, issue_id: str, words: str, to_state: str | None) -> Issue:
        """Send its delivered work back with a reviewer's words and the comments in its patch."""
        ...

    async def restore(self, name: str) -> None:
        """End this run at once, and go on with the store that is prepared under this name."""
        ...

    async def decide_access(self, issue_id: str, host: str, decision: AccessDecision) -> AccessAnswer:
        """Let its guest reach a host, or keep it from it."""
        ...

    async def set_budget(self, issue_id: str, changes: tuple[CeilingChange, ...]) -> BudgetAnswer:
        """Give an issue ceilings of its own; what was out of budget alone goes on."""
        ...


class AgentDoor(Protocol):
    """The MCP endpoint as the listener sees it [CONTRACT 6.1]."""

    async def post(self, issue_id: str, authorization: str | None, body: bytes) -> "DoorReply":
        """Answer one POST; every refusal is a reply too."""
        ...


@dataclass(frozen=True, slots=True)
class DoorReply:
    """What goes back over HTTP; an empty body has no content type."""

    status: int
    body: bytes = b""
