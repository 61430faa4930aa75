"""Every issue is explained: where it stands, what happens next and when, and what was decided on it."""

from dataclasses import replace

import pytest

from symphony.core.admission import MIB, HostMemory
from symphony.core.claim import Continuing, Parked, Phase, Retrying, Waiting
from symphony.core.disk import HostDisk
from symphony.core.effect import Audit
from symphony.core.eligibility import ReasonCode
from symphony.core.explain import DECISIONS, explain
from symphony.core.guard.finding import Finding, FindingKind
from symphony.core.guard.ledger import GuardLedger, Hold
from symphony.core.handoff import Completion
from symphony.core.outcome import StopReason
from symphony.core.permission import PermissionAnswer, PermissionRequest, Proposal
from symphony.core.problem import Problem
from symphony.core.step import Step, when
from symphony.core.transition import Passage
from symphony.core.usage import Usage
from tests.support.explained import check_explained
from tests.support.world import (
    NOON,
    after,
    make_issue,
    make_record,
    make_running,
    make_set,
    make_state,
    make_steering,
)

ONE = {"agent": {"max_concurrent_agents": 1}}
REQUEST = PermissionRequest("1.1.p1", "1", "1.1", Proposal("rm -r build", "execute"), NOON)
ALLOWED = replace(REQUEST, answer=PermissionAnswer.ONCE)
SHORT = HostMemory(1024 * MIB, 9000 * MIB)
COMPLETION = Completion("1", "1.1", "t", "s", NOON)
HOLD = Hold(NOON, "work", (Finding(FindingKind.SECRET, "npm-token", "a.py", 3),))


def lone(record=None, state="Todo", **fields):
    """Return the state of one issue with this record."""
    records = () if record is None else (make_record("1", **record),)
    sections = fields.pop("sections", {})
    return make_state(make_issue("1", state, **fields), records=records, **sections)


STANDINGS = {
    ReasonCode.RUNNING: lone({"claim": make_running("1")}),
    ReasonCode.STOPPING: lone({"claim": make_running("1", stopping=StopReason.CANCELLED)}),
    ReasonCode.WAITING_FOR_REPLY: lone({"claim": Waiting(make_steering("1"), make_running("1"))}),
    ReasonCode.REPLY_PENDING: make_state(
        make_issue("1"),
        make_issue("2"),
        records=(
            make_record("1", Waiting(make_steering("1", "red"), make_running("1"))),
            make_record("2", make_running("2")),
        ),
        **ONE,
    ),
    ReasonCode.ASKS_PERMISSION: lone({"claim": make_running("1", permissions=(REQUEST,))}),
    ReasonCode.PERMISSION_PENDING: make_state(
        make_issue("1"),
        make_issue("2"),
        records=(
            make_record("1", make_running("1", permissions=(ALLOWED,))),
            make_record("2", make_running("2")),
        ),
        **ONE,
    ),
    ReasonCode.RETRYING: lone({"claim": Retrying(after(30), "git failed"), "failures": 2, "attempts": 2}),
    ReasonCode.CONTINUING: lone({"claim": Continuing(after(1), "Todo"), "attempts": 1}),
    ReasonCode.CANCELLED: lone({"claim": Parked(NOON, ("cancelled by you",), "", by_person=True)}),
    ReasonCode.FAILED: lone({"claim": Parked(NOON, ("boom", "bang"), ""), "failures": 5}),
    ReasonCode.UNDELIVERED: lone(
        {"claim": Retrying(after(40), "the disk is full"), "completion": COMPLETION, "failures": 1}, "Done"
    ),
    ReasonCode.HELD_BACK: lone({"completion": COMPLETION, "guard": GuardLedger(hold=HOLD)}),
    ReasonCode.PAUSED: lone({"paused": True}),
    ReasonCode.OUT_OF_BUDGET: lone(
        {"usage": Usage(input_tokens=2000)}, sections={"agent": {"budget": {"tokens": 1000}}}
    ),
    ReasonCode.PASSED_AROUND: lone(
        {"passage": Passage(10, "attempt 10 (codex) moved it from Review to Todo", "r")}
    ),
    ReasonCode.BLOCKED: make_state(make_issue("1", blocked_by=("2",)), make_issue("2", "In Progress")),
    ReasonCode.MISSING_LABEL: lone(sections={"tracker": {"required_labels": ["go"]}}),
    ReasonCode.RATE_LIMITED: replace(lone(), adapter_pauses={"demo": after(90)}),
    ReasonCode.DRAINING: replace(lone(), drain_deadline=after(30)),
    ReasonCode.WORKFLOW_INVALID: replace(
        lone(),
        workflow_problems=(Problem("workflow_invalid", "WORKFLOW.md:3", "agent.max_turns is no number"),),
    ),
    ReasonCode.ALL_PAUSED: replace(lone(), paused=True),
    ReasonCode.NO_SLOT: make_state(
        make_issue("1", priority=2),
        make_issue("2"),
        make_issue("3", priority=1),
        records=(make_record("2", make_running("2")),),
        **ONE,
    ),
    ReasonCode.NO_MEMORY: replace(
        lone(sections={"sandbox": "smolvm"}),
        host_memory=SHORT,
        host_seen_at=NOON,
        waits_for_memory=True,
    ),
    ReasonCode.LOW_DISK: replace(
        lone(sections={"retention": {"min_free_mib": 1000}}),
        host_disk=HostDisk(200 * MIB, 9000 * MIB, "/project/.symphony"),
        host_seen_at=NOON,
        was_low=True,
    ),
    ReasonCode.ELIGIBLE: lone(),
    ReasonCode.HELD: lone(state="Someday"),
    ReasonCode.PROPOSED: lone(state="Proposed", extra={"proposed_by": "7"}),
    ReasonCode.FINISHED: lone(
        {"last_handoff": "Patch with 2 commits: `git am /p/agent_1.patch` on main (0123456789ab)."}, "Done"
    ),
    ReasonCode.CONFLICT: make_state().with_issues(
        make_set(conflicts={"1": (make_issue("1").path, make_issue("1", "Done").path)})
    ),
    ReasonCode.UNREADABLE: make_state().with_issues(
        make_set(
            unreadable=frozenset({"1"}),
            problems=(Problem("invalid_front_matter", "Todo/1.md:2", "no YAML", "1"),),
        )
    ),
    ReasonCode.GONE: make_state(records=(make_record("1", attempts=1),)),
}

SAID = {
    ReasonCode.RUNNING: (
        "Running: in a turn, turn 1 of 20.",
        "The agent goes on until it calls mark_done or asks you something, at most to the end of turn 20.",
        "If nothing is heard of the agent it counts as stalled and is ended, "
        "at 2026-01-01 12:05:00 UTC, in 5m 0s.",
    ),
    ReasonCode.STOPPING: (
        "Running: in a turn, turn 1 of 20; stopping: cancelled.",
        "Once the attempt has ended the issue rests until you retry it or edit its file.",
    ),
    ReasonCode.WAITING_FOR_REPLY: (
        "Not running: waiting for your answer; `symphony inbox` shows the question.",
        "Nothing, until you answer with `symphony reply 1 TEXT`; then the agent goes on in its session.",
    ),
    ReasonCode.REPLY_PENDING: (
        "Not running: answered; waits for a free slot.",
        "It goes on with your answer as soon as a slot is free; slots are held by 2.",
    ),
    ReasonCode.ASKS_PERMISSION: (
        "Running: waiting for your permission: rm -r build, turn 1 of 20.",
        "Nothing, until you answer with `symphony permission allow 1` or `symphony permission deny 1`; "
        "then the agent goes on with its turn.",
    ),
    ReasonCode.PERMISSION_PENDING: (
        "Running: permission answered; waits for a free slot, turn 1 of 20.",
        "It goes on with what you said to its request as soon as a slot is free; slots are held by 2.",
    ),
    ReasonCode.RETRYING: (
        "Not running: tried again at 12:00:30 UTC: git failed.",
        "Attempt 3 starts, after failure 2 of 5, at 2026-01-01 12:00:30 UTC, in 30s.",
    ),
    ReasonCode.CONTINUING: (
        "Not running: goes on with a fresh look in a moment.",
        "Attempt 2 starts, with a fresh look, in the slot that it keeps, at 2026-01-01 12:00:01 UTC, in 1s.",
    ),
    ReasonCode.CANCELLED: (
        "Not running: cancelled by you; `symphony retry 1` starts it again.",
        "Nothing, until `symphony retry 1` or an edit of its file starts it again.",
    ),
    ReasonCode.FAILED: (
        "Not running: failed 5 times in a row and is parked; `symphony retry 1` or an edit of the file "
        "starts it again. Last: bang.",
        "Nothing, until `symphony retry 1` or an edit of its file starts it again.",
    ),
    ReasonCode.UNDELIVERED: (
        "Done, and its handoff is not finished: the disk is full.",
        "Its handoff is made again, after 1 failure, at 2026-01-01 12:00:40 UTC, in 40s.",
    ),
    ReasonCode.HELD_BACK: (
        "Held for you: done, and its work holds 1 secret: a.py:3 (npm-token); `symphony approve 1` lets"
        " it out, `symphony retry 1` looks again.",
        "Nothing, until `symphony approve 1` hands it over as it is, `symphony retry 1` looks again,"
        " or `symphony discard 1` gives it up.",
    ),
    ReasonCode.PAUSED: (
        "Not running: paused by you; `symphony resume 1` lifts it.",
        "Nothing, until `symphony resume 1` lifts the pause.",
    ),
    ReasonCode.OUT_OF_BUDGET: (
        "Not running: out of budget: 2,000 of 1,000 tokens; `symphony budget 1 --tokens +N` raises it.",
        "Nothing, until `symphony budget 1 --tokens +N` or agent.budget in WORKFLOW.md allows it more.",
    ),
    ReasonCode.PASSED_AROUND: (
        "Not running: its agents have moved it 10 times (agent.max_transitions) and it is not done; "
        "`symphony retry 1` or an edit of the file lets them go on. "
        "Last: attempt 10 (codex) moved it from Review to Todo.",
        "Nothing, until `symphony retry 1` or an edit of its file lets them go on.",
    ),
    ReasonCode.BLOCKED: (
        "Not running: blocked by 2 (In Progress).",
        "It starts once 2 is in Done, Closed, Cancelled, Canceled or Duplicate.",
        "At its end is 2. Eligible: it starts with the next decision.",
    ),
    ReasonCode.MISSING_LABEL: (
        "Not running: lacks the label 'go'.",
        "It starts once its file has all of tracker.required_labels.",
    ),
    ReasonCode.RATE_LIMITED: (
        "Not running: the model behind demo rests until 2026-01-01 12:01:30 UTC; `symphony resume` tries it "
        "now.",
        "It starts, as far as a slot is free, at 2026-01-01 12:01:30 UTC, in 1m 30s.",
    ),
    ReasonCode.DRAINING: (
        "Not running: symphony is stopping.",
        "It starts when symphony is started again.",
        "symphony ends at the latest, at 2026-01-01 12:00:30 UTC, in 30s.",
    ),
    ReasonCode.WORKFLOW_INVALID: (
        "Not running: WORKFLOW.md is invalid; fix it first.",
        "Nothing starts until WORKFLOW.md is valid: WORKFLOW.md:3: agent.max_turns is no number.",
    ),
    ReasonCode.ALL_PAUSED: (
        "Not running: everything is paused; `symphony resume` lifts it.",
        "Nothing starts until `symphony resume` lifts the pause.",
    ),
    ReasonCode.NO_SLOT: (
        "Not running: the only slot is taken.",
        "It starts as soon as a slot is free; slots are held by 2; 1 issue is before it.",
    ),
    ReasonCode.NO_MEMORY: (
        "Not running: waits for memory: a machine needs 2,048 MiB and the host has 1,024 MiB free; lower "
        "smolvm.mem_mib, or end other programs.",
        "It starts as soon as the host has enough free memory.",
        "The host is looked at again, at 2026-01-01 12:00:05 UTC, in 5s.",
    ),
    ReasonCode.LOW_DISK: (
        "Not running: waits for disk space: /project/.symphony has 200 MiB free and attempts start at "
        "1,100 MiB; `symphony gc` shows what takes room.",
        "It starts as soon as 1,100 MiB of the disk are free.",
        "The disk is looked at again, at 2026-01-01 12:00:05 UTC, in 5s.",
    ),
    ReasonCode.ELIGIBLE: (
        "Eligible: it starts with the next decision.",
        "It starts with the next decision, which is due at once.",
    ),
    ReasonCode.HELD: (
        "Held: Someday is no active state.",
        "Nothing, until it is moved to Todo or In Progress.",
    ),
    ReasonCode.PROPOSED: (
        "Proposed by the agent of 7; Proposed is no active state.",
        "Nothing, until `symphony approve 1` moves it to Todo.",
    ),
    ReasonCode.FINISHED: (
        "Finished: Patch with 2 commits: `git am /p/agent_1.patch` on main (0123456789ab).",
        "Nothing more; moved to Todo or In Progress it is worked on again.",
    ),
    ReasonCode.CONFLICT: (
        "In conflict: more than one file has this id: /issues/Todo/1.md, /issues/Done/1.md.",
        "Nothing, until only one file has this id: move the others away or change their id.",
    ),
    ReasonCode.UNREADABLE: (
        "Its file cannot be read: Todo/1.md:2: no YAML.",
        "Nothing, until its file is mended; it is read again as soon as it changes.",
    ),
    ReasonCode.GONE: (
        "Its file is gone.",
        "Nothing; a file with this id brings it back with what is remembered of it.",
    ),
}


def said_of(state, issue_id="1", now=NOON):
    """Return all sentences of an explanation."""
    said = check_explained(state, issue_id, now)
    return (said.where, *(step.sentence(now) for step in said.next))


def test_every_way_to_stand_has_sentences_of_its_own():
    assert set(STANDINGS) == set(SAID) == set(ReasonCode)
    assert {code: explain(state, "1", NOON).code for code, state in STANDINGS.items()} == {
        code: code for code in ReasonCode
    }
    assert {code: said_of(state) for code, state in STANDINGS.items()} == SAID


def test_no_two_ways_to_stand_are_explained_alike():
    assert len({sentences[0] for sentences in SAID.values()}) == len(SAID)


@pytest.mark.parametrize("phase", Phase)
def test_a_running_attempt_says_what_comes_after_its_phase(phase):
    state = lone({"claim": make_running("1", phase=phase, turn=3)})
    where, ahead, *_ = said_of(state)
    assert where == f"Running: {phase.value}, turn 3 of 20."
    others = {said_of(lone({"claim": make_running("1", phase=each)}))[1] for each in Phase}
    assert (ahead in others, len(others)) == (True, len(Phase))


@pytest.mark.parametrize("reason", StopReason)
def test_an_attempt_that_was_told_to_end_says_what_follows(reason):
    said = said_of(lone({"claim": make_running("1", stopping=reason)}))
    assert f"stopping: {reason}" in said[0]
    assert said[1].startswith("Once the attempt has ended")


def test_a_running_attempt_without_a_stall_bound_names_none():
    assert len(said_of(lone({"claim": make_running("1", stall_timeout_ms=0)}))) == 2


def test_a_running_attempt_names_each_bound_on_it():
    running = make_running("1", missing_since=NOON)
    said = said_of(replace(lone({"claim": running}), drain_deadline=after(30)))
    assert said[-2:] == (
        "Its file is gone; if it stays away the attempt is ended, at 2026-01-01 12:00:02 UTC, in 2s.",
        "symphony is stopping; what has not ended by itself is ended, at 2026-01-01 12:00:30 UTC, in 30s.",
    )


def test_a_question_in_the_running_turn_is_told():
    said = said_of(lone({"claim": make_running("1", steering=make_steering("1"))}))
    assert said[1] == "It has asked you something: when this turn ends it waits for your answer."


def test_an_attempt_that_was_released_says_that_the_answer_starts_a_new_one():
    said = said_of(lone({"claim": Waiting(make_steering("1")), "paused": True}))
    assert said[1:] == (
        "Nothing, until you answer with `symphony reply 1 TEXT`; then a new attempt starts with your answer.",
        "Even then it does not start: paused by you; `symphony resume 1` lifts it.",
    )


def test_an_answer_says_what_it_waits_for():
    answered = Waiting(make_steering("1", "red"), make_running("1"))
    assert said_of(replace(lone({"claim": answered}), drain_deadline=after(30)))[1:] == (
        "It goes on with your answer when symphony is started again.",
        "symphony ends at the latest, at 2026-01-01 12:00:30 UTC, in 30s.",
    )
    short = replace(lone({"claim": answered}, sections={"sandbox": "smolvm"}), host_memory=SHORT)
    assert said_of(short)[1] == "It goes on with your answer as soon as the host has enough free memory."
    ending = Waiting(make_steering("1", "red"), make_running("1", stopping=StopReason.HELD))
    assert said_of(lone({"claim": ending}))[1] == (
        "Once the attempt has ended the issue rests, and its workspace is kept."
    )


def test_a_question_about_an_issue_that_was_moved_away_is_still_yours():
    state = lone({"claim": Waiting(make_steering("1"))}, "Someday")
    assert explain(state, "1", NOON).code is ReasonCode.WAITING_FOR_REPLY
    assert said_of(state)[-1] == "Even then it does not start: Someday is no active state."


def test_a_retry_names_what_would_keep_it_from_starting_all_the_same():
    retrying = {"claim": Retrying(after(30), "x"), "failures": 1, "attempts": 1}
    assert said_of(replace(lone(retrying), paused=True))[-1] == (
        "Even then it does not start: everything is paused; `symphony resume` lifts it."
    )
    resting = replace(lone(retrying), adapter_pauses={"demo": after(20)})
    assert len(said_of(resting)) == 2, "the adapter is back before the retry"
    assert said_of(replace(lone(retrying), adapter_pauses={"demo": after(60)}))[-1] == (
        "Even then it does not start: the model behind demo rests until 2026-01-01 12:01:00 UTC; "
        "`symphony resume` tries it now."
    )


def test_a_time_that_has_passed_is_told_as_such():
    assert when(after(-65), NOON) == "at 2026-01-01 11:58:55 UTC, due 1m 5s ago"
    assert Step("It starts", NOON).sentence(NOON) == "It starts, at 2026-01-01 12:00:00 UTC, in 0s."


def test_a_blocked_issue_names_the_chain_and_what_its_end_does():
    state = make_state(
        make_issue("1", blocked_by=("2", "9")),
        make_issue("2", blocked_by=("3",)),
        make_issue("3", blocked_by=("4",)),
        make_issue("4", "Done"),
        records=(make_record("3", paused=True),),
    )
    assert said_of(state)[1:] == (
        "It starts once 2 and 9 are in Done, Closed, Cancelled, Canceled or Duplicate.",
        "The chain is 1 → 2 → 3.",
        "At its end is 3. Not running: paused by you; `symphony resume 3` lifts it.",
    )


def test_a_blocker_that_nobody_wrote_is_named():
    state = make_state(make_issue("1", blocked_by=("9",)))
    assert said_of(state)[-1] == "There is no issue 9: write it, or take it out of blocked_by."


@pytest.mark.parametrize(
    ("blocked_by", "path"),
    [
        ({"1": ("1",)}, "1 → 1"),
        ({"1": ("2",), "2": ("3",), "3": ("1",)}, "1 → 2 → 3 → 1"),
        ({"1": ("4", "2"), "2": ("3",), "3": ("2",)}, "2 → 3 → 2"),
    ],
)
def test_a_cycle_is_named_and_said_to_be_for_ever(blocked_by, path):
    issues = [make_issue(issue_id, blocked_by=ids) for issue_id, ids in blocked_by.items()]
    state = make_state(*issues, make_issue("4", "Proposed"))
    assert said_of(state)[1] == (
        f"Nothing, ever, by itself: {path} wait for one another in a circle; "
        "take one of them out of another's blocked_by."
    )


def test_a_long_chain_is_cut_in_its_middle_and_found_in_no_time():
    issues = [make_issue(str(n), blocked_by=(str(n + 1), str(n + 2))) for n in range(1, 3000)]
    said = said_of(make_state(*issues))
    assert said[2] == "The chain is 1 → 2 → 3 → 4 → 5 → 6 → 7 → … 2992 more … → 3000."


def test_who_waits_for_a_slot_of_its_state_is_told_of_that_state_only():
    state = make_state(
        make_issue("1", "Todo", priority=9),
        make_issue("2", "Todo"),
        make_issue("3", "In Progress"),
        make_issue("4", "Todo", priority=1),
        make_issue("5", "In Progress", priority=1),
        records=(
            make_record("2", make_running("2", state="Todo")),
            make_record("3", make_running("3", state="In Progress")),
        ),
        agent={"max_concurrent_agents_by_state": {"Todo": 1}},
    )
    assert said_of(state) == (
        "Not running: the only slot is taken by issues in Todo.",
        "It starts as soon as a slot is free; slots are held by 2; 1 issue is before it.",
    )


def test_answers_and_handoffs_are_counted_as_being_before_new_attempts():
    state = make_state(
        make_issue("1"),
        make_issue("2"),
        make_issue("3"),
        make_issue("4", "Done"),
        records=(
            make_record("2", make_running("2")),
            make_record("3", Waiting(make_steering("3", "red"), make_running("3"))),
            make_record("4", completion=replace(COMPLETION, issue_id="4")),
        ),
        **ONE,
    )
    assert (
        said_of(state)[1]
        == "It starts as soon as a slot is free; slots are held by 2; 2 issues are before it."
    )


def test_a_machine_that_is_larger_than_the_host_never_starts():
    state = replace(STANDINGS[ReasonCode.NO_MEMORY], host_memory=HostMemory(1024 * MIB, 2048 * MIB))
    assert said_of(state)[1:] == ("Nothing, ever, on this machine, until smolvm.mem_mib is lower.",)


def test_a_disk_that_is_smaller_than_what_must_stay_free_never_has_room():
    state = replace(STANDINGS[ReasonCode.LOW_DISK], host_disk=HostDisk(200 * MIB, 900 * MIB, "/project"))
    assert said_of(state)[1:] == ("Nothing, ever, on this disk, until retention.min_free_mib is lower.",)


def test_work_that_waits_to_be_handed_over_says_what_for():
    owed = {"completion": COMPLETION}
    assert said_of(lone(owed, "Done"))[1] == "It is handed over as soon as a slot is free."
    assert said_of(replace(lone(owed, "Done"), drain_deadline=after(5)))[1:] == (
        "It is handed over when symphony is started again.",
        "symphony ends at the latest, at 2026-01-01 12:00:05 UTC, in 5s.",
    )
    short = replace(
        lone(owed, "Done", sections={"sandbox": "smolvm"}),
        host_memory=SHORT,
        host_seen_at=NOON,
    )
    assert said_of(short)[1] == "Its handoff is made as soon as the host has enough free memory."


def test_a_handoff_is_owed_also_of_an_issue_whose_file_is_gone():
    state = make_state(records=(make_record("1", completion=COMPLETION),))
    assert explain(state, "1", NOON).code is ReasonCode.UNDELIVERED


def test_a_finished_issue_without_a_handoff_says_its_state():
    assert said_of(lone(state="Closed"))[0] == "Finished: in Closed."


def test_an_id_with_odd_characters_is_quoted_for_the_shell():
    state = make_state(make_issue("a b"), records=(make_record("a b", paused=True),))
    assert said_of(state, "a b")[1] == "Nothing, until `symphony resume 'a b'` lifts the pause."


def test_the_last_ten_decisions_are_kept():
    audit = [Audit(after(-n), "1", "retry", f"reason {n}") for n in range(30)]
    assert explain(lone(), "1", NOON, audit).decisions == tuple(audit[:DECISIONS])
