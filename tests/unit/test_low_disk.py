"""A disk that is nearly full lets nothing new start, says so with numbers, and lifts that by itself."""

from dataclasses import replace

import pytest

from symphony.core.claim import Retrying, Running, Waiting
from symphony.core.disk import MIB, HostDisk
from symphony.core.effect import ResumeAttempt, StartAttempt, StartDelivery
from symphony.core.eligibility import why_not_running
from symphony.core.event import HostSeen, Ticked, TrackerChanged, WorkflowChanged
from symphony.core.explain import explain
from symphony.core.handoff import Completion
from symphony.core.idle import Idleness, idleness
from symphony.core.picture import render_snapshot
from symphony.core.slots import Slots
from symphony.core.timer import HOST_LOOK, next_due
from symphony.core.usage import Usage
from tests.support.world import (
    NOON,
    after,
    after_events,
    make_issue,
    make_record,
    make_running,
    make_set,
    make_state,
    make_steering,
    make_workflow,
)

PLACE = "/project/.symphony/workspaces"


def disk(free_mib, total_mib=100_000):
    return HostSeen(None, HostDisk(free_mib * MIB, total_mib * MIB, PLACE))


def started(decision):
    return [effect.issue.id for effect in decision.effects if isinstance(effect, StartAttempt)]


def reason_for(state, issue_id):
    slots = Slots.of(state.workflow.settings, state.records.values())
    reason = why_not_running(state, state.issues.get(issue_id), slots, NOON)
    return reason and (reason.code, reason.text)


def low_state(*issues, records=(), **sections):
    """Return a state whose disk has 500 MiB free of the 1,024 that must be."""
    return after_events(make_state(*issues, records=tuple(records), **sections), disk(500), Ticked()).state


def test_an_issue_starts_while_as_much_is_free_as_must_be():
    assert started(after_events(make_state(make_issue("1")), disk(1024), Ticked())) == ["1"]


def test_with_less_nothing_starts_and_the_reason_has_the_numbers():
    waits = after_events(make_state(make_issue("1")), disk(1023), Ticked())
    assert started(waits) == []
    text = (
        "waits for disk space: /project/.symphony/workspaces has 1,023 MiB free and attempts start at "
        "1,126 MiB; `symphony gc` shows what takes room"
    )
    assert reason_for(waits.state, "1") == ("low_disk", text)
    snapshot = render_snapshot(waits.state, NOON, Usage())
    assert [(view.issue_id, view.code, view.reason) for view in snapshot.blocked] == [("1", "low_disk", text)]
    assert snapshot.status == "attention"
    assert snapshot.status_reason == (
        "/project/.symphony/workspaces: the disk is nearly full: no attempt starts until 1,126 MiB are free; "
        "`symphony gc` shows what takes room."
    )


def test_the_explanation_names_what_lifts_it_and_when_the_disk_is_looked_at_again():
    explained = explain(low_state(make_issue("1")), "1", NOON, ())
    assert explained.code == "low_disk"
    assert [(step.text, step.at) for step in explained.next] == [
        ("It starts as soon as 1,126 MiB of the disk are free", None),
        ("The disk is looked at again", NOON + HOST_LOOK),
    ]


def test_a_shortage_and_its_end_are_in_the_audit_once_each():
    state = make_state(make_issue("1"))
    said = []
    for event in (disk(500), disk(400), disk(1100), disk(1126), disk(9000)):
        decision = after_events(state, event)
        state = decision.state
        said += [(entry.decision, entry.issue_id) for entry in decision.changes.audit]
    assert said == [("hold", None), ("lift", None)]


def test_a_disk_that_hovers_at_the_limit_does_not_stop_and_start_attempts_in_turn():
    state = make_state(make_issue("1"))
    for free in (1023, 1024, 1030, 1125):
        decision = after_events(state, disk(free), Ticked())
        assert started(decision) == [], free
        state = decision.state
    assert started(after_events(state, disk(1126), Ticked())) == ["1"]


def test_the_words_of_the_problem_hold_as_long_as_it_does():
    first = low_state(make_issue("1"))
    later = after_events(first, disk(137), Ticked()).state
    assert first.disk_room.problem == later.disk_room.problem
    assert first.disk_room.lacking != later.disk_room.lacking


def test_what_runs_goes_on_and_so_do_answers_and_handoffs():
    waiting = Waiting(make_steering("2", "Yes."), make_running("2"))
    records = [
        make_record("1", make_running("1")),
        make_record("2", waiting),
        make_record("3", completion=Completion("3", "3.1", "Done", "All of it.", NOON), attempts=1),
    ]
    issues = [make_issue("1"), make_issue("2"), make_issue("3", "Done"), make_issue("4")]
    decision = after_events(make_state(*issues, records=tuple(records)), disk(10), Ticked())
    assert isinstance(decision.state.record("1").claim, Running)
    kinds = {type(effect) for effect in decision.effects}
    assert kinds == {ResumeAttempt, StartDelivery}


def test_a_retry_that_is_due_waits_as_well_and_starts_when_there_is_room():
    record = make_record("1", Retrying(NOON, "it broke"), failures=1, attempts=1)
    state = low_state(make_issue("1"), records=[record])
    assert reason_for(state, "1")[0] == "low_disk"
    assert started(after_events(state, disk(5000), Ticked())) == ["1"]


@pytest.mark.parametrize("seen", [HostSeen(None, None), HostSeen(None)])
def test_where_the_free_space_is_unknown_nothing_waits(seen):
    assert started(after_events(low_state(make_issue("1")), seen, Ticked())) == ["1"]


def test_without_the_setting_nothing_waits():
    state = make_state(make_issue("1"), retention={"min_free_mib": None})
    assert started(after_events(state, disk(1), Ticked())) == ["1"]


def test_a_lower_setting_lifts_a_shortage_by_the_old_one_at_once():
    state = low_state(make_issue("1"))
    lower = make_workflow(retention={"min_free_mib": 480})
    assert started(after_events(state, WorkflowChanged(lower))) == ["1"]


def test_a_higher_setting_counts_with_what_was_last_seen():
    state = after_events(make_state(), disk(5000)).state
    higher = make_workflow(retention={"min_free_mib": 50_000})
    issues = make_set(make_issue("1"))
    decision = after_events(state, WorkflowChanged(higher), TrackerChanged(issues))
    assert started(decision) == []
    assert reason_for(decision.state, "1")[0] == "low_disk"


def test_more_than_the_disk_has_is_told_as_what_it_is():
    state = make_state(make_issue("1"), retention={"min_free_mib": 200_000})
    state = after_events(state, disk(90_000), Ticked()).state
    assert reason_for(state, "1") == (
        "low_disk",
        "retention.min_free_mib is 200,000 MiB and the disk of /project/.symphony/workspaces has 100,000 MiB "
        "in all; lower the setting",
    )
    assert str(state.disk_room.problem) == (
        "/project/.symphony/workspaces: the disk is smaller than retention.min_free_mib, 200,000 MiB: "
        "no attempt starts until it is lower."
    )
    assert [step.text for step in explain(state, "1", NOON, ()).next] == [
        "Nothing, ever, on this disk, until retention.min_free_mib is lower"
    ]


def test_a_setting_just_below_the_whole_disk_can_still_be_met():
    room = replace(low_state().disk_room, disk=HostDisk(0, 1026 * MIB, PLACE))
    assert room.enough == 1025 * MIB


def test_the_disk_is_looked_at_again_soon_while_it_is_low_and_only_then():
    state = low_state(make_issue("1"))
    assert next_due(state, NOON) == NOON + HOST_LOOK
    assert next_due(after_events(make_state(), disk(5000)).state, NOON) is None


def test_a_disk_with_room_changes_nothing_that_is_shown_when_it_is_looked_at_again():
    state = after_events(make_state(make_issue("1")), disk(50_000)).state
    assert after_events(state, disk(50_100), at=30).state is state


def test_a_run_until_idle_ends_and_asks_for_a_person_when_only_room_is_missing():
    assert idleness(low_state(make_issue("1")), NOON) is Idleness.NEEDS_A_PERSON
    assert idleness(low_state(make_issue("1", "Done")), NOON) is Idleness.DONE
    running = low_state(make_issue("1"), make_issue("2"), records=[make_record("2", make_running("2"))])
    assert idleness(running, after(1)) is Idleness.BUSY


def test_a_stop_and_a_pause_are_named_before_the_disk():
    state = replace(low_state(make_issue("1")), paused=True)
    assert reason_for(state, "1")[0] == "all_paused"
