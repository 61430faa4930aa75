"""The JSON of the HTTP API, as pure functions of the core's values [CONTRACT 7.1].

Shapes that scripts and the command line rely on:

- a time is `2026-01-31T12:00:00.000Z`, always UTC with milliseconds; null when there is none;
- a duration is a number of seconds and its name ends in `seconds`;
- a usage is `{input_tokens, output_tokens, cached_tokens, total_tokens, cost_usd, seconds,
  context_used, context_size, tool_calls}`; context figures are null when unknown;
- `state` is `{generated_at, status, status_reason, paused, counts, running[], retrying[],
  waiting[], blocked[], access[], held[], problems[], totals,
  rate_limits}`; `counts` and `rate_limits` are objects
  by name, `totals` is a usage;
- `blocked` holds the first 200, those that need a person before the others; `counts` has all;
- an issue in a list is `{id, identifier, title, state, priority, labels, blocked_by, branch_name,
  url, created_at, updated_at, path}`; by itself it has `description`, `revision` and `extra` too;
- a detail is `{issue_id, issue, standing, attempts[], steering[], audit[], run_log, last_handoff,
  failures, paused, access, machine, budget[], guard}`; `issue` is null when its file is gone or unreadable;
- a machine is `{name, state, memory_bytes, cpu_percent}`, in `running[]`, `waiting[]` and a detail;
  null where there is none; `cpu_percent` is of one core;
- a permission is `{id, issue_id, attempt_id, title, kind, subject, arguments, lasting, asked_at, open,
  answer}`, in `permissions[]` of `running[]`;
- a finding of the guard rails is `{kind, rule, place, line, excerpt, said}`, never with the secret; a
  detail's `guard` is `{findings[], not_kept, held}`, and `held[]` of a state has finished work that waits;
- an access request is `{host, port, tries, asked_at, last_at, open, decision, decided_at, trouble}`
  and in a state also has its issue's `{issue_id, identifier, title, not_kept}`.
"""

from datetime import datetime
from typing import Any, TypeAlias

from symphony.core.access import AccessLedger, AccessRequest
from symphony.core.access_answer import AccessAnswer
from symphony.core.access_view import AccessView
from symphony.core.effect import Audit
from symphony.core.issue import Issue
from symphony.core.machine import MachineUsage
from symphony.core.operations import IssueDetail
from symphony.core.permission import PermissionRequest
from symphony.core.ports import AttemptRow
from symphony.core.problem import Problem
from symphony.core.snapshot import BlockedView, RetryingView, RunningView, Snapshot, WaitingView
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.web.budget_view import spending_view
from symphony.web.guard_view import guard_view, held_view
from symphony.web.plain_value import plain_value
from symphony.web.receipt_view import best_view, boarded_view, receipt_view
from symphony.web.times import seconds_view, time_view

Json: TypeAlias = dict[str, Any]
BLOCKED_SHOWN = 200  # a page, not the whole backlog; `counts` has all


def usage_view(usage: Usage) -> Json:
    """Return what an attempt or an issue has cost."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "total_tokens": usage.tokens,
        "cost_usd": usage.cost_usd,
        "seconds": usage.seconds,
        "context_used": usage.context_used,
        "context_size": usage.context_size,
        "tool_calls": usage.tool_calls,
    }


def steering_view(steering: SteeringRequest) -> Json:
    """Return a question and its reply."""
    return {
        "id": steering.id,
        "issue_id": steering.issue_id,
        "attempt_id": steering.attempt_id,
        "question": steering.question,
        "context": steering.context,
        "asked_at": time_view(steering.asked_at),
        "open": steering.open,
        "reply": steering.reply,
        "replied_at": time_view(steering.replied_at),
    }


def machine_view(machine: MachineUsage | None) -> Json | None:
    """Return what an attempt's machine does and costs."""
    if machine is None:
        return None
    return {
        "name": machine.name,
        "state": machine.state.value,
        "memory_bytes": machine.memory_bytes,
        "cpu_percent": round(machine.cpu_percent, 1),
    }


def running_view(view: RunningView, now: datetime) -> Json:
    """Return an attempt that is under way."""
    return {
        "issue_id": view.issue_id,
        "identifier": view.identifier,
        "title": view.title,
        "state": view.state,
        "attempt_id": view.attempt_id,
        "attempt": view.number,
        "adapter": view.adapter,
        "phase": view.phase,
        "turn": view.turn,
        "max_turns": view.max_turns,
        "started_at": time_view(view.started_at),
        "running_seconds": seconds_view(now - view.started_at),
        "last_event_at": time_view(view.last_event_at),
        "silent_seconds": seconds_view(now - view.last_event_at),
        "last_event": view.last_event,
        "usage": usage_view(view.usage),
        "stopping": view.stopping,
        "machine": machine_view(view.machine),
        "permissions": [permission_view(request) for request in view.permissions],
        "findings": view.findings,
    }


def permission_view(request: PermissionRequest) -> Json:
    """Return what an agent asks to be allowed."""
    return {
        "id": request.id,
        "issue_id": request.issue_id,
        "attempt_id": request.attempt_id,
        "title": request.proposal.title,
        "kind": request.proposal.kind,
        "subject": request.proposal.subject,
        "arguments": request.proposal.arguments,
        "lasting": request.proposal.lasting,
        "asked_at": time_view(request.asked_at),
        "open": request.open,
        "answer": request.answer.value if request.answer else None,
    }


def retrying_view(view: RetryingView, now: datetime) -> Json:
    """Return an issue that waits for its next attempt."""
    return {
        "issue_id": view.issue_id,
        "identifier": view.identifier,
        "kind": view.kind,
        "due_at": time_view(view.due_at),
        "due_in_seconds": seconds_view(view.due_at - now),
        "failures": view.failures,
        "reason": view.reason,
    }


def waiting_view(view: WaitingView, now: datetime) -> Json:
    """Return an issue that needs a person."""
    return {
        "issue_id": view.issue_id,
        "identifier": view.identifier,
        "title": view.title,
        "reason": view.reason,
        "waiting_seconds": seconds_view(now - view.steering.asked_at),
        "steering": steering_view(view.steering),
        "machine": machine_view(view.machine),
    }


def blocked_view(view: BlockedView) -> Json:
    """Return an active issue that is not eligible."""
    return {
        "issue_id": view.issue_id,
        "identifier": view.identifier,
        "title": view.title,
        "state": view.state,
        "code": view.code,
        "reason": view.reason,
    }


def request_view(request: AccessRequest) -> Json:
    """Return one host with what was decided about it."""
    return {
        "host": request.host,
        "port": request.port,
        "tries": request.tries,
        "asked_at": time_view(request.asked_at),
        "last_at": time_view(request.last_at),
        "open": request.open,
        "decision": request.decision,
        "decided_at": time_view(request.decided_at),
        "trouble": request.trouble,
    }


def access_view(view: AccessView) -> Json:
    """Return an open request with its issue."""
    return {
        "issue_id": view.issue_id,
        "identifier": view.identifier,
        "title": view.title,
        **request_view(view.request),
        "not_kept": view.not_kept,
    }


def ledger_view(ledger: AccessLedger) -> Json:
    """Return all that one issue's guest was refused, and what was decided."""
    return {
        "requests": [request_view(request) for request in ledger.requests],
        "not_kept": ledger.not_kept,
        "never_opened": ledger.never,
    }


def answer_view(answer: AccessAnswer) -> Json:
    """Return what became of a decision about a host; `said` is for people."""
    return {
        "issue_id": answer.issue_id,
        "host": answer.host,
        "decision": answer.decision,
        "machine": answer.machine,
        "asked": answer.asked,
        "repeated": answer.repeated,
        "workflow_written": answer.written,
        "said": list(answer.sentences()),
    }


def problem_view(problem: Problem) -> Json:
    """Return a standing fact that needs a person."""
    return {
        "code": problem.code,
        "where": problem.where,
        "message": problem.message,
        "issue_id": problem.issue_id,
    }


def state_view(snapshot: Snapshot) -> Json:
    """Return the whole picture."""
    now = snapshot.generated_at
    return {
        "generated_at": time_view(now),
        "status": snapshot.status,
        "status_reason": snapshot.status_reason,
        "paused": snapshot.paused,
        "sandbox": snapshot.sandbox,
        "counts": dict(snapshot.counts),
        "running": [running_view(view, now) for view in snapshot.running],
        "retrying": [retrying_view(view, now) for view in snapshot.retrying],
        "waiting": [waiting_view(view, now) for view in snapshot.waiting],
        "blocked": [blocked_view(view) for view in snapshot.blocked[:BLOCKED_SHOWN]],
        "access": [access_view(view) for view in snapshot.access],
        "held": [held_view(view) for view in snapshot.held],
        "problems": [problem_view(problem) for problem in snapshot.problems],
        "totals": usage_view(snapshot.totals),
        "rate_limits": {adapter: time_view(until) for adapter, until in snapshot.rate_limits.items()},
    }


def issue_summary_view(issue: Issue) -> Json:
    """Return an issue as lists show it, without its text."""
    return {
        "id": issue.id,
        "identifier": issue.identifier,
        "title": issue.title,
        "state": issue.state,
        "priority": issue.priority,
        "labels": list(issue.labels),
        "blocked_by": list(issue.blocked_by),
        "branch_name": issue.branch_name,
        "url": issue.url,
        "created_at": time_view(issue.created_at),
        "updated_at": time_view(issue.updated_at),
        "path": str(issue.path),
    }


def issue_view(issue: Issue) -> Json:
    """Return an issue with all that its file says."""
    return {
        **issue_summary_view(issue),
        "description": issue.description,
        "revision": issue.revision,
        "extra": plain_value(issue.extra),
    }


def attempt_view(row: AttemptRow) -> Json:
    """Return an attempt as the store keeps it."""
    return {
        "id": row.id,
        "issue_id": row.issue_id,
        "attempt": row.number,
        "adapter": row.adapter,
        "sandbox": row.sandbox,
        "started_at": time_view(row.started_at),
        "ended_at": time_view(row.ended_at),
        "running_seconds": None if row.ended_at is None else seconds_view(row.ended_at - row.started_at),
        "outcome": row.outcome,
        "message": row.message,
        "turns": row.turns,
        "session_id": row.session_id,
        "usage": usage_view(row.usage),
    }


def audit_view(audit: Audit) -> Json:
    """Return one decision with its reason."""
    return {
        "at": time_view(audit.at),
        "issue_id": audit.issue_id,
        "decision": audit.decision,
        "reason": audit.reason,
    }


def detail_view(detail: IssueDetail) -> Json:
    """Return all that is known of one issue."""
    return {
        "issue_id": detail.issue_id,
        "issue": None if detail.issue is None else issue_view(detail.issue),
        "standing": detail.standing,
        "attempts": [attempt_view(row) for row in detail.attempts],
        "steering": [steering_view(steering) for steering in detail.steering],
        "audit": [audit_view(audit) for audit in detail.audit],
        "run_log": str(detail.run_log),
        "last_handoff": detail.last_handoff,
        "failures": detail.failures,
        "paused": detail.paused,
        "access": ledger_view(detail.access),
        "machine": machine_view(detail.machine),
        "budget": spending_view(detail.budget),
        "receipt": receipt_view(detail.receipt),
        "boarded": boarded_view(detail.boarded),
        "best": best_view(detail.best),
        "guard": guard_view(detail.guard),
    }
