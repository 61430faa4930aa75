"""Which attempts begin, and when [CONTRACT 4.1-4.4]."""

from dataclasses import replace

from symphony.core.claim import Continuing, Retrying, Running, Waiting
from symphony.core.effect import ResumeAttempt, StartAttempt, StartDelivery
from symphony.core.event import ReplyGiven, ResumeAsked, Ticked, TrackerChanged, WorkflowChanged
from symphony.core.handoff import Completion
from symphony.core.problem import Problem
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

COMPLETION = Completion("1", "1.1", "Fix it", "Fixed.", NOON)


def started(decision):
    return [effect.issue.id for effect in decision.effects if isinstance(effect, StartAttempt)]


def test_a_dropped_issue_starts_with_the_very_event_that_shows_it():
    decision = after_events(make_state(), TrackerChanged(make_set(make_issue("1"))))
    assert decision.effects == (StartAttempt(make_issue("1"), "1.1", 1, decision.state.workflow),)
    assert isinstance(decision.state.records["1"].claim, Running)
    assert [(entry.decision, entry.reason) for entry in decision.changes.audit] == [
        ("dispatch", "attempt 1: eligible")
    ]


def test_attempts_begin_in_order_until_the_slots_are_full():
    issues = [make_issue(str(n), priority=-n) for n in range(5)]
    decision = after_events(make_state(agent={"max_concurrent_agents": 3}), TrackerChanged(make_set(*issues)))
    assert started(decision) == ["4", "3", "2"]


def test_a_full_state_does_not_hold_up_another_state():
    issues = [make_issue("1"), make_issue("2"), make_issue("3", "In Progress")]
    state = make_state(agent={"max_concurrent_agents_by_state": {"Todo": 1}})
    assert started(after_events(state, TrackerChanged(make_set(*issues)))) == ["1", "3"]


def test_one_issue_never_has_two_attempts():
    state = make_state(make_issue("1"))
    first = after_events(state, Ticked())
    assert started(after_events(first.state, Ticked(), at=60)) == []


def test_a_due_retry_starts_and_an_early_one_does_not():
    state = make_state(make_issue("1"), records=(make_record("1", Retrying(after(10), "x"), attempts=1),))
    assert started(after_events(state, Ticked(), at=9)) == []
    decision = after_events(state, Ticked(), at=10)
    assert decision.effects[0].attempt_id == "1.2"
    assert decision.changes.audit[0].reason == "attempt 2: retry is due"


def test_a_due_continuation_uses_the_slot_it_kept():
    records = (make_record("1", Continuing(after(1), "Todo"), attempts=1),)
    state = make_state(make_issue("1"), make_issue("0"), records=records, agent={"max_concurrent_agents": 1})
    assert started(after_events(state, Ticked())) == []
    assert started(after_events(state, Ticked(), at=1)) == ["1"]


def test_a_continuation_that_may_not_start_gives_its_slot_away():
    records = (make_record("1", Continuing(after(1), "Todo"), paused=True),)
    state = make_state(make_issue("1"), make_issue("2"), records=records, agent={"max_concurrent_agents": 1})
    decision = after_events(state, Ticked(), at=1)
    assert started(decision) == ["2"]
    assert decision.state.records["1"].claim is None


def test_a_reply_goes_before_every_new_attempt():
    waiting = Waiting(make_steering("9"), make_running("9"))
    state = make_state(
        make_issue("1", priority=0),
        make_issue("9"),
        records=(make_record("9", waiting), make_record("1", paused=True)),
        agent={"max_concurrent_agents": 1},
    )
    answered = make_steering("9", reply="red")
    resumed = after_events(replace(state), ReplyGiven(answered), ResumeAsked("1"))
    assert isinstance(resumed.state.records["9"].claim, Running)
    assert started(resumed) == []


def test_a_reply_without_a_free_slot_waits_for_one():
    waiting = Waiting(make_steering("9"), make_running("9"))
    state = make_state(
        make_issue("1"),
        make_issue("9"),
        records=(make_record("1", make_running("1")), make_record("9", waiting)),
        agent={"max_concurrent_agents": 1},
    )
    decision = after_events(state, ReplyGiven(make_steering("9", reply="red")))
    assert decision.effects == ()
    freed = replace(decision.state, records={"9": decision.state.records["9"]}).with_issues(
        make_set(make_issue("9"))
    )
    effects = after_events(freed, Ticked()).effects
    assert effects == (ResumeAttempt("9", "9.1", make_steering("9", reply="red")),)


def test_a_reply_to_a_dead_attempt_starts_a_new_one_with_it():
    answered = make_steering("1", reply="red")
    state = make_state(make_issue("1"), records=(make_record("1", Waiting(make_steering("1"))),))
    decision = after_events(state, ReplyGiven(answered))
    assert decision.state.records["1"].claim.steering == answered
    assert decision.changes.audit[-1].reason == "attempt 2: a person answered"


def test_an_unfinished_handoff_is_finished_without_an_agent_whatever_state_the_issue_is_in():
    state = make_state(
        make_issue("1", "Done"), records=(make_record("1", completion=COMPLETION, attempts=1),)
    )
    decision = after_events(state, Ticked())
    assert decision.effects == (StartDelivery(COMPLETION, "1.2", 2, state.workflow),)


def test_an_unfinished_handoff_goes_on_while_the_workflow_is_invalid_or_paused():
    record = make_record("1", completion=COMPLETION, attempts=1)
    state = replace(
        make_state(make_issue("1"), records=(record,)),
        paused=True,
        workflow_problems=(Problem("workflow_invalid", "x", "y"),),
    )
    assert isinstance(after_events(state, Ticked()).effects[0], StartDelivery)


def test_an_invalid_workflow_blocks_new_attempts_until_it_is_fixed():
    problem = Problem("workflow_invalid", "WORKFLOW.md:2", "bad")
    broken = after_events(
        make_state(), WorkflowChanged(None, (problem,)), TrackerChanged(make_set(make_issue("1")))
    )
    assert broken.effects == ()
    fixed = after_events(broken.state, WorkflowChanged(make_workflow()))
    assert started(fixed) == ["1"]


def test_a_new_workflow_changes_slots_at_once():
    issues = make_set(make_issue("1"), make_issue("2"))
    one = after_events(make_state(agent={"max_concurrent_agents": 1}), TrackerChanged(issues))
    assert started(after_events(one.state, WorkflowChanged(make_workflow()))) == ["2"]


def test_a_running_attempt_keeps_the_workflow_it_started_with():
    decision = after_events(make_state(acp={"adapter": "demo"}), TrackerChanged(make_set(make_issue("1"))))
    before = decision.effects[0].workflow
    changed = after_events(decision.state, WorkflowChanged(make_workflow(acp={"adapter": "codex"})))
    assert before.settings.acp.adapter == "demo"
    assert changed.state.records["1"].claim.adapter == "demo"


def test_states_of_their_own_change_adapter_and_turns():
    states = {
        "Review": {"role": "active", "adapter": "codex", "max_turns": 3},
        "Done": {"role": "terminal"},
    }
    decision = after_events(make_state(states=states), TrackerChanged(make_set(make_issue("1", "review"))))
    claim = decision.state.records["1"].claim
    assert (claim.adapter, claim.max_turns) == ("codex", 3)
