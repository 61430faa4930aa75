"""When `--until-idle` ends, and with what [CONTRACT 1.1]."""

from dataclasses import replace

import pytest

from symphony.core.claim import Continuing, Parked, Retrying, Waiting
from symphony.core.handoff import Completion
from symphony.core.idle import Idleness, idleness
from symphony.core.problem import Problem
from tests.support.world import NOON, after, make_issue, make_record, make_running, make_state, make_steering

BUSY, DONE, PERSON = Idleness.BUSY, Idleness.DONE, Idleness.NEEDS_A_PERSON


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (None, BUSY),
        (make_running("1"), BUSY),
        (Retrying(after(999), "x"), BUSY),
        (Continuing(after(1), "Todo"), BUSY),
        (Waiting(make_steering("1")), PERSON),
        (Waiting(make_steering("1", reply="red")), BUSY),
        (Parked(NOON, ("x",), ""), PERSON),
    ],
)
def test_each_claim_has_its_verdict(claim, verdict):
    state = make_state(make_issue("1"), records=(make_record("1", claim),))
    assert idleness(state, NOON) is verdict


def test_nothing_but_finished_issues_is_done():
    assert idleness(make_state(make_issue("1", "Done")), NOON) is DONE


def test_a_blocked_issue_alone_is_no_work():
    assert idleness(make_state(make_issue("1", blocked_by=("9",))), NOON) is DONE


def test_an_issue_parked_and_then_finished_by_hand_needs_nobody():
    parked = make_record("1", Parked(NOON, ("x",), ""))
    assert idleness(make_state(make_issue("1", "Done"), records=(parked,)), NOON) is DONE


def test_undelivered_work_is_never_idle():
    record = make_record("1", completion=Completion("1", "1.1", "t", "s", NOON))
    assert idleness(make_state(make_issue("1", "Done"), records=(record,)), NOON) is BUSY


def test_a_resting_adapter_is_waited_for():
    state = replace(make_state(make_issue("1")), adapter_pauses={"demo": after(60)})
    assert idleness(state, NOON) is BUSY


def test_paused_issues_are_not_waited_for():
    assert idleness(replace(make_state(make_issue("1")), paused=True), NOON) is DONE


def test_an_invalid_workflow_needs_a_person():
    problem = Problem("workflow_invalid", "WORKFLOW.md", "bad")
    assert idleness(replace(make_state(make_issue("1")), workflow_problems=(problem,)), NOON) is PERSON
