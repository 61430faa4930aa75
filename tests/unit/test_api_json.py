"""The exact JSON of the HTTP API [CONTRACT 7.1], which scripts and the command line read."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.access import AccessDecision, AccessLedger, AccessRequest
from symphony.core.access_view import AccessView
from symphony.core.budget import Ceilings, account
from symphony.core.effect import Audit
from symphony.core.issue import Issue
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.operations import IssueDetail
from symphony.core.ports import AttemptRow
from symphony.core.problem import Problem
from symphony.core.snapshot import BlockedView, RetryingView, RunningView, Snapshot, WaitingView
from symphony.core.steering import SteeringRequest
from symphony.core.train import Boarded
from symphony.core.usage import Usage
from symphony.web.plain_value import plain_value
from symphony.web.views import (
    BLOCKED_SHOWN,
    detail_view,
    issue_summary_view,
    seconds_view,
    state_view,
    time_view,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_JSON = "2026-01-31T12:00:00.000Z"


def before(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


USAGE = Usage(10, 20, 30, 0.25, 1.5, 40, 50, tool_calls=7)
USAGE_JSON = {
    "input_tokens": 10,
    "output_tokens": 20,
    "cached_tokens": 30,
    "total_tokens": 60,
    "cost_usd": 0.25,
    "seconds": 1.5,
    "context_used": 40,
    "context_size": 50,
    "tool_calls": 7,
}
QUESTION = SteeringRequest("a1.q1", "7", "a1", "Which?", "Both work.", before(60))
QUESTION_JSON = {
    "id": "a1.q1",
    "issue_id": "7",
    "attempt_id": "a1",
    "question": "Which?",
    "context": "Both work.",
    "asked_at": "2026-01-31T11:59:00.000Z",
    "open": True,
    "reply": None,
    "replied_at": None,
}
ASKED = AccessRequest("pypi.org", 443, 3, before(60), NOON, trouble="It has no address.")
ASKED_JSON = {
    "host": "pypi.org",
    "port": 443,
    "tries": 3,
    "asked_at": "2026-01-31T11:59:00.000Z",
    "last_at": NOON_JSON,
    "open": True,
    "decision": None,
    "decided_at": None,
    "trouble": "It has no address.",
}
ISSUE = Issue(
    id="7",
    identifier="APP-7",
    title="Fix it",
    state="Todo",
    path=Path("/issues/Todo/7.md"),
    description="Body",
    priority=1,
    labels=("bug",),
    blocked_by=("6",),
    branch_name="fix",
    url="https://example.org/7",
    created_at=NOON,
    updated_at=None,
    revision="r1",
    extra={"due": date(2026, 2, 1)},
)
SUMMARY_JSON = {
    "id": "7",
    "identifier": "APP-7",
    "title": "Fix it",
    "state": "Todo",
    "priority": 1,
    "labels": ["bug"],
    "blocked_by": ["6"],
    "branch_name": "fix",
    "url": "https://example.org/7",
    "created_at": NOON_JSON,
    "updated_at": None,
    "path": "/issues/Todo/7.md",
}


MACHINE = MachineUsage("symphony-7", MachineState.RUNNING, 432_013_312, 12.34, {"issue": "7"})
MACHINE_JSON = {
    "name": "symphony-7",
    "state": "running",
    "memory_bytes": 432_013_312,
    "cpu_percent": 12.3,
}


def test_a_full_snapshot() -> None:
    running = RunningView(
        issue_id="7",
        identifier="APP-7",
        title="Fix it",
        state="Todo",
        attempt_id="a1",
        number=2,
        adapter="demo",
        phase="in a turn",
        turn=3,
        max_turns=20,
        started_at=before(90.5),
        last_event_at=before(0.25),
        last_event="wrote",
        usage=USAGE,
        stopping="cancelled",
        machine=MACHINE,
    )
    snapshot = Snapshot(
        NOON,
        status="attention",
        status_reason="One issue waits for you.",
        counts={"running": 1, "state:Todo": 4},
        running=(running,),
        retrying=(RetryingView("8", "8", "retry", NOON + timedelta(seconds=10), 2, "agent exited"),),
        waiting=(WaitingView("9", "9", "Choose", QUESTION, "waiting for you"),),
        blocked=(BlockedView("10", "10", "Later", "Todo", "blocked_by", "7 is not finished"),),
        access=(AccessView("7", "APP-7", "Fix it", ASKED, 12),),
        problems=(Problem("issue_unreadable", "Todo/x.md", "is not UTF-8", None),),
        totals=USAGE,
        rate_limits={"claude": NOON},
        paused=True,
        sandbox="local",
    )
    assert state_view(snapshot) == {
        "generated_at": NOON_JSON,
        "status": "attention",
        "status_reason": "One issue waits for you.",
        "paused": True,
        "sandbox": "local",
        "counts": {"running": 1, "state:Todo": 4},
        "running": [
            {
                "issue_id": "7",
                "identifier": "APP-7",
                "title": "Fix it",
                "state": "Todo",
                "attempt_id": "a1",
                "attempt": 2,
                "adapter": "demo",
                "phase": "in a turn",
                "turn": 3,
                "max_turns": 20,
                "started_at": "2026-01-31T11:58:29.500Z",
                "running_seconds": 90.5,
                "last_event_at": "2026-01-31T11:59:59.750Z",
                "silent_seconds": 0.25,
                "last_event": "wrote",
                "usage": USAGE_JSON,
                "stopping": "cancelled",
                "machine": MACHINE_JSON,
                "permissions": [],
                "findings": 0,
            }
        ],
        "retrying": [
            {
                "issue_id": "8",
                "identifier": "8",
                "kind": "retry",
                "due_at": "2026-01-31T12:00:10.000Z",
                "due_in_seconds": 10.0,
                "failures": 2,
                "reason": "agent exited",
            }
        ],
        "waiting": [
            {
                "issue_id": "9",
                "identifier": "9",
                "title": "Choose",
                "reason": "waiting for you",
                "waiting_seconds": 60.0,
                "steering": QUESTION_JSON,
                "machine": None,
            }
        ],
        "blocked": [
            {
                "issue_id": "10",
                "identifier": "10",
                "title": "Later",
                "state": "Todo",
                "code": "blocked_by",
                "reason": "7 is not finished",
            }
        ],
        "access": [{"issue_id": "7", "identifier": "APP-7", "title": "Fix it", **ASKED_JSON, "not_kept": 12}],
        "held": [],
        "problems": [
            {"code": "issue_unreadable", "where": "Todo/x.md", "message": "is not UTF-8", "issue_id": None}
        ],
        "totals": USAGE_JSON,
        "rate_limits": {"claude": NOON_JSON},
    }


def test_an_issue_in_a_list_has_no_text() -> None:
    assert issue_summary_view(ISSUE) == SUMMARY_JSON


def test_a_full_detail() -> None:
    ended = AttemptRow(
        "a1",
        "7",
        1,
        "demo",
        "local",
        before(100),
        before(40),
        "stalled",
        "Nothing was heard.",
        2,
        "s1",
        USAGE,
    )
    open_row = AttemptRow("a2", "7", 2, "demo", "local", NOON)
    answered = SteeringRequest("a1.q1", "7", "a1", "Which?", "Both work.", before(60), "The first.", NOON)
    detail = IssueDetail(
        issue_id="7",
        issue=ISSUE,
        standing="Running since noon.",
        attempts=(ended, open_row),
        steering=(answered,),
        audit=(Audit(NOON, "7", "dispatch", "a slot is free"),),
        run_log=Path("/logs/7.jsonl"),
        last_handoff="Wrote a patch.",
        failures=1,
        paused=True,
        access=AccessLedger(
            (ASKED, AccessRequest("a.example", decision=AccessDecision.DENY, decided_at=NOON)), 12, 7
        ),
        machine=MACHINE,
        budget=account(Usage(input_tokens=1200), Ceilings(2000), Ceilings(minutes=2.5)),
        boarded=Boarded("symphony/train", "c" * 40, "d" * 40),
    )
    nothing = {**dict.fromkeys(USAGE_JSON, 0), "context_used": None, "context_size": None}
    assert detail_view(detail) == {
        "issue_id": "7",
        "issue": {**SUMMARY_JSON, "description": "Body", "revision": "r1", "extra": {"due": "2026-02-01"}},
        "standing": "Running since noon.",
        "attempts": [
            {
                "id": "a1",
                "issue_id": "7",
                "attempt": 1,
                "adapter": "demo",
                "sandbox": "local",
                "started_at": "2026-01-31T11:58:20.000Z",
                "ended_at": "2026-01-31T11:59:20.000Z",
                "running_seconds": 60.0,
                "outcome": "stalled",
                "message": "Nothing was heard.",
                "turns": 2,
                "session_id": "s1",
                "usage": USAGE_JSON,
            },
            {
                "id": "a2",
                "issue_id": "7",
                "attempt": 2,
                "adapter": "demo",
                "sandbox": "local",
                "started_at": NOON_JSON,
                "ended_at": None,
                "running_seconds": None,
                "outcome": None,
                "message": "",
                "turns": 0,
                "session_id": None,
                "usage": nothing,
            },
        ],
        "steering": [{**QUESTION_JSON, "open": False, "reply": "The first.", "replied_at": NOON_JSON}],
        "audit": [{"at": NOON_JSON, "issue_id": "7", "decision": "dispatch", "reason": "a slot is free"}],
        "run_log": "/logs/7.jsonl",
        "last_handoff": "Wrote a patch.",
        "failures": 1,
        "paused": True,
        "access": {
            "requests": [
                ASKED_JSON,
                {
                    "host": "a.example",
                    "port": None,
                    "tries": 0,
                    "asked_at": None,
                    "last_at": None,
                    "open": False,
                    "decision": "deny",
                    "decided_at": NOON_JSON,
                    "trouble": "",
                },
            ],
            "not_kept": 12,
            "never_opened": 7,
        },
        "machine": MACHINE_JSON,
        "budget": [
            {
                "kind": "tokens",
                "spent": 1200.0,
                "ceiling": 2000,
                "own": False,
                "reached": False,
                "text": "1,200 of 2,000 tokens",
            },
            {"kind": "usd", "spent": 0, "ceiling": None, "own": False, "reached": False, "text": "0.00 USD"},
            {
                "kind": "minutes",
                "spent": 0,
                "ceiling": 2.5,
                "own": True,
                "reached": False,
                "text": "0.0 of 2.5 minutes",
            },
        ],
        "receipt": None,
        "boarded": {"branch": "symphony/train", "commit": "c" * 40, "onto": "d" * 40},
        "best": None,
        "guard": {"findings": [], "not_kept": 0, "held": None},
    }


def test_a_waiting_issue_shows_the_machine_that_its_session_sleeps_in() -> None:
    asleep = MachineUsage("symphony-9", MachineState.PAUSED)
    waiting = WaitingView("9", "9", "Choose", QUESTION, "waits for your answer", asleep)
    assert state_view(Snapshot(NOON, waiting=(waiting,)))["waiting"][0]["machine"] == {
        "name": "symphony-9",
        "state": "paused",
        "memory_bytes": 0,
        "cpu_percent": 0.0,
    }


def test_an_issue_whose_file_is_gone_is_null() -> None:
    detail = IssueDetail("7", None, "gone", (), (), (), Path("/l"), "", 0, False)
    assert detail_view(detail)["issue"] is None
    assert detail_view(detail)["machine"] is None


def test_times_are_utc_with_milliseconds() -> None:
    summer = datetime(2026, 7, 1, 14, 0, 0, 1_999, tzinfo=timezone(timedelta(hours=2)))
    assert time_view(summer) == "2026-07-01T12:00:00.001Z"
    assert time_view(None) is None


def test_durations_are_never_negative() -> None:
    assert seconds_view(timedelta(seconds=-5)) == 0.0
    assert seconds_view(timedelta(microseconds=1_500)) == 0.002


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.inf, "inf"),
        (NOON, "2026-01-31T12:00:00+00:00"),
        (NOON.replace(tzinfo=None), "2026-01-31T12:00:00"),
        ({1: {2}}, {"1": [2]}),
        ((b"x",), ["b'x'"]),
    ],
)
def test_what_yaml_gives_is_shown(value: Any, shown: Any) -> None:
    assert plain_value(value) == shown


def test_a_value_that_holds_itself_ends() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "…" in json.dumps(plain_value(loop), ensure_ascii=False)


YAML = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.datetimes()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)


@given(YAML)
def test_whatever_yaml_gives_is_json(value: Any) -> None:
    json.dumps(plain_value(value), allow_nan=False)


def test_a_long_list_of_blocked_issues_is_cut() -> None:
    view = BlockedView("7", "7", "", "Todo", "blocked", "")
    views = (view,) * (BLOCKED_SHOWN + 5)
    assert len(state_view(Snapshot(NOON, blocked=views))["blocked"]) == BLOCKED_SHOWN
