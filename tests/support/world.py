"""Builders for scheduler states in a few words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from symphony.core.claim import Claim, IssueRecord, Phase, Running, Waiting
from symphony.core.decide import Decision, decide
from symphony.core.event import Event
from symphony.core.issue import Issue, IssueSet
from symphony.core.scheduler import SchedulerState
from symphony.core.settings import Settings
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.core.workflow import Workflow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """Return the time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def make_issue(issue_id: str, state: str = "Todo", **fields: Any) -> Issue:
    """Return an issue; whatever is not named is at its default."""
    path = Path("/issues") / state / f"{issue_id}.md"
    return Issue(
        id=issue_id, identifier=issue_id, title=f"Issue {issue_id}", state=state, path=path, **fields
    )


def make_set(*issues: Issue, **fields: Any) -> IssueSet:
    """Return an issue set of these."""
    return IssueSet({issue.id: issue for issue in issues}, **fields)


def make_workflow(**sections: Any) -> Workflow:
    """Return a workflow with these settings sections, as YAML would give them."""
    settings = Settings.model_validate({"sandbox": "local", "acp": {"adapter": "demo"}, **sections})
    return Workflow(Path("/project/WORKFLOW.md"), settings)


def make_state(*issues: Issue, records: tuple[IssueRecord, ...] = (), **sections: Any) -> SchedulerState:
    """Return a scheduler state with these issues, records and settings."""
    state = SchedulerState.of(make_workflow(**sections)).with_issues(make_set(*issues))
    return replace(state, records={record.issue_id: record for record in records})


def make_running(issue_id: str, **fields: Any) -> Running:
    """Return an attempt in its first turn that began at noon."""
    known = {
        "attempt_id": f"{issue_id}.1",
        "number": 1,
        "adapter": "demo",
        "state": "Todo",
        "max_turns": 20,
        "started_at": NOON,
        "last_event_at": NOON,
        "phase": Phase.TURN,
        "turn": 1,
        "stall_timeout_ms": 300_000,
    }
    return Running(**{**known, **fields})


def make_record(issue_id: str, claim: Claim | None = None, **fields: Any) -> IssueRecord:
    """Return a record; an issue that runs has had one attempt."""
    attempts = fields.pop("attempts", 1 if isinstance(claim, Running | Waiting) else 0)
    return IssueRecord(issue_id, claim, attempts=attempts, **fields)


def make_steering(issue_id: str, reply: str | None = None, **fields: Any) -> SteeringRequest:
    """Return a question of the issue's first attempt, answered if a reply is given."""
    replied_at = after(5) if reply is not None else None
    known = {
        "id": f"{issue_id}.1.q1",
        "attempt_id": f"{issue_id}.1",
        "question": "Which colour?",
        "context": "",
    }
    return SteeringRequest(
        **{**known, **fields}, issue_id=issue_id, asked_at=NOON, reply=reply, replied_at=replied_at
    )


def after_events(state: SchedulerState, *events: Event, at: float = 0) -> Decision:
    """Return the last decision of these events, all at the same time."""
    decision = None
    for event in events:
        decision = decide(state, event, after(at))
        state = decision.state
    assert decision is not None
    return decision


SPENT = Usage(input_tokens=10, output_tokens=5, seconds=1.0)
