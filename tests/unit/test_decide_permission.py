"""A turn that waits for a person's permission: its slot, its clock, and when the answer reaches it."""

from dataclasses import replace

import pytest

from symphony.core.attention import NeedKind, needs_of
from symphony.core.claim import Continuing, Running
from symphony.core.decide import CommandRefused
from symphony.core.effect import AnswerPermission, StartAttempt, StopAttempt
from symphony.core.event import (
    AttemptEnded,
    AttemptWaits,
    CancelAsked,
    DrainAsked,
    PermissionAsked,
    PermissionClosed,
    PermissionGiven,
    SteeringAsked,
    Ticked,
)
from symphony.core.idle import Idleness, idleness
from symphony.core.outcome import Stopped, StopReason
from symphony.core.permission import PermissionAnswer, PermissionRequest, Proposal
from symphony.core.picture import render_snapshot, standing
from symphony.core.timer import next_due
from symphony.core.usage import Usage
from tests.support.world import (
    NOON,
    after,
    after_events,
    make_issue,
    make_record,
    make_running,
    make_state,
    make_steering,
)

ONE_SLOT = {"agent": {"max_concurrent_agents": 1}}


def make_request(issue_id="1", number=1, title="rm -rf build"):
    proposal = Proposal(title, "execute", title, '{"command": "rm"}')
    return PermissionRequest(f"{issue_id}.1.{number}", issue_id, f"{issue_id}.1", proposal, NOON)


def asking(*issues, requests=None, **sections):
    """Issue 1 runs and asks; what else there is waits for a slot."""
    record = make_record("1", make_running("1"))
    state = make_state(make_issue("1"), *issues, records=(record,), **sections)
    for request in requests or [make_request()]:
        state = after_events(state, PermissionAsked(request)).state
    return state


def given(answer=PermissionAnswer.ONCE, request_id="1.1.1"):
    return PermissionGiven("1", request_id, answer)


def permissions(state):
    return state.records["1"].claim.permissions


def test_while_a_turn_waits_for_permission_its_slot_is_another_issues():
    record = make_record("1", make_running("1"))
    state = make_state(make_issue("1"), make_issue("2"), records=(record,), **ONE_SLOT)
    assert after_events(state, Ticked()).effects == ()
    decision = after_events(state, PermissionAsked(make_request()))
    assert isinstance(decision.effects[0], StartAttempt)
    assert decision.effects[0].issue.id == "2"


def test_an_answer_is_handed_over_at_once_when_a_slot_is_free():
    decision = after_events(asking(), given(PermissionAnswer.ALWAYS), at=9)
    assert decision.effects == (AnswerPermission("1", "1.1", "1.1.1", PermissionAnswer.ALWAYS),)
    assert permissions(decision.state) == ()
    assert decision.state.records["1"].claim.last_event_at == after(9)


def test_an_answer_waits_for_a_slot_and_takes_the_first_that_is_free():
    state = asking(make_issue("2"), **ONE_SLOT)
    waiting = after_events(state, given())
    assert waiting.effects == ()
    snapshot = render_snapshot(waiting.state, NOON, Usage())
    assert (snapshot.running[0].permissions[0].open, needs_of(snapshot)) == (False, ())
    assert standing(waiting.state, "1", NOON) == (
        "Running: permission answered; waits for a free slot, turn 1 of 20."
    )
    ended = AttemptEnded("2", "2.1", Stopped(StopReason.HELD), Usage())
    decision = after_events(waiting.state, ended)
    assert decision.effects == (AnswerPermission("1", "1.1", "1.1.1", PermissionAnswer.ONCE),)


def test_a_turn_that_waits_for_permission_never_stalls_and_is_given_its_time_again():
    state = asking()
    assert next_due(state, NOON) is None
    assert after_events(state, Ticked(), at=100_000).effects == ()
    answered = after_events(state, given(), at=100_000).state
    assert next_due(answered, after(100_000)) == after(100_300)
    assert after_events(answered, Ticked(), at=100_299).effects == ()
    stopped = after_events(answered, Ticked(), at=100_300)
    assert stopped.effects == (StopAttempt("1", "1.1", StopReason.STALLED),)


def test_several_open_requests_are_answered_one_by_one():
    state = asking(requests=[make_request(), make_request(number=2, title="curl x")])
    with pytest.raises(CommandRefused) as caught:
        after_events(state, given(request_id=None))
    assert (caught.value.code, str(caught.value)) == (
        "several_permissions",
        "Issue 1 asks for 2 permissions. Name one with --request; `symphony permission list 1` shows them.",
    )
    first = after_events(state, given(request_id="1.1.2"))
    assert first.effects == (AnswerPermission("1", "1.1", "1.1.2", PermissionAnswer.ONCE),)
    assert [request.id for request in permissions(first.state)] == ["1.1.1"]
    last = after_events(first.state, given(PermissionAnswer.DENY, request_id=None))
    assert last.effects == (AnswerPermission("1", "1.1", "1.1.1", PermissionAnswer.DENY),)


@pytest.mark.parametrize("request_id", ["1.1.1", None])
def test_a_second_answer_is_refused(request_id):
    state = after_events(asking(make_issue("2"), **ONE_SLOT), given()).state
    with pytest.raises(CommandRefused) as caught:
        after_events(state, given(PermissionAnswer.DENY, request_id))
    assert (caught.value.code, str(caught.value)) == (
        "no_open_permission",
        "Issue 1 waits for no such permission. "
        "It was answered already, or its turn has ended; `symphony inbox` shows what is open.",
    )


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (given(request_id="1.1.7"), "no_open_permission"),
        (PermissionGiven("2", None, PermissionAnswer.ONCE), "no_open_permission"),
        (PermissionGiven("9", None, PermissionAnswer.ONCE), "issue_not_found"),
    ],
)
def test_an_answer_to_nothing_is_refused(event, code):
    with pytest.raises(CommandRefused) as caught:
        after_events(asking(make_issue("2")), event)
    assert caught.value.code == code


def test_a_request_that_its_turn_withdraws_is_forgotten_and_holds_the_slot_again():
    state = asking(**ONE_SLOT)
    closed = after_events(state, PermissionClosed("1", "1.1", "1.1.1")).state
    assert permissions(closed) == ()
    closed = closed.with_issues(make_state(make_issue("1"), make_issue("2")).issues)
    assert after_events(closed, Ticked()).effects == ()


def test_an_attempt_that_is_stopped_while_it_asks_takes_no_slot_from_others():
    state = asking(make_issue("2"), **ONE_SLOT)
    stopping = after_events(state, CancelAsked("1")).state
    closed = after_events(stopping, PermissionClosed("1", "1.1", "1.1.1")).state
    assert permissions(closed) != ()
    with pytest.raises(CommandRefused):
        after_events(closed, given())


def test_a_request_of_an_attempt_that_is_over_is_ignored():
    state = make_state(make_issue("1"), records=(make_record("1", make_running("1", attempt_id="1.2")),))
    assert permissions(after_events(state, PermissionAsked(make_request())).state) == ()


def test_a_drain_ends_an_attempt_that_waits_for_permission_at_once():
    stop = StopAttempt("1", "1.1", StopReason.DRAINED)
    assert after_events(asking(), DrainAsked()).effects == (stop,)
    draining = after_events(make_state(records=(make_record("1", make_running("1")),)), DrainAsked()).state
    assert after_events(draining, PermissionAsked(make_request())).effects == (stop,)


def test_a_question_in_the_same_turn_takes_the_request_with_it():
    state = after_events(asking(), SteeringAsked(make_steering("1")), AttemptWaits("1", "1.1")).state
    assert state.records["1"].claim.attempt.permissions == ()


def test_a_run_until_idle_ends_when_only_permissions_are_missing():
    state = asking()
    assert idleness(state, NOON) is Idleness.NEEDS_A_PERSON
    answered = replace(make_request(), answer=PermissionAnswer.ONCE)
    record = make_record("1", make_running("1", permissions=(answered,)))
    assert idleness(make_state(make_issue("1"), records=(record,)), NOON) is Idleness.BUSY


def test_an_open_request_needs_a_person_and_says_so():
    state = asking()
    snapshot = render_snapshot(state, NOON, Usage())
    (need,) = needs_of(snapshot)
    assert (need.kind, need.key, need.text, need.context) == (
        NeedKind.PERMISSION,
        "permission:1.1.1",
        "Its agent asks to execute: rm -rf build",
        '{"command": "rm"}',
    )
    assert (snapshot.status, snapshot.status_reason) == ("attention", "1 permission to give or refuse")
    assert snapshot.counts["permissions"] == 1
    assert standing(state, "1", NOON) == ("Running: waiting for your permission: rm -rf build, turn 1 of 20.")


def test_a_pending_continuation_keeps_its_slot_from_an_answer():
    continuing = make_record("2", Continuing(after(60), "Todo"))
    record = make_record("1", make_running("1", permissions=(make_request(),)))
    state = make_state(make_issue("1"), make_issue("2"), records=(record, continuing), **ONE_SLOT)
    assert after_events(state, given()).effects == ()
    assert isinstance(state.records["1"].claim, Running)
