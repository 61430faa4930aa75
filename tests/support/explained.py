"""Holds an explanation to what every one promises, in whatever state the scheduler is."""

from datetime import UTC, datetime

from symphony.core.explain import Explanation, explain
from symphony.core.picture import render_snapshot
from symphony.core.scheduler import SchedulerState
from symphony.core.snapshot import RunningView, Snapshot
from symphony.core.usage import Usage

GIVEN_UP = frozenset({"retrying", "continuing"})  # by the next decision, for an issue that is not active


def check_explained(
    state: SchedulerState, issue_id: str, now: datetime, snapshot: Snapshot | None = None
) -> Explanation:
    """Fail unless the issue is explained in whole sentences, with the snapshot's own code."""
    said = explain(state, issue_id, now)
    sentences = (said.where, *(step.sentence(now) for step in said.next))
    for sentence in sentences:
        assert sentence[0].isupper() or sentence.startswith("symphony"), sentence
        assert sentence.endswith("."), sentence
        assert not sentence.endswith(".."), sentence
        assert "None" not in sentence, sentence
    assert said.next, f"{said.code} says not what happens next"
    for step in said.next:
        assert step.at is None or step.at.tzinfo is UTC, step
    shown, issue = (
        code_in(snapshot or render_snapshot(state, now, Usage()), issue_id),
        state.issues.get(issue_id),
    )
    if shown is None or issue is None:
        return said
    if shown in GIVEN_UP and not state.states.is_active(issue.state):
        return said
    assert said.code == shown, f"the snapshot says {shown}: {said.where}"
    return said


def code_in(snapshot: Snapshot, issue_id: str) -> str | None:
    """Return the code by which the snapshot lists the issue; None where it does not."""
    for view in snapshot.running:
        if view.issue_id == issue_id:
            return code_of_running(view)
    for kept in snapshot.retrying:
        if kept.issue_id == issue_id and kept.kind == "handoff":
            return "undelivered"
    for blocked in snapshot.blocked:
        if blocked.issue_id == issue_id:
            return blocked.code
    for waits in snapshot.waiting:
        if waits.issue_id == issue_id and waits.steering.open:
            return "waiting_for_reply"
    for kept in snapshot.retrying:
        if kept.issue_id == issue_id and kept.kind == "continuation":
            return "continuing"
        if kept.issue_id == issue_id and kept.due_at > snapshot.generated_at:  # else it is like any other
            return "retrying"
    return None


def code_of_running(view: RunningView) -> str:
    """Return the code of an attempt that the snapshot lists as running."""
    if view.stopping is not None:
        return "stopping"
    if not view.permissions:
        return "running"
    return "asks_permission" if view.permissions[0].open else "permission_pending"
