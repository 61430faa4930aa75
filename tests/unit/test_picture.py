"""What every surface shows [CONTRACT 7.1]."""

from dataclasses import replace

from symphony.core.access import OPEN_KEPT, AccessDecision, AccessLedger, AccessTries, AccessTry
from symphony.core.access_view import ACCESS_SHOWN
from symphony.core.claim import Continuing, Parked, Phase, Retrying, Waiting
from symphony.core.handoff import Completion
from symphony.core.outcome import StopReason
from symphony.core.picture import render_snapshot, standing
from symphony.core.problem import Problem
from symphony.core.usage import Usage
from tests.support.world import (
    NOON,
    SPENT,
    after,
    make_issue,
    make_record,
    make_running,
    make_set,
    make_state,
    make_steering,
)


def test_an_empty_tracker_is_idle():
    snapshot = render_snapshot(make_state(), NOON, Usage())
    assert (snapshot.status, snapshot.status_reason) == ("idle", "nothing to do")
    assert snapshot.counts["running"] == 0


def test_each_issue_is_in_exactly_one_list():
    records = (
        make_record("1", make_running("1", usage=SPENT, last_event="edits a file")),
        make_record("2", Retrying(after(10), "git failed"), failures=1),
        make_record("3", Continuing(after(1), "Todo")),
        make_record("4", Waiting(make_steering("4"))),
        make_record("5", Parked(NOON, ("x",), ""), failures=5),
    )
    issues = [make_issue(str(number)) for number in range(1, 6)]
    state = make_state(*issues, make_issue("6", blocked_by=("9",)), make_issue("7", "Done"), records=records)
    snapshot = render_snapshot(state, NOON, Usage(input_tokens=100))
    assert [view.issue_id for view in snapshot.running] == ["1"]
    assert [(view.issue_id, view.kind) for view in snapshot.retrying] == [
        ("2", "retry"),
        ("3", "continuation"),
    ]
    assert [view.issue_id for view in snapshot.waiting] == ["4"]
    assert [(view.issue_id, view.code) for view in snapshot.blocked] == [("5", "failed"), ("6", "blocked")]
    assert (snapshot.counts["failed"], snapshot.counts["blocked"], snapshot.counts["eligible"]) == (1, 2, 0)
    assert (snapshot.counts["state:Todo"], snapshot.counts["state:Done"]) == (6, 1)
    assert snapshot.totals.input_tokens == 110
    assert (snapshot.status, snapshot.status_reason) == ("attention", "1 waiting for your answer, 1 failed")


def test_a_handoff_that_is_retried_is_called_so():
    record = make_record("1", Retrying(after(10), "full"), completion=Completion("1", "1.1", "t", "s", NOON))
    snapshot = render_snapshot(make_state(make_issue("1", "Done"), records=(record,)), NOON, Usage())
    assert snapshot.retrying[0].kind == "handoff"
    assert snapshot.counts["undelivered"] == 1


def test_an_issue_that_nobody_has_started_yet_is_said_to_be_ready():
    snapshot = render_snapshot(make_state(make_issue("1")), NOON, Usage())
    assert (snapshot.status, snapshot.status_reason) == ("idle", "1 issue ready to start")


def test_work_alone_is_no_reason_for_attention():
    state = make_state(make_issue("1"), records=(make_record("1", make_running("1")),))
    snapshot = render_snapshot(state, NOON, Usage())
    assert (snapshot.status, snapshot.status_reason) == (
        "working",
        "1 running, 0 waiting for their next attempt",
    )


def test_draining_says_how_many_still_run():
    state = replace(
        make_state(make_issue("1"), records=(make_record("1", make_running("1")),)), drain_deadline=NOON
    )
    assert render_snapshot(state, NOON, Usage()).status_reason == "stopping; 1 attempt still runs"


def test_problems_and_warnings_of_the_workflow_come_before_those_of_files():
    file_problem = Problem("issue_unreadable", "issues/Todo/1.md", "is not UTF-8")
    state = make_state().with_issues(make_set(problems=(file_problem,)))
    bad = Problem("workflow_invalid", "WORKFLOW.md:2: agent", "found text")
    state = replace(
        state, workflow_problems=(bad,), workflow=replace(state.workflow, warnings=("unknown key `agents`",))
    )
    snapshot = render_snapshot(state, NOON, Usage())
    assert [problem.code for problem in snapshot.problems] == [
        "workflow_invalid",
        "workflow_warning",
        "issue_unreadable",
    ]
    assert snapshot.status_reason == "3 problems"


def test_open_access_requests_need_a_person_and_decided_ones_do_not():
    ledger = AccessLedger().refused(AccessTries((AccessTry("a.example"), AccessTry("b.example"))), NOON)
    ledger = ledger.decided("a.example", AccessDecision.DENY, NOON)
    records = (make_record("1", access=ledger), make_record("2", access=ledger))
    state = make_state(make_issue("1", "Proposed"), make_issue("2", "Done"), records=records)
    snapshot = render_snapshot(state, NOON, Usage())
    assert [(view.issue_id, view.request.host) for view in snapshot.access] == [("1", "b.example")]
    assert snapshot.counts["access"] == 1
    assert (snapshot.status, snapshot.status_reason) == ("attention", "1 host to allow or deny")


def test_a_long_list_of_access_requests_is_cut_and_still_counted():
    ledger = AccessLedger().refused(
        AccessTries(tuple(AccessTry(f"h{number}.example") for number in range(OPEN_KEPT))), NOON
    )
    ids = [str(number) for number in range(ACCESS_SHOWN // OPEN_KEPT + 1)]
    records = tuple(make_record(issue_id, access=ledger) for issue_id in ids)
    snapshot = render_snapshot(make_state(*map(make_issue, ids), records=records), NOON, Usage())
    assert (len(snapshot.access), snapshot.counts["access"]) == (ACCESS_SHOWN, len(ids) * OPEN_KEPT)


def test_a_waiting_issue_that_was_finished_by_hand_needs_nobody():
    state = make_state(make_issue("1", "Done"), records=(make_record("1", Waiting(make_steering("1"))),))
    assert render_snapshot(state, NOON, Usage()).waiting == ()


def test_one_sentence_says_where_an_issue_stands():
    running = make_record("1", make_running("1", phase=Phase.CHECKS, turn=3))
    stopping = make_record("1", make_running("1", stopping=StopReason.HELD))
    blocked = make_issue("1", blocked_by=("9",))
    table = [
        (make_state(make_issue("1"), records=(running,)), "Running: running checks, turn 3 of 20."),
        (
            make_state(make_issue("1"), records=(stopping,)),
            "Running: in a turn, turn 1 of 20; stopping: held.",
        ),
        (make_state(make_issue("1")), "Eligible: it starts with the next decision."),
        (make_state(blocked), "Not running: blocked by 9, which is not in the tracker."),
        (make_state(make_issue("1", "Done")), "Finished: in Done."),
        (
            make_state(make_issue("1", "Done"), records=(make_record("1", last_handoff="patch written"),)),
            "Finished: patch written.",
        ),
        (make_state(make_issue("1", "Someday")), "Held: Someday is no active state."),
        (make_state(), "Its file is gone."),
        (make_state().with_issues(make_set(unreadable=frozenset({"1"}))), "Its file cannot be read."),
    ]
    assert [standing(state, "1", NOON) for state, _ in table] == [sentence for _, sentence in table]
