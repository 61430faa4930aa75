"""What a person asks of the scheduler, and the exact words of each refusal."""

import pytest

from symphony.core.claim import Continuing, Parked, Retrying, Running, Waiting
from symphony.core.decide import CommandRefused
from symphony.core.effect import StartAttempt, StopAttempt
from symphony.core.event import CancelAsked, PauseAsked, ReplyGiven, ResumeAsked, RetryAsked, SteeringAsked
from symphony.core.handoff import Completion
from symphony.core.outcome import StopReason
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


def with_claim(claim, **fields):
    return make_state(make_issue("1"), records=(make_record("1", claim, **fields),))


def refusal(state, event):
    with pytest.raises(CommandRefused) as caught:
        after_events(state, event)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    "claim", [Parked(NOON, ("x",), ""), Retrying(after(99), "x"), Continuing(after(9), "Todo")]
)
def test_a_retry_starts_the_issue_at_once_and_forgets_its_failures(claim):
    decision = after_events(with_claim(claim, failures=4, failure_reasons=("x",)), RetryAsked("1"))
    assert isinstance(decision.effects[0], StartAttempt)
    assert decision.state.records["1"].failures == 0


def test_a_retry_of_a_parked_question_waits_for_the_answer_again():
    parked = Parked(NOON, ("cancelled by you",), "", by_person=True, steering=make_steering("1"))
    decision = after_events(with_claim(parked), RetryAsked("1"))
    assert decision.state.records["1"].claim == Waiting(make_steering("1"))


def test_a_retry_of_a_running_issue_is_refused():
    assert refusal(with_claim(make_running("1")), RetryAsked("1")) == (
        "already_running",
        "Issue 1 is running. `symphony cancel 1` ends the attempt.",
    )


def test_a_retry_of_a_waiting_issue_names_the_question():
    assert refusal(with_claim(Waiting(make_steering("1"))), RetryAsked("1")) == (
        "waiting_for_reply",
        "Issue 1 waits for your answer to: Which colour? Answer with `symphony reply 1 TEXT`.",
    )


@pytest.mark.parametrize("event", [RetryAsked("7"), CancelAsked("7"), PauseAsked("7"), ResumeAsked("7")])
def test_an_unknown_issue_is_refused(event):
    assert refusal(make_state(make_issue("1")), event) == (
        "issue_not_found",
        "There is no issue 7. `symphony status` lists the issues.",
    )


def test_cancel_stops_the_attempt():
    decision = after_events(with_claim(make_running("1")), CancelAsked("1"))
    assert decision.effects == (StopAttempt("1", "1.1", StopReason.CANCELLED),)


def test_cancel_of_a_queued_retry_parks_the_issue():
    decision = after_events(with_claim(Retrying(after(9), "x")), CancelAsked("1"))
    assert decision.state.records["1"].claim == Parked(NOON, ("cancelled by you",), "", by_person=True)


def test_cancel_keeps_an_open_question():
    decision = after_events(with_claim(Waiting(make_steering("1"))), CancelAsked("1"))
    assert decision.state.records["1"].claim.steering == make_steering("1")


def test_cancel_of_an_idle_issue_is_refused():
    assert refusal(make_state(make_issue("1")), CancelAsked("1")) == (
        "not_running",
        "Issue 1 is not running. `symphony pause 1` keeps it from being started.",
    )


def test_cancel_of_finished_work_is_refused():
    completion = Completion("1", "1.1", "t", "s", NOON)
    assert refusal(with_claim(make_running("1"), completion=completion), CancelAsked("1")) == (
        "already_done",
        "Issue 1 is done and its work is being handed over. "
        "Wait for the handoff, then move the issue where you want it.",
    )


def test_a_pause_lets_the_running_attempt_go_on():
    decision = after_events(with_claim(make_running("1")), PauseAsked("1"))
    assert decision.effects == ()
    assert isinstance(decision.state.records["1"].claim, Running)


def test_a_pause_of_everything_is_durable_and_is_lifted():
    paused = after_events(make_state(make_issue("1"), agent={"max_concurrent_agents": 1}), PauseAsked(None))
    assert paused.changes.paused is True
    assert paused.effects == ()
    lifted = after_events(paused.state, ResumeAsked(None))
    assert lifted.changes.paused is False
    assert isinstance(lifted.effects[0], StartAttempt)


def test_a_reply_before_the_turn_has_ended_is_kept():
    asked = make_running("1", steering=make_steering("1"))
    decision = after_events(with_claim(asked), ReplyGiven(make_steering("1", reply="red")))
    assert decision.state.records["1"].claim.steering.reply == "red"


def test_a_reply_that_is_quicker_than_its_question_is_kept():
    answered = make_steering("1", reply="red", id="1.1.q2")
    asked = make_steering("1", id="1.1.q2")
    earlier = make_running("1", steering=make_steering("1", reply="blue"))
    decision = after_events(with_claim(earlier), ReplyGiven(answered), SteeringAsked(asked))
    assert decision.state.records["1"].claim.steering == answered


def test_a_reply_to_a_question_of_an_earlier_attempt_is_kept_by_the_one_that_owes_it():
    owes = make_running("1", attempt_id="1.2", number=2, steering=make_steering("1"))
    decision = after_events(with_claim(owes), ReplyGiven(make_steering("1", reply="red")))
    assert decision.state.records["1"].claim.steering.reply == "red"


def test_a_reply_to_a_parked_issue_is_kept_for_its_next_attempt():
    parked = Parked(NOON, ("cancelled by you",), "", by_person=True, steering=make_steering("1"))
    replied = after_events(with_claim(parked), ReplyGiven(make_steering("1", reply="red")))
    again = after_events(replied.state, RetryAsked("1"))
    assert again.state.records["1"].claim.steering == make_steering("1", reply="red")
