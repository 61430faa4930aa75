"""Why an issue is not running, in the words that people read [CONTRACT 4.1]."""

from dataclasses import replace

import pytest

from symphony.core.claim import Continuing, Parked, Phase, Retrying, Waiting
from symphony.core.eligibility import why_not_running
from symphony.core.handoff import Completion
from symphony.core.outcome import StopReason
from symphony.core.problem import Problem
from symphony.core.slots import Slots
from symphony.core.usage import Usage
from tests.support.world import (
    NOON,
    after,
    make_issue,
    make_record,
    make_running,
    make_set,
    make_state,
    make_steering,
)


def reason_for(state, issue, now=NOON):
    reason = why_not_running(state, issue, Slots.of(state.workflow.settings, state.records.values()), now)
    return reason and (reason.code, reason.text)


def test_an_active_issue_without_obstacles_is_eligible():
    issue = make_issue("1")
    assert reason_for(make_state(issue), issue) is None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (make_record("1", make_running("1")), ("running", "in a turn")),
        (
            make_record("1", make_running("1", stopping=StopReason.HELD, phase=Phase.CHECKS)),
            ("stopping", "stopping: held"),
        ),
        (
            make_record("1", Waiting(make_steering("1"))),
            ("waiting_for_reply", "waiting for your answer; `symphony inbox` shows the question"),
        ),
        (
            make_record("1", Waiting(make_steering("1", reply="red"), make_running("1"))),
            ("reply_pending", "answered; waits for a free slot"),
        ),
        (
            make_record("1", Retrying(after(30), "git failed")),
            ("retrying", "tried again at 12:00:30 UTC: git failed"),
        ),
        (
            make_record("1", Continuing(after(1), "Todo")),
            ("continuing", "goes on with a fresh look in a moment"),
        ),
        (
            make_record("1", Parked(NOON, ("boom", "bang"), ""), failures=5),
            (
                "failed",
                "failed 5 times in a row and is parked; `symphony retry 1` or an edit of the file starts it "
                "again. Last: bang",
            ),
        ),
        (
            make_record("1", Parked(NOON, ("cancelled by you",), "", by_person=True)),
            ("cancelled", "cancelled by you; `symphony retry 1` starts it again"),
        ),
        (make_record("1", paused=True), ("paused", "paused by you; `symphony resume 1` lifts it")),
        (
            make_record("1", completion=Completion("1", "1.1", "t", "s", NOON)),
            ("undelivered", "done, and its handoff is not finished"),
        ),
    ],
)
def test_a_claimed_issue_says_what_holds_it(record, reason):
    issue = make_issue("1")
    assert reason_for(make_state(issue, records=(record,)), issue) == reason


def test_a_due_retry_and_a_reply_without_a_session_are_startable():
    issue = make_issue("1")
    due = make_state(issue, records=(make_record("1", Retrying(NOON, "x")),))
    answered = make_state(issue, records=(make_record("1", Waiting(make_steering("1", reply="red"))),))
    assert reason_for(due, issue) is None
    assert reason_for(answered, issue) is None


def test_a_blocker_that_is_not_terminal_blocks_and_is_named_with_its_state():
    issue = make_issue("2", blocked_by=("1",))
    state = make_state(make_issue("1", "In Progress"), issue)
    assert reason_for(state, issue) == ("blocked", "blocked by 1 (In Progress)")


def test_an_unknown_blocker_blocks():
    issue = make_issue("2", blocked_by=("9",))
    assert reason_for(make_state(issue), issue) == ("blocked", "blocked by 9, which is not in the tracker")


def test_a_blocker_whose_file_is_broken_is_not_said_to_be_missing():
    issue = make_issue("2", blocked_by=("9",))
    state = make_state().with_issues(make_set(issue, unreadable=frozenset({"9"})))
    assert reason_for(state, issue) == ("blocked", "blocked by 9, whose file cannot be read")


def test_a_terminal_blocker_does_not_block():
    issue = make_issue("2", blocked_by=("1",))
    assert reason_for(make_state(make_issue("1", "done "), issue), issue) is None


def test_required_labels_are_compared_without_case():
    state = {"tracker": {"required_labels": ["Agent", "ready"]}}
    assert reason_for(make_state(**state), make_issue("1", labels=("agent", "ready"))) is None
    assert reason_for(make_state(**state), make_issue("1", labels=("agent",))) == (
        "missing_label",
        "lacks the label 'ready'",
    )


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        ({"tokens": 1000}, "1,500 of 1,000 tokens; `symphony budget 1 --tokens +N` raises it"),
        ({"usd": 2}, "2.50 of 2.00 USD; `symphony budget 1 --usd +N` raises it"),
        ({"minutes": 10}, "15.0 of 10 minutes; `symphony budget 1 --minutes +N` raises it"),
        (
            {"minutes": 10, "usd": 2},
            "2.50 of 2.00 USD, 15.0 of 10 minutes; `symphony budget 1 --usd +N --minutes +N` raises it",
        ),
    ],
)
def test_a_spent_budget_is_told_with_its_numbers(budget, text):
    issue = make_issue("1")
    spent = Usage(input_tokens=1000, output_tokens=400, cached_tokens=100, cost_usd=2.5, seconds=900)
    state = make_state(issue, records=(make_record("1", usage=spent),), agent={"budget": budget})
    assert reason_for(state, issue) == ("out_of_budget", f"out of budget: {text}")


def test_a_resting_adapter_is_named_with_its_time():
    issue = make_issue("1")
    state = replace(make_state(issue), adapter_pauses={"demo": after(60)})
    assert reason_for(state, issue) == (
        "rate_limited",
        "the model behind demo rests until 2026-01-01 12:01:00 UTC; `symphony resume` tries it now",
    )
    assert reason_for(state, issue, after(60)) is None


def test_slots_are_told_globally_and_per_state():
    running = (make_record("1", make_running("1")), make_record("2", make_running("2")))
    issue = make_issue("3")
    full = make_state(issue, records=running, agent={"max_concurrent_agents": 2})
    state_full = make_state(issue, records=running, agent={"max_concurrent_agents_by_state": {"todo": 2}})
    one = make_state(issue, records=running[:1], agent={"max_concurrent_agents": 1})
    assert reason_for(full, issue) == ("no_slot", "all 2 slots are taken")
    assert reason_for(state_full, issue) == ("no_slot", "all 2 slots are taken by issues in Todo")
    assert reason_for(one, issue) == ("no_slot", "the only slot is taken")


def test_queued_retries_and_waiting_issues_hold_no_slot():
    records = (
        make_record("1", Retrying(after(9), "x")),
        make_record("2", Waiting(make_steering("2"), make_running("2"))),
    )
    issue = make_issue("3")
    assert reason_for(make_state(issue, records=records, agent={"max_concurrent_agents": 1}), issue) is None


def test_what_keeps_everything_from_starting_is_said_on_each_issue():
    issue = make_issue("1")
    state = make_state(issue)
    assert reason_for(replace(state, paused=True), issue) == (
        "all_paused",
        "everything is paused; `symphony resume` lifts it",
    )
    assert reason_for(replace(state, drain_deadline=NOON), issue) == ("draining", "symphony is stopping")
    problem = Problem("workflow_invalid", "WORKFLOW.md:3", "bad")
    assert reason_for(replace(state, workflow_problems=(problem,)), issue) == (
        "workflow_invalid",
        "WORKFLOW.md is invalid; fix it first",
    )
