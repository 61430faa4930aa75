"""What runs is held against what the tracker says now [CONTRACT 4.6, 4.7]."""

from datetime import timedelta
from pathlib import Path

from symphony.core.claim import Continuing, Parked, Phase, Retrying, Waiting
from symphony.core.decide import DRAIN_GRACE
from symphony.core.effect import StopAttempt, UpdateIssue
from symphony.core.event import AttemptProgressed, DrainAsked, Ticked, TrackerChanged
from symphony.core.handoff import Completion
from symphony.core.issue import IssueSet
from symphony.core.outcome import StopReason
from symphony.core.timer import next_due
from tests.support.world import (
    NOON,
    SPENT,
    after,
    after_events,
    make_issue,
    make_record,
    make_running,
    make_set,
    make_state,
    make_steering,
)

RUNNING = make_record("1", make_running("1"))


def stops(decision):
    return [(e.issue_id, e.reason) for e in decision.effects if isinstance(e, StopAttempt)]


def changed(record=RUNNING, *issues, at=0.0, **fields):
    state = make_state(make_issue("1"), records=(record,))
    return after_events(state, TrackerChanged(make_set(*issues, **fields)), at=at)


def test_an_issue_moved_to_a_terminal_state_stops_its_attempt():
    decision = changed(RUNNING, make_issue("1", "Done"))
    assert stops(decision) == [("1", StopReason.TERMINAL)]
    assert decision.changes.audit[0].reason == "moved to Done"


def test_an_issue_moved_to_a_holding_state_stops_its_attempt():
    assert stops(changed(RUNNING, make_issue("1", "Proposed"))) == [("1", StopReason.HELD)]


def test_an_attempt_is_told_to_stop_only_once():
    first = changed(RUNNING, make_issue("1", "Done"))
    assert stops(after_events(first.state, Ticked(), at=1)) == []


def test_a_file_that_vanishes_for_a_moment_does_not_stop_its_attempt():
    gone = changed(RUNNING)
    assert stops(gone) == []
    assert next_due(gone.state, NOON) == after(2)
    back = after_events(gone.state, TrackerChanged(make_set(make_issue("1"))), at=1)
    assert stops(after_events(back.state, Ticked(), at=5)) == []


def test_a_file_that_stays_away_stops_its_attempt():
    gone = changed(RUNNING)
    assert stops(after_events(gone.state, Ticked(), at=2)) == [("1", StopReason.GONE)]


def test_a_file_that_cannot_be_read_for_now_does_not_stop_its_attempt():
    unreadable = changed(RUNNING, unreadable=frozenset({"1"}))
    assert stops(after_events(unreadable.state, Ticked(), at=100)) == []


def test_a_stale_copy_in_a_terminal_state_does_not_stop_the_live_run():
    conflict = changed(RUNNING, conflicts={"1": (Path("/issues/Todo/1.md"), Path("/issues/Done/1.md"))})
    assert stops(after_events(conflict.state, Ticked(), at=100)) == []


def test_an_edit_reaches_the_running_attempt_once():
    edited = make_issue("1", revision="2")
    decision = changed(RUNNING, edited)
    assert decision.effects == (UpdateIssue(edited, "1.1"),)
    assert after_events(decision.state, Ticked()).effects == ()


def test_a_move_within_active_states_counts_for_the_new_states_slots_and_is_no_edit():
    decision = changed(RUNNING, make_issue("1", "In Progress"))
    assert decision.effects == ()
    assert decision.state.records["1"].claim.state == "In Progress"


def test_a_delivery_is_not_stopped_by_its_own_move():
    completion = Completion("1", "1.1", "t", "s", NOON)
    assert (
        stops(changed(make_record("1", make_running("1"), completion=completion), make_issue("1", "Done")))
        == []
    )
    assert stops(changed(make_record("1", make_running("1", delivering=True)), make_issue("1", "Done"))) == []


def test_a_silent_turn_stalls_at_its_limit():
    state = make_state(make_issue("1"), records=(RUNNING,))
    assert next_due(state, NOON) == after(300)
    assert stops(after_events(state, Ticked(), at=299.9)) == []
    decision = after_events(state, Ticked(), at=300)
    assert stops(decision) == [("1", StopReason.STALLED)]
    assert decision.changes.audit[0].reason == "no event from the agent for 300 s"


def test_the_time_for_which_the_machine_slept_is_no_silence():
    state = make_state(make_issue("1"), records=(RUNNING,))
    decision = after_events(state, Ticked(timedelta(hours=1)), at=3600)
    assert stops(decision) == []
    assert stops(after_events(decision.state, Ticked(), at=3600 + 299)) == []
    assert stops(after_events(decision.state, Ticked(), at=3600 + 300)) == [("1", StopReason.STALLED)]


def test_a_sign_of_life_defers_the_stall():
    progress = AttemptProgressed("1", "1.1", Phase.TURN, 2, "said hello", SPENT, after(200))
    state = after_events(make_state(make_issue("1"), records=(RUNNING,)), progress).state
    assert stops(after_events(state, Ticked(), at=300)) == []
    assert state.records["1"].claim.last_event == "said hello"


def test_waiting_for_a_person_is_no_stall():
    waiting = make_record("1", Waiting(make_steering("1"), make_running("1")))
    assert stops(after_events(make_state(make_issue("1"), records=(waiting,)), Ticked(), at=1e6)) == []


def test_slow_phases_outside_a_turn_have_bounds_of_their_own_and_do_not_stall():
    hook = make_record("1", make_running("1", phase=Phase.BEFORE_RUN))
    assert stops(after_events(make_state(make_issue("1"), records=(hook,)), Ticked(), at=1e6)) == []


def test_a_stall_limit_of_zero_is_off():
    off = make_record("1", make_running("1", stall_timeout_ms=0))
    assert stops(after_events(make_state(make_issue("1"), records=(off,)), Ticked(), at=1e6)) == []


def test_queued_claims_of_inactive_issues_are_released():
    for claim in (Retrying(after(10), "x"), Continuing(after(10), "Todo")):
        assert changed(make_record("1", claim), make_issue("1", "Done")).state.records["1"].claim is None
        assert changed(make_record("1", claim)).state.records["1"].claim is None
        unreadable = changed(make_record("1", claim), unreadable=frozenset({"1"}))
        assert unreadable.state.records["1"].claim == claim


def test_a_question_outlives_a_move_of_its_issue():
    waiting = make_record("1", Waiting(make_steering("1")))
    assert changed(waiting, make_issue("1", "Proposed")).state.records["1"].claim == waiting.claim


def test_a_waiting_attempt_is_stopped_with_its_issue():
    waiting = make_record("1", Waiting(make_steering("1"), make_running("1")))
    assert stops(changed(waiting, make_issue("1", "Done"))) == [("1", StopReason.TERMINAL)]


def test_an_edit_frees_a_parked_issue_and_a_mere_move_does_not():
    parked = make_record("1", Parked(NOON, ("x",), "v1"), failures=5, failure_reasons=("x",))
    edited = changed(parked, make_issue("1", revision="v2"))
    assert [effect.attempt_id for effect in edited.effects] == ["1.1"]
    assert edited.state.records["1"].failures == 0
    moved = changed(parked, make_issue("1", "In Progress", revision="v1"))
    assert moved.effects == ()


def test_a_parked_question_is_asked_again_after_an_edit():
    parked = make_record("1", Parked(NOON, ("x",), "v1", steering=make_steering("1")))
    claim = changed(parked, make_issue("1", revision="v2")).state.records["1"].claim
    assert claim == Waiting(make_steering("1"))


def test_draining_lets_attempts_finish_within_the_grace_and_releases_waiting_ones():
    waiting = make_record("2", Waiting(make_steering("2"), make_running("2")))
    state = make_state(make_issue("1"), make_issue("2"), make_issue("3"), records=(RUNNING, waiting))
    drained = after_events(state, DrainAsked())
    assert stops(drained) == [("2", StopReason.DRAINED)]
    grace = DRAIN_GRACE.total_seconds()
    assert stops(after_events(drained.state, Ticked(), at=grace - 1)) == []
    assert stops(after_events(drained.state, Ticked(), at=grace)) == [("1", StopReason.DRAINED)]


def test_a_second_signal_skips_the_grace():
    state = make_state(make_issue("1"), records=(RUNNING,))
    assert stops(after_events(state, DrainAsked(), DrainAsked(now=True))) == [("1", StopReason.DRAINED)]


def test_an_empty_tracker_is_no_error():
    assert after_events(make_state(), TrackerChanged(IssueSet())).effects == ()


def test_an_attempt_stalls_also_while_its_file_cannot_be_read():
    state = make_state(records=(make_record("1", make_running("1")),))
    state = state.with_issues(
        make_set(conflicts={"1": (Path("/issues/Todo/1.md"), Path("/issues/Done/1.md"))})
    )
    assert after_events(state, Ticked(), at=299).effects == ()
    assert after_events(state, Ticked(), at=300).effects == (StopAttempt("1", "1.1", StopReason.STALLED),)
