"""What follows when an attempt ends [CONTRACT 4.4-4.6]."""

from dataclasses import replace
from pathlib import Path

import pytest

import symphony
from symphony.core.claim import Continuing, Parked, Retrying, Running, Waiting
from symphony.core.decide import ending
from symphony.core.decide.ending import NEEDS_PERSON
from symphony.core.effect import StartAttempt, StartDelivery
from symphony.core.eligibility import why_not_startable
from symphony.core.event import (
    AttemptEnded,
    AttemptWaits,
    CompletionAccepted,
    CompletionWithdrawn,
    ReplyUsed,
    ResumeAsked,
    RetryAsked,
    SteeringAsked,
    Ticked,
)
from symphony.core.handoff import Completion, Handoff
from symphony.core.outcome import (
    Delivered,
    Failed,
    OutOfBudget,
    RateLimited,
    Released,
    Stopped,
    StopReason,
    TurnsExhausted,
)
from tests.support.world import (
    NOON,
    SPENT,
    after,
    after_events,
    make_issue,
    make_record,
    make_running,
    make_state,
    make_steering,
)

COMPLETION = Completion("1", "1.1", "Fix it", "Fixed.", NOON)
PATCH = Handoff("patch", "patch written")


def ended(outcome, issue_id="1", attempt_id="1.1"):
    return AttemptEnded(issue_id, attempt_id, outcome, SPENT)


def running_state(*, state="Todo", record=None, **sections):
    record = record or make_record("1", make_running("1"))
    return make_state(make_issue("1", state), records=(record,), **sections)


def claim_after(state, *events, at=0):
    return after_events(state, *events, at=at).state.records["1"].claim


def test_a_delivery_clears_the_slate():
    record = make_record(
        "1", make_running("1"), failures=2, failure_reasons=("a", "b"), completion=COMPLETION
    )
    decision = after_events(running_state(state="Done", record=record), ended(Delivered(PATCH)))
    after_record = decision.state.records["1"]
    assert (after_record.claim, after_record.failures, after_record.completion) == (None, 0, None)
    assert (after_record.last_handoff, after_record.usage) == ("patch written", SPENT)


def test_a_clean_exit_with_progress_continues_after_a_second_and_forgets_failures():
    record = make_record("1", make_running("1"), failures=3, failure_reasons=("a",))
    decision = after_events(running_state(record=record), ended(TurnsExhausted(20, progressed=True)))
    assert decision.state.records["1"].claim == Continuing(after(1), "Todo")
    assert decision.state.records["1"].failures == 0


def test_a_continuation_does_not_grow_the_backoff():
    state = running_state()
    for number in range(1, 6):
        state = after_events(state, ended(TurnsExhausted(20, True), attempt_id=f"1.{number}")).state
        state = after_events(state, Ticked(), at=1).state
    assert claim_after(state, ended(Failed("x", "x"), attempt_id="1.6")).due_at == after(10)


def test_fruitless_attempts_are_parked_after_max_failures_with_their_reasons():
    state = running_state(agent={"max_failures": 3})
    for number in (1, 2):
        state = after_events(state, ended(TurnsExhausted(20, False), attempt_id=f"1.{number}")).state
        assert isinstance(state.records["1"].claim, Continuing)
        state = after_events(state, Ticked(), at=1).state
    parked = claim_after(state, ended(TurnsExhausted(20, False), attempt_id="1.3"))
    assert parked == Parked(NOON, ("20 turns changed nothing",) * 3, "")


def test_a_failure_is_retried_with_a_growing_delay_and_then_parked():
    state, delays = running_state(), []
    for number in range(1, 5):
        decision = after_events(state, ended(Failed("git", f"failed {number}"), attempt_id=f"1.{number}"))
        claim = decision.state.records["1"].claim
        assert isinstance(claim, Retrying)
        delays.append((claim.due_at - NOON).total_seconds())
        state = after_events(decision.state, Ticked(), at=10_000).state
    assert delays == [10, 20, 40, 80]
    parked = claim_after(state, ended(Failed("git", "failed 5"), attempt_id="1.5"))
    assert parked.reasons == tuple(f"failed {n}" for n in range(1, 6))


@pytest.mark.parametrize("code", sorted(NEEDS_PERSON))
def test_what_only_a_person_can_mend_parks_the_issue_at_its_first_failure(code):
    message = "There is no guest image symphony. Build it with `symphony image build`."
    decision = after_events(running_state(), ended(Failed(code, message)))
    parked = decision.state.records["1"]
    assert (parked.claim, parked.failures) == (Parked(NOON, (message,), ""), 1)
    assert decision.changes.audit[0].reason == f"only a person can mend this: {message}"
    assert after_events(decision.state, Ticked(), at=1e6).effects == ()


def test_every_code_that_parks_is_one_that_a_room_raises():
    rooms = Path(symphony.__file__).parent
    raised = "".join(path.read_text() for path in rooms.rglob("*.py") if path != Path(ending.__file__))
    assert [code for code in sorted(NEEDS_PERSON) if f'"{code}"' not in raised] == []


def test_an_issue_parked_for_a_person_says_what_to_do_and_how_to_go_on():
    message = "There is no guest image symphony. Build it with `symphony image build`."
    decision = after_events(running_state(), ended(Failed("sandbox.image_missing", message)))
    why = why_not_startable(decision.state, decision.state.issues.get("1"), after(0))
    assert why.text == (
        "failed 1 time in a row and is parked; `symphony retry 1` or an edit of the file starts it again. "
        f"Last: {message}"
    )
    freed = after_events(decision.state, RetryAsked("1"), at=5)
    assert isinstance(freed.effects[0], StartAttempt)
    assert freed.state.records["1"].failures == 0


def test_what_only_a_person_can_mend_counts_with_the_failures_before_it():
    record = make_record("1", make_running("1"), failures=2, failure_reasons=("a", "b"))
    parked = claim_after(running_state(record=record), ended(Failed("agent.not_found", "no agent")))
    assert parked == Parked(NOON, ("a", "b", "no agent"), "")


def test_a_handoff_that_only_a_person_can_mend_is_retried_for_ever_all_the_same():
    record = make_record("1", make_running("1", delivering=True), completion=COMPLETION)
    claim = claim_after(running_state(record=record), ended(Failed("workspace.source_missing", "gone")))
    assert claim == Retrying(after(10), "gone", code="workspace.source_missing")


def test_a_question_that_is_open_outlives_what_only_a_person_can_mend():
    claim = claim_after(
        running_state(), SteeringAsked(make_steering("1")), ended(Failed("sandbox.mount_failed", "gone"))
    )
    assert claim == Waiting(make_steering("1"))


def test_a_parked_issue_is_not_started_again_by_time():
    record = make_record("1", Parked(NOON, ("x",), ""), failures=5)
    assert after_events(running_state(record=record), Ticked(), at=1e6).effects == ()


def test_a_rate_limit_rests_the_adapter_for_all_issues_and_counts_as_no_failure():
    state = make_state(
        make_issue("1"), make_issue("2", blocked_by=("1",)), records=(make_record("1", make_running("1")),)
    )
    limited = after_events(state, ended(RateLimited("demo", after(600), "429")))
    assert limited.state.adapter_pauses == {"demo": after(600)}
    assert limited.changes.adapter_pauses == {"demo": after(600)}
    assert limited.state.records["1"].failures == 0
    assert after_events(limited.state, Ticked(), at=599).effects == ()
    assert isinstance(after_events(limited.state, Ticked(), at=600).effects[0], StartAttempt)


def test_a_model_rests_until_the_latest_time_that_any_attempt_was_told():
    state = make_state(records=(make_record("1", make_running("1")), make_record("2", make_running("2"))))
    state = after_events(state, ended(RateLimited("demo", after(6000), "weekly limit"))).state
    event = AttemptEnded("2", "2.1", RateLimited("demo", after(300), "429"), SPENT)
    assert after_events(state, event).state.adapter_pauses == {"demo": after(6000)}


def test_a_person_ends_the_rest_of_every_model():
    state = replace(make_state(make_issue("1")), adapter_pauses={"demo": after(6000)})
    lifted = after_events(state, ResumeAsked(None))
    assert lifted.changes.adapter_pauses == {}
    assert isinstance(lifted.effects[0], StartAttempt)
    assert after_events(state, ResumeAsked("1")).state.adapter_pauses == {"demo": after(6000)}


def test_an_attempt_that_spent_the_budget_is_no_failure_and_its_issue_waits_for_a_person():
    record = make_record("1", make_running("1"), failures=2, failure_reasons=("one", "two"))
    state = make_state(make_issue("1"), records=(record,), agent={"budget": {"tokens": 10}})
    decision = after_events(state, ended(OutOfBudget("15 of 10 tokens", "Its work is kept.")))
    after_it = decision.state.records["1"]
    assert (after_it.claim, after_it.failures, after_it.usage) == (None, 2, SPENT)
    assert [entry.decision for entry in decision.changes.audit] == ["out_of_budget"]
    assert decision.effects == ()


def test_attempts_with_progress_that_end_at_the_same_checks_are_failures_from_the_second_on():
    state = running_state(agent={"max_failures": 2})
    for number, note in enumerate(("lint: 9 errors in 0.5 s", "lint: 9 errors in 0.7 s"), start=1):
        exhausted = TurnsExhausted(20, progressed=True, note=note)
        decision = after_events(state, ended(exhausted, attempt_id=f"1.{number}"))
        assert isinstance(decision.state.records["1"].claim, Continuing)
        state = after_events(decision.state, Ticked(), at=10).state
    assert state.records["1"].failures == 1
    other = TurnsExhausted(20, progressed=True, note="lint: 8 errors in 0.5 s")
    assert after_events(state, ended(other, attempt_id="1.3")).state.records["1"].failures == 0
    again = TurnsExhausted(20, progressed=True, note="lint: 9 errors in 0.6 s")
    assert isinstance(claim_after(state, ended(again, attempt_id="1.3")), Parked)


@pytest.mark.parametrize(
    ("reason", "claim"),
    [
        (StopReason.HELD, None),
        (StopReason.GONE, None),
        (StopReason.TERMINAL, None),
        (StopReason.DRAINED, None),
        (StopReason.CANCELLED, Parked(NOON, ("cancelled by you",), "", by_person=True)),
    ],
)
def test_each_reason_to_stop_has_its_follow_up(reason, claim):
    state = running_state(state="Proposed")
    assert claim_after(state, ended(Stopped(reason))) == claim


def test_a_stall_counts_as_a_failure_and_is_retried():
    claim = claim_after(running_state(), ended(Stopped(StopReason.STALLED)))
    assert claim == Retrying(after(10), "no event from the agent for 300 s")


def test_the_end_of_another_attempt_changes_nothing():
    state = running_state()
    decision = after_events(state, ended(Failed("x", "x"), attempt_id="1.0"))
    assert decision.state.records["1"] == state.records["1"]
    assert decision.changes.audit[0].reason == "attempt 1.0 ended, and it is not the current one"


def test_an_accepted_mark_done_is_delivered_whatever_becomes_of_its_attempt():
    for outcome in (Failed("disk", "full"), Stopped(StopReason.GONE), TurnsExhausted(1, False)):
        decision = after_events(running_state(), CompletionAccepted(COMPLETION), ended(outcome))
        if not decision.effects:
            decision = after_events(decision.state, Ticked(), at=10)
        assert isinstance(decision.effects[0], StartDelivery), outcome


def test_a_failing_handoff_is_retried_for_ever_and_never_parked():
    record = make_record("1", make_running("1", delivering=True), failures=99, completion=COMPLETION)
    claim = claim_after(running_state(record=record), ended(Failed("disk", "full")))
    assert claim == Retrying(after(300), "full", code="disk")


def test_a_withdrawn_completion_is_no_longer_delivered():
    decision = after_events(running_state(), CompletionAccepted(COMPLETION), CompletionWithdrawn("1", "1.1"))
    assert decision.state.records["1"].completion is None


def test_asking_frees_the_slot_only_when_the_turn_has_ended():
    question = make_steering("1")
    state = make_state(
        make_issue("1"),
        make_issue("2"),
        records=(make_record("1", make_running("1")),),
        agent={"max_concurrent_agents": 1},
    )
    asked = after_events(state, SteeringAsked(question))
    assert asked.effects == ()
    waits = after_events(asked.state, AttemptWaits("1", "1.1"))
    assert waits.state.records["1"].claim == Waiting(question, make_running("1"))
    assert [effect.issue.id for effect in waits.effects] == ["2"]


def test_a_process_that_dies_after_asking_leaves_the_question_open():
    claim = claim_after(
        running_state(), SteeringAsked(make_steering("1")), ended(Failed("agent.exited", "died"))
    )
    assert claim == Waiting(make_steering("1"))


def test_an_attempt_that_fails_in_its_reply_turn_counts_as_a_failure():
    answered = make_running("1", steering=make_steering("1", reply="red"))
    record = make_record("1", answered)
    assert isinstance(claim_after(running_state(record=record), ended(Failed("x", "boom"))), Retrying)


def test_a_used_reply_is_not_owed_to_another_attempt():
    answered = make_running("1", steering=make_steering("1", reply="red"))
    record = make_record("1", answered)
    claim = claim_after(
        running_state(record=record), ReplyUsed("1", "1.1", ("1.1.q1",)), ended(Stopped(StopReason.HELD))
    )
    assert not isinstance(claim, Waiting)


def test_a_released_session_keeps_the_question():
    record = make_record("1", Waiting(make_steering("1"), make_running("1")))
    assert claim_after(running_state(record=record), ended(Released())) == Waiting(make_steering("1"))


def test_attempt_numbers_never_repeat():
    decision = after_events(running_state(), ended(Failed("x", "x")))
    again = after_events(decision.state, Ticked(), at=10)
    assert isinstance(again.state.records["1"].claim, Running)
    assert again.effects[0].attempt_id == "1.2"
