"""When is a run over? Not before all that can be done is done, and not never."""

import asyncio
from dataclasses import replace

import pytest

from symphony.agent.errors import AgentExited
from symphony.agent.script import Fail, Spend, Work, ask, one_turn
from symphony.core.claim import Continuing, Parked, Retrying, Running, Waiting
from symphony.core.effect import StopAttempt
from symphony.core.event import Ticked
from symphony.core.handoff import Completion
from symphony.core.idle import Idleness, idleness
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
)

DUE = Retrying(after(-1), "It exited.")
SPENT = Usage(input_tokens=100)


def held_back(kind, claim):
    """Return a state in which issue 1 has this claim and may not start for a reason of this kind."""
    record, issue, settings = make_record("1", claim), make_issue("1"), {}
    match kind:
        case "paused":
            record = replace(record, paused=True)
        case "out of budget":
            record, settings = replace(record, usage=SPENT), {"agent": {"budget": {"tokens": 50}}}
        case "blocked":
            issue = make_issue("1", blocked_by=("9",))
        case "unlabelled":
            settings = {"tracker": {"required_labels": ["go"]}}
    state = make_state(issue, records=(record,), **settings)
    match kind:
        case "everything paused":
            state = replace(state, paused=True)
        case "unreadable":
            state = state.with_issues(make_set(unreadable=frozenset({"1"})))
    return state


KINDS = ["paused", "out of budget", "blocked", "unlabelled", "everything paused", "unreadable"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_queued_retry_that_may_not_start_does_not_keep_the_run_busy(kind):
    assert idleness(held_back(kind, DUE), NOON) is not Idleness.BUSY


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_an_answered_question_that_may_not_start_does_not_keep_the_run_busy(kind):
    assert idleness(held_back(kind, Waiting(make_steering("1", "Yes."))), NOON) is not Idleness.BUSY


def test_a_retry_that_is_not_due_keeps_the_run_busy():
    state = make_state(make_issue("1"), records=(make_record("1", Retrying(after(5), "It exited.")),))
    assert idleness(state, NOON) is Idleness.BUSY


def test_a_resting_adapter_that_no_issue_waits_for_does_not_keep_the_run_busy():
    parked = make_record("1", Parked(NOON, ("It exited.",), ""))
    state = replace(make_state(make_issue("1"), records=(parked,)), adapter_pauses={"demo": after(9999)})
    assert idleness(state, NOON) is Idleness.NEEDS_A_PERSON


def test_a_resting_adapter_that_an_issue_waits_for_keeps_the_run_busy():
    state = replace(make_state(make_issue("1")), adapter_pauses={"demo": after(9999)})
    assert idleness(state, NOON) is Idleness.BUSY


@pytest.mark.parametrize("reply", [None, "Yes."], ids=["open", "answered"])
def test_undelivered_work_beside_a_question_is_no_finished_run(reply):
    completion = Completion("1", "1.1", "Done", "Did it.", NOON)
    record = make_record("1", Waiting(make_steering("1", reply)), completion=completion)
    state = make_state(make_issue("1", "Done"), records=(record,))
    assert idleness(state, NOON) is not Idleness.DONE


async def test_a_run_until_idle_ends_when_a_failed_attempt_has_spent_the_budget(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nagent: {budget: {tokens: 100}}\n---\n")
    await world.build(until_idle=True)
    world.script("1", one_turn(Spend(Usage(input_tokens=100)), Fail(AgentExited("demo", 1, "killed"))))
    world.drop("1")
    await world.run_until_idle()
    assert len(world.agents.sessions) == 1


async def test_a_run_until_idle_takes_an_issue_that_appears_while_the_last_one_ends(world):
    async def drop_another(*_):
        world.issues.drop("Todo", "2")

    await world.build(until_idle=True)
    world.script("1", one_turn(Work(drop_another), Fail(AgentExited("demo", 1, "killed"))))
    world.drop("1")
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_failures: 1}\n---\n")
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON
    assert world.state_of("2") == "Done"


async def test_a_reply_at_the_very_end_of_a_run_until_idle_is_no_finished_run(world):
    await world.build(until_idle=True)
    world.script("1", one_turn(ask("Red?")))
    world.drop("1")
    engine = world.engine
    perform = engine.supervisor.perform
    replies = []

    def reply_at_the_end(effect, *rest):
        perform(effect, *rest)
        if isinstance(effect, StopAttempt):
            replies.append(asyncio.create_task(world.operations.reply("1", "Yes.")))

    engine.supervisor.perform = reply_at_the_end
    task = asyncio.create_task(engine.run())
    await world.until(task.done)
    await asyncio.gather(*replies, return_exceptions=True)
    assert (await world.store.steering_of("1"))[0].reply == "Yes."
    assert task.result() is Idleness.NEEDS_A_PERSON


def test_a_reply_is_given_while_everything_is_paused_though_a_continuation_holds_the_slot():
    waiting = Waiting(make_steering("1", "Yes."), make_running("1"))
    records = make_record("1", waiting), make_record("2", Continuing(after(-1), "Todo"))
    state = make_state(make_issue("1"), make_issue("2"), records=records, agent={"max_concurrent_agents": 1})
    decision = after_events(replace(state, paused=True), Ticked())
    assert isinstance(decision.state.record("1").claim, Running)
