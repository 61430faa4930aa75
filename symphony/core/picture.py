"""The snapshot that surfaces show, made from the scheduler's state."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from symphony.core.access_view import ACCESS_SHOWN, access_views
from symphony.core.admission import Room
from symphony.core.claim import Continuing, IssueRecord, Parked, Retrying, Running, Waiting
from symphony.core.eligibility import Reason, why_answer_waits, why_not_running
from symphony.core.guard.ledger import held_reason
from symphony.core.issue import Issue
from symphony.core.problem import Problem
from symphony.core.scheduler import SchedulerState
from symphony.core.slots import Slots
from symphony.core.snapshot import BlockedView, HeldView, RetryingView, RunningView, Snapshot, WaitingView
from symphony.core.standing import sentence_of, standing_of
from symphony.core.text import counted
from symphony.core.train_stop import train_problem
from symphony.core.usage import Usage

KIND_OWED = {"mark_done": "handoff", "transition": "transition"}
NOT_BLOCKED = frozenset(
    {
        "running",
        "stopping",
        "retrying",
        "continuing",
        "waiting_for_reply",
        "reply_pending",
        "asks_permission",
        "permission_pending",
    }
)


def render_snapshot(state: SchedulerState, now: datetime, totals: Usage) -> Snapshot:
    """Return what every surface shows of this state at this moment.

    `totals` is the usage of all attempts that have ended, over all runs.
    """
    slots = Slots.of(state.workflow.settings, state.records.values())
    room = state.room
    running = tuple(_running(state))
    waiting = tuple(_waiting(state, slots, room))
    retrying = tuple(_retrying(state))
    reasons = [(issue, why_not_running(state, issue, slots, now, room)) for issue in state.candidates]
    blocked = tuple(_blocked(state, reasons))
    access = tuple(access_views(state))
    held = tuple(_held(state))
    counts = Counter(
        running=len(running),
        retrying=len(retrying),
        waiting=len(waiting),
        blocked=len(blocked),
        failed=sum(1 for view in blocked if view.code in {"failed", "passed_around"}),
        undelivered=sum(1 for record in state.records.values() if record.completion is not None),
        eligible=sum(1 for _, reason in reasons if reason is None),
        access=len(access),
        held=len(held),
        permissions=sum(request.open for view in running for request in view.permissions),
    )
    counts.update({f"state:{name}": number for name, number in state.in_state.items()})
    problems = problems_of(state)
    status, reason = _status(state, counts, problems)
    for view in running:
        totals = totals.plus(view.usage)
    return Snapshot(
        generated_at=now,
        status=status,
        status_reason=reason,
        counts=dict(counts),
        running=running,
        retrying=retrying,
        waiting=waiting,
        blocked=tuple(sorted(blocked, key=_needs_nobody)),
        problems=problems,
        access=access[:ACCESS_SHOWN],
        held=held,
        totals=totals,
        rate_limits={name: until for name, until in state.adapter_pauses.items() if until > now},
        paused=state.paused,
        sandbox=state.workflow.settings.sandbox,
    )


def problems_of(state: SchedulerState) -> tuple[Problem, ...]:
    """Return every standing problem: workflow first, then files."""
    warnings = (_warning(state, warning) for warning in state.workflow.warnings)
    standing = filter(None, (state.disk_room.problem, train_problem(state)))
    return (*state.workflow_problems, *standing, *warnings, *state.issues.problems)


def _warning(state: SchedulerState, warning: str) -> Problem:
    """Return a warning, whose own words may begin with the place that it is about."""
    path = str(state.workflow.path)
    where, _, message = warning.partition(": ") if warning.startswith(path) else (path, "", warning)
    return Problem("workflow_warning", where, message)


def standing(state: SchedulerState, issue_id: str, now: datetime) -> str:
    """Return one sentence on where an issue stands and why."""
    return sentence_of(standing_of(state, issue_id, now))


def _needs_nobody(view: BlockedView) -> bool:
    needy = {"failed", "cancelled", "out_of_budget", "passed_around", "held_back", "undelivered"}
    return view.code not in needy


def _running(state: SchedulerState) -> Iterator[RunningView]:
    for record in state.records.values():
        if isinstance(record.claim, Running):
            yield _running_view(state.issues.get(record.issue_id), record, record.claim)


def _running_view(issue: Issue | None, record: IssueRecord, running: Running) -> RunningView:
    return RunningView(
        issue_id=record.issue_id,
        identifier=issue.identifier if issue else record.issue_id,
        title=issue.title if issue else record.issue_id,
        state=issue.state if issue else running.state,
        attempt_id=running.attempt_id,
        number=running.number,
        adapter=running.adapter,
        phase=running.phase.value,
        turn=running.turn,
        max_turns=running.max_turns,
        started_at=running.started_at,
        last_event_at=running.last_event_at,
        last_event=running.last_event,
        usage=running.usage,
        stopping=running.stopping.value if running.stopping else None,
        machine=running.machine,
        permissions=running.permissions,
        findings=len(record.guard.noted) + record.guard.not_kept,
    )


def _waiting(state: SchedulerState, slots: Slots, room: Room) -> Iterator[WaitingView]:
    for record in state.records.values():
        issue = state.issues.get(record.issue_id)
        if isinstance(record.claim, Waiting) and issue and not state.states.is_terminal(issue.state):
            steering, attempt = record.claim.steering, record.claim.attempt
            reason = "waits for your answer"
            if not steering.open:
                reason = why_answer_waits(attempt, issue.state, slots, room)
            machine = attempt.machine if attempt else None
            yield WaitingView(record.issue_id, issue.identifier, issue.title, steering, reason, machine)


def _held(state: SchedulerState) -> Iterator[HeldView]:
    for record in state.records.values():
        hold = record.guard.held
        if hold is not None and record.completion is not None:
            issue = state.issues.get(record.issue_id)
            identifier, title = (issue.identifier, issue.title) if issue else (record.issue_id, "")
            reason = held_reason(hold, record.issue_id)
            yield HeldView(record.issue_id, identifier, title or identifier, reason, hold.at, hold.findings)


def _retrying(state: SchedulerState) -> Iterator[RetryingView]:
    for record in state.records.values():
        issue = state.issues.get(record.issue_id)
        identifier = issue.identifier if issue else record.issue_id
        match record.claim:
            case Retrying(due_at=due, reason=reason):
                kind = "retry" if record.completion is None else KIND_OWED[record.completion.tool]
                yield RetryingView(record.issue_id, identifier, kind, due, record.failures, reason)
            case Continuing(due_at=due):
                yield RetryingView(
                    record.issue_id, identifier, "continuation", due, record.failures, "a fresh look"
                )
            case _:
                pass


def _blocked(state: SchedulerState, reasons: Iterable[tuple[Issue, Reason | None]]) -> Iterator[BlockedView]:
    for issue, reason in reasons:
        if reason is not None and reason.code not in NOT_BLOCKED:
            record = state.records.get(issue.id)
            since = record.claim.at if record and isinstance(record.claim, Parked) else None
            yield BlockedView(
                issue.id, issue.identifier, issue.title, issue.state, reason.code, reason.text, since
            )


def _status(state: SchedulerState, counts: Counter[str], problems: tuple[Problem, ...]) -> tuple[str, str]:
    if state.draining:
        left = counts["running"]
        return "draining", f"stopping; {counted(left, 'attempt')} still {'runs' if left == 1 else 'run'}"
    needs = [
        f"{counts['waiting']} waiting for your answer" if counts["waiting"] else "",
        f"{counted(counts['permissions'], 'permission')} to give or refuse" if counts["permissions"] else "",
        f"{counts['held']} held with secrets in the work" if counts["held"] else "",
        f"{counts['failed']} failed" if counts["failed"] else "",
        f"{counted(counts['access'], 'host')} to allow or deny" if counts["access"] else "",
        counted(len(problems), "problem") if len(problems) > 1 else "".join(map(str, problems)),
    ]
    said = ", ".join(part for part in needs if part)
    if said:
        return "attention", said
    if counts["running"] or counts["retrying"]:
        return "working", f"{counts['running']} running, {counts['retrying']} waiting for their next attempt"
    if counts["eligible"]:
        return "idle", f"{counted(counts['eligible'], 'issue')} ready to start"
    blocked = counts["blocked"]
    return "idle", f"{counted(blocked, 'issue')} cannot start" if blocked else "nothing to do"
