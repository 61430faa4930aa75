"""Attempts wait until the host's memory would hold their machine, and say so."""

from dataclasses import replace

import pytest

from symphony.core.admission import MIB, RESERVE_BYTES, HostMemory
from symphony.core.claim import Continuing, IssueRecord, Phase, Running, Waiting
from symphony.core.effect import ResumeAttempt, StartAttempt, StartDelivery
from symphony.core.eligibility import why_not_running
from symphony.core.event import AttemptEnded, HostSeen, MachineSeen, PauseAsked, Ticked, TrackerChanged
from symphony.core.handoff import Completion
from symphony.core.idle import Idleness, idleness
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.outcome import Stopped, StopReason
from symphony.core.picture import render_snapshot, standing
from symphony.core.slots import Slots
from symphony.core.timer import HOST_LOOK, next_due
from symphony.core.usage import Usage
from tests.support.world import (
    NOON,
    SPENT,
    after_events,
    make_issue,
    make_record,
    make_running,
    make_set,
    make_state,
    make_steering,
)

RESERVE_MIB = RESERVE_BYTES // MIB
FITS = 2048 + RESERVE_MIB


def host(free_mib, total_mib=16_384):
    return HostSeen(HostMemory(free_mib * MIB, total_mib * MIB))


def machine(state=MachineState.RUNNING, used_mib=300):
    return MachineUsage("m", state, used_mib * MIB, 5.0)


def micro(*issues, records=(), sandbox="smolvm", **sections):
    """Return a state whose attempts run in machines of 2 GiB."""
    sections = {"agent": {"max_concurrent_agents": 4}, **sections}
    return make_state(*issues, records=tuple(records), sandbox=sandbox, **sections)


def reason_for(state, issue_id):
    slots = Slots.of(state.workflow.settings, state.records.values())
    reason = why_not_running(state, state.issues.get(issue_id), slots, NOON)
    return reason and (reason.code, reason.text)


def started(decision):
    return [effect.issue.id for effect in decision.effects if isinstance(effect, StartAttempt)]


def test_an_attempt_starts_when_the_free_memory_holds_its_machine_beside_the_reserve():
    assert started(after_events(micro(make_issue("1")), host(FITS), Ticked())) == ["1"]


def test_an_attempt_whose_machine_does_not_fit_waits_and_says_the_numbers():
    busy = make_record("0", make_running("0", machine=machine()))
    waits = after_events(micro(make_issue("1"), records=[busy]), host(1103), Ticked())
    assert started(waits) == []
    assert waits.changes.audit == ()
    assert reason_for(waits.state, "1") == (
        "no_memory",
        "waits for memory: a machine needs 2,048 MiB and the host has 1,103 MiB free",
    )
    blocked = render_snapshot(waits.state, NOON, Usage()).blocked
    assert [(view.issue_id, view.code) for view in blocked] == [("1", "no_memory")]
    assert standing(waits.state, "1", NOON) == (
        "Not running: waits for memory: a machine needs 2,048 MiB and the host has 1,103 MiB free."
    )


def test_the_first_machine_waits_too_when_it_does_not_fit_and_the_remedy_is_named():
    waits = after_events(micro(make_issue("1")), host(1103), Ticked())
    assert started(waits) == []
    assert reason_for(waits.state, "1") == (
        "no_memory",
        "waits for memory: a machine needs 2,048 MiB and the host has 1,103 MiB free; "
        "lower smolvm.mem_mib, or end other programs",
    )


def test_the_reserve_stays_free_and_is_named_when_it_is_what_lacks():
    waits = after_events(micro(make_issue("1")), host(FITS - 1), Ticked())
    assert started(waits) == []
    assert reason_for(waits.state, "1") == (
        "no_memory",
        "waits for memory: a machine needs 2,048 MiB and the host has 2,559 MiB free, of which 512 MiB "
        "stay free; lower smolvm.mem_mib, or end other programs",
    )


def test_attempts_started_since_the_last_look_are_counted_with_their_whole_machine():
    issues = [make_issue(name) for name in "123"]
    decision = after_events(micro(*issues), host(2 * 2048 + RESERVE_MIB), Ticked())
    assert started(decision) == ["1", "2"]
    assert reason_for(decision.state, "3") == (
        "no_memory",
        "waits for memory: a machine needs 2,048 MiB and the host has 4,608 MiB free, 4,096 MiB of it "
        "promised to machines that are starting",
    )


@pytest.mark.parametrize(
    ("attempt", "untouched_mib"),
    [
        (make_running("0", phase=Phase.WORKSPACE), 2048),
        (make_running("0", phase=Phase.SESSION, machine=machine(used_mib=300)), 1748),
        (make_running("0", phase=Phase.SESSION, machine=machine(used_mib=3000)), 0),
        (make_running("0", phase=Phase.TURN, machine=machine(used_mib=300)), 0),
        (make_running("0", phase=Phase.TURN, machine=machine(MachineState.PAUSED, 0)), 2048),
        (make_running("0", phase=Phase.TURN), 0),
        (make_running("0", phase=Phase.CHECKS, delivering=True), 0),
    ],
)
def test_what_a_machine_has_not_touched_yet_is_promised_to_it(attempt, untouched_mib):
    state = micro(make_issue("1"), records=[make_record("0", attempt)])
    assert started(after_events(state, host(FITS + untouched_mib), Ticked())) == ["1"]
    assert started(after_events(state, host(FITS + untouched_mib - 1), Ticked())) == []


def test_plain_processes_wait_for_no_memory():
    state = micro(make_issue("1"), sandbox="local")
    assert started(after_events(state, host(1), Ticked())) == ["1"]


def test_a_host_that_cannot_tell_its_memory_keeps_nothing_waiting():
    assert started(after_events(micro(make_issue("1")), HostSeen(None), Ticked())) == ["1"]


def test_looking_at_the_host_starts_nothing_by_itself():
    seen = after_events(micro(make_issue("1")), host(FITS))
    assert seen.effects == ()
    assert seen.changes == after_events(micro(), host(FITS)).changes


def test_what_waits_for_memory_is_looked_at_again_soon_and_only_then():
    waits = after_events(micro(make_issue("1")), host(1), Ticked()).state
    assert next_due(waits, NOON) == NOON + HOST_LOOK
    starts = after_events(waits, host(FITS), Ticked(), at=5)
    assert started(starts) == ["1"]
    assert not starts.state.waits_for_memory
    assert next_due(after_events(micro(), host(1), Ticked()).state, NOON) is None


def test_an_order_is_kept_nobody_overtakes_the_first_that_waits():
    paused = after_events(micro(make_issue("1"), make_issue("2")), PauseAsked(None), host(FITS)).state
    decision = after_events(replace(paused, paused=False), Ticked())
    assert started(decision) == ["1"]


def test_an_answer_to_a_paused_machine_waits_for_its_memory_and_then_resumes():
    asleep = make_running("1", machine=machine(MachineState.PAUSED, 0))
    waiting = make_record("1", Waiting(make_steering("1", reply="red"), asleep))
    busy = make_record("0", make_running("0"))
    waits = after_events(
        micro(make_issue("0"), make_issue("1"), records=[waiting, busy]), host(1103), Ticked()
    )
    assert waits.effects == ()
    text = "answered; waits for memory: a machine needs 2,048 MiB and the host has 1,103 MiB free"
    assert reason_for(waits.state, "1") == ("reply_pending", text)
    assert [view.reason for view in render_snapshot(waits.state, NOON, Usage()).waiting] == [text]
    resumes = after_events(waits.state, host(FITS), Ticked(), at=5)
    assert [type(effect) for effect in resumes.effects] == [ResumeAttempt]


def test_an_answer_to_a_machine_that_runs_needs_no_memory():
    awake = make_running("1", machine=machine())
    waiting = make_record("1", Waiting(make_steering("1", reply="red"), awake))
    decision = after_events(micro(make_issue("1"), records=[waiting]), host(1), Ticked())
    assert [type(effect) for effect in decision.effects] == [ResumeAttempt]


def test_an_answer_after_the_session_was_released_says_what_the_new_attempt_waits_for():
    waiting = make_record("1", Waiting(make_steering("1", reply="red")))
    decision = after_events(micro(make_issue("1"), records=[waiting]), host(1103), Ticked())
    assert started(decision) == []
    assert [view.reason for view in render_snapshot(decision.state, NOON, Usage()).waiting] == [
        "answered; waits for memory: a machine needs 2,048 MiB and the host has 1,103 MiB free; "
        "lower smolvm.mem_mib, or end other programs"
    ]


def test_an_unfinished_handoff_waits_for_memory_and_says_so():
    owed = make_record("1", completion=Completion("1", "1.1", "t", "s", NOON))
    busy = make_record("0", make_running("0"))
    waits = after_events(micro(make_issue("0"), make_issue("1"), records=[owed, busy]), host(1103), Ticked())
    assert waits.effects == ()
    assert standing(waits.state, "1", NOON) == (
        "Done, and its handoff is not finished: waits for memory: a machine needs 2,048 MiB and the host "
        "has 1,103 MiB free."
    )
    assert reason_for(waits.state, "1") == (
        "undelivered",
        "done, and its handoff is not finished: waits for memory: a machine needs 2,048 MiB and the host "
        "has 1,103 MiB free",
    )
    delivers = after_events(waits.state, host(FITS), Ticked(), at=5)
    assert [type(effect) for effect in delivers.effects] == [StartDelivery]


def test_a_continuation_without_memory_becomes_an_ordinary_candidate_that_says_so():
    due = make_record("1", Continuing(NOON, "Todo"))
    waits = after_events(micro(make_issue("1"), records=[due]), host(1), Ticked())
    assert waits.effects == ()
    assert reason_for(waits.state, "1")[0] == "no_memory"


def test_a_run_until_idle_waits_for_memory():
    waits = after_events(micro(make_issue("1")), host(1), Ticked()).state
    assert idleness(waits, NOON) is Idleness.BUSY


def test_a_machine_larger_than_the_host_needs_a_person():
    large = micro(make_issue("1"), smolvm={"mem_mib": 8192})
    waits = after_events(large, host(7000, total_mib=8000), Ticked()).state
    assert idleness(waits, NOON) is Idleness.NEEDS_A_PERSON
    assert reason_for(waits, "1") == (
        "no_memory",
        "waits for memory: a machine needs 8,192 MiB and the host has 8,000 MiB in all; lower smolvm.mem_mib",
    )
    scant = after_events(large, host(7000, total_mib=8300), Ticked()).state
    assert reason_for(scant, "1") == (
        "no_memory",
        "waits for memory: a machine needs 8,192 MiB and the host has 8,300 MiB in all, of which 512 MiB "
        "stay free; lower smolvm.mem_mib",
    )


def test_a_handoff_that_never_fits_needs_a_person():
    owed = make_record("1", completion=Completion("1", "1.1", "t", "s", NOON))
    large = micro(make_issue("1"), records=[owed], smolvm={"mem_mib": 8192})
    assert idleness(after_events(large, host(1, total_mib=8000)).state, NOON) is Idleness.NEEDS_A_PERSON


def test_what_a_machine_costs_is_remembered_while_it_runs_and_while_it_waits():
    running = make_record("1", make_running("1"))
    waiting = make_record("2", Waiting(make_steering("2"), make_running("2")))
    state = micro(make_issue("1"), make_issue("2"), records=[running, waiting])
    events = MachineSeen("1", "1.1", machine()), MachineSeen("2", "2.1", machine(MachineState.PAUSED, 0))
    seen = after_events(state, *events)
    assert seen.changes.records == ()
    picture = render_snapshot(seen.state, NOON, Usage())
    assert picture.running[0].machine == machine()
    assert picture.waiting[0].machine == machine(MachineState.PAUSED, 0)
    gone = after_events(seen.state, MachineSeen("1", "1.1", None))
    assert render_snapshot(gone.state, NOON, Usage()).running[0].machine is None


def test_a_machine_of_an_attempt_that_has_ended_is_not_remembered():
    state = micro(make_issue("1"), records=[make_record("1", make_running("1"))])
    ended = after_events(state, AttemptEnded("1", "1.1", Stopped(StopReason.HELD), SPENT)).state
    late = after_events(ended, MachineSeen("1", "1.0", machine()), MachineSeen("9", "9.1", machine()))
    assert all(
        record.claim is None or not isinstance(record.claim, Running) or record.claim.machine is None
        for record in late.state.records.values()
    )


def test_an_issue_that_is_delivered_makes_room_for_the_next_look():
    records = [make_record("1", make_running("1", machine=machine()), completion=None)]
    state = after_events(micro(make_issue("2"), records=records), host(100), Ticked()).state
    state = after_events(state, TrackerChanged(make_set(make_issue("2")))).state
    assert isinstance(state.record("1"), IssueRecord)
    ended = after_events(
        state, AttemptEnded("1", "1.1", Stopped(StopReason.GONE), SPENT), host(FITS), Ticked()
    )
    assert started(ended) == ["2"]
