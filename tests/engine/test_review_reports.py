"""What an agent is told and what the scheduler is told, when the store or the mailbox is slow."""

import asyncio

import pytest

from symphony.agent.script import Say, mark_done, one_turn
from symphony.core.event import CompletionAccepted, Ticked
from symphony.core.report import ReportRefused
from symphony.core.states import StateRole, StateTable
from symphony.engine.mailbox import Mailbox
from symphony.engine.reports import DispatchReports
from symphony.host.clock import settle
from symphony.store.errors import StoreError, store_full

STATES = StateTable.of([("Todo", StateRole.ACTIVE), ("Done", StateRole.TERMINAL)])


def make_reports(world, mailbox):
    return DispatchReports(
        "1",
        "1.1",
        store=world.store,
        tracker=None,
        clock=world.clock,
        mailbox=mailbox,
        states=STATES,
    )


async def test_a_second_mark_done_at_the_same_time_is_answered_when_the_first_is_durable(world):
    accept, goes_on = world.store.accept_completion, asyncio.Event()

    async def slow(completion):
        await goes_on.wait()
        return await accept(completion)

    world.store.accept_completion = slow
    reports = make_reports(world, Mailbox())
    calls = [asyncio.create_task(reports.mark_done("Done", "Did it.")) for _ in range(2)]
    await settle()
    answered_early = any(call.done() for call in calls)
    goes_on.set()
    first, second = await asyncio.gather(*calls)
    assert not answered_early
    assert first == second


async def test_neither_of_two_mark_dones_is_accepted_when_the_store_takes_none(world):
    goes_on = asyncio.Event()

    async def full(_):
        await goes_on.wait()
        raise store_full("here")

    world.store.accept_completion = full
    reports = make_reports(world, Mailbox())
    calls = [asyncio.create_task(reports.mark_done("Done", "Did it.")) for _ in range(2)]
    await settle()
    goes_on.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreError, StoreError]
    assert reports.completion is None


async def test_what_is_not_durable_is_not_announced(world):
    goes_on = asyncio.Event()

    async def full(_):
        await goes_on.wait()
        raise store_full("here")

    world.store.accept_completion = full
    mailbox = Mailbox()
    reports = make_reports(world, mailbox)
    call = asyncio.create_task(reports.mark_done("Done", "Did it."))
    await settle()
    reports.announce()
    goes_on.set()
    with pytest.raises(StoreError):
        await call
    assert mailbox.empty


async def test_a_mark_done_that_is_cut_off_before_a_full_mailbox_is_announced_later(world):
    mailbox = Mailbox(capacity=1)
    mailbox.offer(Ticked())
    reports = make_reports(world, mailbox)
    call = asyncio.create_task(reports.mark_done("Done", "Did it."))
    await settle()
    call.cancel()
    await asyncio.wait({call})
    reports.announce()
    letters = [await mailbox.take()]
    await settle()
    while not mailbox.empty:
        letters.append(await mailbox.take())
    told = [letter.event for letter in letters if isinstance(letter.event, CompletionAccepted)]
    assert [event.completion.title for event in told] == ["Done"]


async def test_an_attempt_that_was_ended_takes_no_more_reports(world):
    reports = make_reports(world, Mailbox())
    reports.refuse()
    for call in (
        reports.mark_done("Done", "Did it."),
        reports.request_human_steering("Red?", None),
        reports.propose_issue("More", None, [], None),
    ):
        with pytest.raises(ReportRefused) as caught:
            await call
        assert str(caught.value) == "Issue 1 is no longer worked on. End your turn."


async def test_a_token_that_an_agent_repeats_is_written_nowhere(world):
    await world.build(until_idle=True)
    world.script("1", one_turn(Say("it is token-1"), mark_done("Use token-1", "With token-1.")))
    world.drop("1")
    await world.run_until_idle()
    written = [str(world.run_logs.lines), str(world.log.lines), str(world.said)]
    written += [str(row) for row in await world.store.recent_handoffs(5)]
    assert [text for text in written if "token-1" in text] == []
