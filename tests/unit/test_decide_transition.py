"""What follows when an agent has sent its issue to another state [CONTRACT 6.4]."""

from dataclasses import replace

import pytest

from symphony.core.claim import Parked, Retrying, Running, Waiting
from symphony.core.decide import CommandRefused
from symphony.core.effect import StartAttempt, StartDelivery
from symphony.core.event import (
    AttemptEnded,
    CancelAsked,
    CompletionAccepted,
    CompletionWithdrawn,
    RetryAsked,
    Ticked,
    TrackerChanged,
)
from symphony.core.handoff import Completion
from symphony.core.idle import Idleness, idleness
from symphony.core.outcome import Failed, Stopped, StopReason, Transitioned
from symphony.core.settings import Settings
from symphony.core.standing import sentence_of, standing_of
from symphony.core.states import StateRole
from symphony.core.transition import Passage, Target, exits_of
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

STATES = {
    "Backlog": {"role": "holding"},
    "Todo": {"role": "active", "allowed_transitions": ["Review"]},
    "Review": {
        "role": "active",
        "adapter": "codex",
        "max_concurrent": 1,
        "max_turns": 3,
        "allowed_transitions": ["todo", "Done"],
    },
    "Done": {"role": "terminal"},
}
WORD = Completion("1", "1.1", "Issue 1", "Look.", NOON, from_state="Todo", to_state="Review")
MOVED = Transitioned("attempt 1 (demo) moved it from Todo to Review: Look", "r2")


def ended(outcome, issue_id="1", attempt_id="1.1"):
    return AttemptEnded(issue_id, attempt_id, outcome, SPENT)


def passing(state="Review", *, running=None, others=(), records=(), **fields):
    """A state in which the agent of issue 1 has given its word, and the file is where it says."""
    record = make_record("1", running or make_running("1"), completion=WORD, **fields)
    issue = make_issue("1", state, revision="r2")
    return make_state(issue, *others, records=(record, *records), states=STATES)


def exits(settings, state):
    found = exits_of(Settings.model_validate(settings), state)
    return [target.state for target in found.targets], found.finishes


def test_the_agent_of_the_other_state_begins_at_once_with_that_states_settings():
    decision = after_events(passing(failures=2, failure_reasons=("a", "b")), ended(MOVED))
    (effect,) = decision.effects
    assert isinstance(effect, StartAttempt)
    record = decision.state.records["1"]
    assert isinstance(record.claim, Running)
    assert (record.claim.adapter, record.claim.state, record.claim.max_turns) == ("codex", "Review", 3)
    assert (record.completion, record.failures, record.failure_reasons) == (None, 0, ())
    assert record.passage == Passage(1, MOVED.note, "r2")
    assert record.usage == SPENT
    said = [(entry.decision, entry.reason) for entry in decision.changes.audit]
    assert said == [("transition", MOVED.note), ("dispatch", "attempt 2: eligible")]


def test_the_slots_of_the_other_state_count_for_it():
    busy = make_record("2", make_running("2", state="Review"))
    state = passing(others=(make_issue("2", "Review"),), records=(busy,))
    decision = after_events(state, ended(MOVED))
    assert decision.effects == ()
    reason = standing_of(decision.state, "1", NOON)
    assert sentence_of(reason) == "Not running: the only slot is taken by issues in Review."


def test_an_issue_in_a_holding_state_rests_and_says_who_moved_it_there():
    decision = after_events(passing("Backlog"), ended(MOVED))
    assert decision.effects == ()
    assert sentence_of(standing_of(decision.state, "1", NOON)) == (
        "Held: Backlog is no active state; attempt 1 (demo) moved it from Todo to Review: Look."
    )


def test_too_many_moves_hold_an_issue_until_a_person_retries_it():
    state = passing(passage=Passage(9, "earlier", "r1"))
    decision = after_events(state, ended(MOVED))
    assert decision.effects == ()
    assert standing_of(decision.state, "1", NOON).code == "passed_around"
    assert idleness(decision.state, NOON) is Idleness.NEEDS_A_PERSON
    decision = after_events(decision.state, RetryAsked("1"))
    assert [type(effect) for effect in decision.effects] == [StartAttempt]
    assert decision.state.records["1"].passage == Passage(0, MOVED.note, "r2")


def test_too_many_moves_hold_an_issue_until_a_person_edits_it():
    state = after_events(passing(passage=Passage(9, "earlier", "r1")), ended(MOVED)).state
    same = TrackerChanged(make_set(make_issue("1", "Review", revision="r2", priority=1)))
    assert after_events(state, same).effects == ()
    decision = after_events(state, TrackerChanged(make_set(make_issue("1", "Review", revision="r3"))))
    assert [type(effect) for effect in decision.effects] == [StartAttempt]


def test_a_higher_limit_lets_agents_go_on():
    record = make_record("1", passage=Passage(10, "earlier", "r1"))
    state = make_state(make_issue("1", revision="r1"), records=(record,), agent={"max_transitions": 11})
    assert [type(effect) for effect in after_events(state, Ticked()).effects] == [StartAttempt]


def test_an_accepted_transition_keeps_the_issue_from_starting_until_it_is_made():
    state = passing("Todo")
    decision = after_events(state, ended(Stopped(StopReason.DRAINED)))
    assert [type(effect) for effect in decision.effects] == [StartDelivery]
    decision = after_events(state, ended(Failed("tracker.busy", "It is locked.")))
    record = decision.state.records["1"]
    assert isinstance(record.claim, Retrying)
    assert record.completion == WORD
    assert sentence_of(standing_of(decision.state, "1", NOON)) == (
        "On its way to Review, which is not finished: It is locked."
    )


def test_a_cancelled_attempt_whose_word_was_taken_waits_for_the_person_before_it_is_moved():
    running = make_running("1", stopping=StopReason.CANCELLED)
    decision = after_events(passing("Todo", running=running), ended(Stopped(StopReason.CANCELLED)))
    assert decision.effects == ()
    assert isinstance(decision.state.records["1"].claim, Parked)
    assert idleness(decision.state, NOON) is Idleness.NEEDS_A_PERSON
    assert sentence_of(standing_of(decision.state, "1", NOON)) == (
        "Not running: cancelled by you; `symphony retry 1` starts it again."
    )
    assert [type(effect) for effect in after_events(decision.state, RetryAsked("1")).effects] == [
        StartDelivery
    ]


def test_a_cancelled_attempt_that_had_moved_its_issue_starts_nobody_there():
    running = make_running("1", stopping=StopReason.CANCELLED)
    decision = after_events(passing(running=running), ended(MOVED))
    assert decision.effects == ()
    assert isinstance(decision.state.records["1"].claim, Parked)


def test_a_transition_on_its_way_cannot_be_cancelled():
    with pytest.raises(CommandRefused) as caught:
        after_events(passing("Todo"), CancelAsked("1"))
    assert str(caught.value) == (
        "Issue 1 is on its way to Review. Wait until it is there, then cancel or move it."
    )


def test_a_reply_that_no_turn_has_carried_goes_to_the_next_agent():
    answered = make_steering("1", "Red.")
    decision = after_events(passing("Backlog", running=make_running("1", steering=answered)), ended(MOVED))
    assert decision.state.records["1"].claim == Waiting(answered)


def test_the_audit_says_what_was_accepted_and_why_it_was_taken_back():
    state = make_state(make_issue("1"), records=(make_record("1", make_running("1")),), states=STATES)
    decision = after_events(state, CompletionAccepted(WORD))
    assert [entry.reason for entry in decision.changes.audit] == ["transition: Todo → Review"]
    withdrawn = CompletionWithdrawn("1", "1.1", "there is no state Review any more")
    decision = after_events(decision.state, withdrawn)
    assert [entry.reason for entry in decision.changes.audit] == ["there is no state Review any more"]
    assert decision.state.records["1"].completion is None


def test_a_move_during_a_transition_ends_nothing():
    state = passing("Todo")
    for where in ("Review", "Backlog", "Done"):
        decision = after_events(state, TrackerChanged(make_set(make_issue("1", where))), at=1)
        assert decision.effects == ()


@pytest.mark.parametrize(
    ("allowed", "targets", "finishes"),
    [
        (None, ["Review", "Done", "Gone", "Later"], True),
        ([], [], True),
        (["Review"], ["Review"], False),
        (["review", "Todo", "Later"], ["Review", "Later"], False),
        (["Gone"], ["Gone"], False),
        (["Review", "DONE"], ["Review", "Done"], True),
    ],
)
def test_a_list_says_where_an_agent_may_send_its_issue_and_whether_it_may_finish_it(
    allowed, targets, finishes
):
    todo = {"role": "active"} | ({} if allowed is None else {"allowed_transitions": allowed})
    states = {
        "Todo": todo,
        "Review": {"role": "active"},
        "Done": {"role": "terminal"},
        "Gone": {"role": "terminal"},
        "Later": {"role": "holding"},
    }
    assert exits({"states": states}, " todo") == (targets, finishes)


def test_without_states_there_is_only_mark_done():
    assert exits({}, "Todo") == ([], True)


def test_a_target_says_what_becomes_of_the_issue_there():
    settings = Settings.model_validate({"states": STATES})
    (target,) = exits_of(settings, "Todo").targets
    assert (target, str(target)) == (
        Target("Review", StateRole.ACTIVE, "codex"),
        "Review (its agent works on: codex)",
    )
    assert str(Target("Done", StateRole.TERMINAL)) == "Done (it is finished)"
    assert str(Target("Backlog", StateRole.HOLDING)) == "Backlog (it rests until a person moves it)"


def test_another_adapter_is_not_started_by_the_workflows_own_command():
    acp = {"adapter": "claude", "command": "my-claude --acp", "model": "large"}
    states = {
        "Todo": {"role": "active"},
        "Review": {"role": "active", "adapter": "codex"},
        "Test": {"role": "active", "adapter": "mine", "command": "mine --acp", "model": None},
        "Done": {"role": "terminal"},
    }
    settings = Settings.model_validate({"acp": acp, "states": states})
    found = {name: settings.in_state(name).acp for name in states}
    assert {name: (acp.adapter, acp.command, acp.model) for name, acp in found.items()} == {
        "Todo": ("claude", "my-claude --acp", "large"),
        "Review": ("codex", None, "large"),
        "Test": ("mine", "mine --acp", None),
        "Done": ("claude", "my-claude --acp", "large"),
    }


def test_time_alone_changes_nothing_for_an_issue_that_was_passed_on():
    state = after_events(passing("Backlog"), ended(MOVED)).state
    decision = after_events(state, Ticked(), at=after(60).timestamp() - NOON.timestamp())
    assert decision.state.records == state.records
    assert replace(decision.state.records["1"]).passage.count == 1
