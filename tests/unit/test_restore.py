"""What a restarted daemon begins with [CONTRACT 4.5; DESIGN: nothing is lost]."""

from datetime import timedelta

import pytest

from symphony.core.claim import Continuing, Parked, Retrying, Waiting
from symphony.core.ports import Memory
from symphony.core.restore import restore
from tests.support.world import NOON, after, make_record, make_steering, make_workflow


def restored(record=None, steering=None, **fields):
    memory = Memory(
        records={"1": record} if record else {}, steering={"1": steering} if steering else {}, **fields
    )
    return restore(make_workflow(), memory)


def test_a_retry_keeps_its_due_time():
    assert restored(make_record("1", Retrying(after(99), "x"))).record("1").claim == Retrying(after(99), "x")


@pytest.mark.parametrize(
    ("claim", "seconds"), [(Retrying(after(3600), "x"), 300), (Continuing(after(3600), "Todo"), 1)]
)
def test_what_is_due_later_than_any_wait_comes_due_in_time_though_the_clock_was_set_back(claim, seconds):
    memory = Memory(records={"1": make_record("1", claim)})
    due = restore(make_workflow(), memory, NOON).record("1").claim.due_at
    assert due == NOON + timedelta(seconds=seconds)
    assert restore(make_workflow(), memory, after(3500)).record("1").claim.due_at <= after(3600)


def test_an_open_question_keeps_its_issue_waiting():
    assert restored(make_record("1"), make_steering("1")).record("1").claim == Waiting(make_steering("1"))


def test_a_reply_that_no_attempt_has_had_starts_the_next_one():
    answered = make_steering("1", reply="red")
    assert restored(None, answered).record("1").claim == Waiting(answered)


def test_a_parked_issue_keeps_its_question_and_stays_parked():
    parked = Parked(NOON, ("cancelled by you",), "v1", by_person=True)
    claim = restored(make_record("1", parked), make_steering("1")).record("1").claim
    assert claim == Parked(NOON, ("cancelled by you",), "v1", by_person=True, steering=make_steering("1"))


def test_pauses_and_resting_adapters_are_kept():
    state = restored(paused=True, adapter_pauses={"claude": after(60)})
    assert state.paused
    assert state.adapter_pauses == {"claude": after(60)}


def test_a_reply_that_was_used_is_owed_to_no_attempt_after_a_restart():
    used = make_steering("1", "yes")
    for claim, left in [
        (Waiting(used), None),
        (Parked(NOON, ("x",), "", steering=used), Parked(NOON, ("x",), "")),
        (Retrying(NOON, "x", used), Retrying(NOON, "x")),
    ]:
        memory = Memory(records={"1": make_record("1", claim)})
        assert restore(make_workflow(), memory, NOON).records["1"].claim == left
        memory = Memory(records={"1": make_record("1", claim)}, steering={"1": used})
        assert restore(make_workflow(), memory, NOON).records["1"].claim == claim
