"""What needs a person, as every surface shows it and as people are told of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from symphony.core.access import AccessRequest
from symphony.core.access_view import AccessView
from symphony.core.attention import NeedKind, needs_of
from symphony.core.claim import Parked
from symphony.core.picture import render_snapshot
from symphony.core.problem import Problem
from symphony.core.snapshot import BlockedView, RetryingView, Snapshot, WaitingView
from symphony.core.usage import Usage
from tests.support.world import make_issue, make_record, make_state, make_steering

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUESTION = make_steering("1")
EVERYTHING = Snapshot(
    NOON,
    waiting=(WaitingView("1", "APP-1", "Choose", QUESTION, "waits for your answer"),),
    access=(AccessView("2", "APP-2", "Fetch", AccessRequest("pypi.org", 443, 1, NOON, NOON)),),
    retrying=(
        RetryingView("3", "APP-3", "handoff", NOON, 1, "the disk is full"),
        RetryingView("4", "APP-4", "retry", NOON, 1, "the agent exited"),
    ),
    blocked=(
        BlockedView("5", "APP-5", "Fix", "Todo", "failed", "failed 5 times", NOON),
        BlockedView("6", "APP-6", "Pay", "Todo", "out_of_budget", "out of budget"),
        BlockedView("7", "APP-7", "Later", "Todo", "blocked", "blocked by 6"),
    ),
    problems=(Problem("issue_unreadable", "Todo/x.md", "is not UTF-8"),),
)


def test_everything_that_needs_a_person_has_a_key_of_its_own_the_most_urgent_kind_first() -> None:
    assert [need.key for need in needs_of(EVERYTHING)] == [
        f"question:{QUESTION.id}",
        "access:2:pypi.org",
        "handoff:3",
        "parked:5:2026-01-01T12:00:00+00:00",
        "parked:6:out_of_budget",
        "problem:issue_unreadable:Todo/x.md",
    ]


def test_nothing_needs_a_person_where_nothing_does() -> None:
    assert needs_of(Snapshot(NOON)) == ()


def test_a_question_carries_its_context_and_time() -> None:
    need = needs_of(EVERYTHING)[0]
    assert (need.kind, need.text, need.context, need.since) == (
        NeedKind.QUESTION,
        QUESTION.question,
        QUESTION.context,
        QUESTION.asked_at,
    )


def test_an_answered_question_needs_nobody() -> None:
    answered = replace(EVERYTHING.waiting[0], steering=make_steering("1", "blue"))
    assert needs_of(Snapshot(NOON, waiting=(answered,))) == ()


def test_two_problems_at_one_place_are_two_things() -> None:
    problems = (
        Problem("workflow_warning", "WORKFLOW.md", "one"),
        Problem("workflow_warning", "WORKFLOW.md", "two"),
    )
    keys = [need.key for need in needs_of(Snapshot(NOON, problems=problems))]
    assert keys == ["problem:workflow_warning:WORKFLOW.md", "problem:workflow_warning:WORKFLOW.md:2"]


def test_an_issue_that_is_parked_again_is_another_thing() -> None:
    def parked(at: datetime) -> str:
        record = make_record("1", Parked(at, ("broke",), "r1"), failures=5)
        state = make_state(make_issue("1"), records=(record,))
        return needs_of(render_snapshot(state, NOON, Usage()))[0].key

    assert parked(NOON) != parked(NOON + timedelta(hours=1))
