"""What every driver of the store port promises [DESIGN: nothing is lost]."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from symphony.core.access import AccessDecision, AccessLedger, AccessRequest
from symphony.core.budget import Ceilings
from symphony.core.claim import Continuing, IssueRecord, Parked, Retrying, Running, Waiting
from symphony.core.effect import Audit
from symphony.core.handoff import Completion, Handoff
from symphony.core.journal import Action, Result
from symphony.core.notice import Telling
from symphony.core.outcome import (
    Delivered,
    Failed,
    RateLimited,
    Released,
    Stopped,
    StopReason,
    TurnsExhausted,
)
from symphony.core.ports import AttemptRow, Changes, Store
from symphony.core.receipt import CheckRun, Receipt
from symphony.core.steering import SteeringRequest
from symphony.core.stored import Delivery
from symphony.core.transition import Passage
from symphony.core.usage import Usage
from symphony.store.errors import StoreError
from symphony.store.memory import MemoryStore
from symphony.store.sqlite import SqliteStore, open_store

T0 = datetime(2026, 5, 17, 9, 30, 0, 123456, tzinfo=UTC)
USAGE = Usage(1200, 340, 9, cost_usd=0.1, seconds=12.5, context_used=900, context_size=200_000)
AnyStore = SqliteStore | MemoryStore


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


class Stage:
    """A store whose process can die and come back."""

    def __init__(self, store: AnyStore, restart: Callable[[], Awaitable[AnyStore]]) -> None:
        self.store = store
        self._restart = restart

    async def restart(self) -> AnyStore:
        self.store = await self._restart()
        return self.store


@pytest.fixture(params=["sqlite", "memory"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "memory":
        memory = MemoryStore()

        async def crash() -> AnyStore:
            nonlocal memory
            memory = memory.crash()
            return memory

        yield Stage(memory, crash)
        return
    async with AsyncExitStack() as stack:
        path = tmp_path / "state" / "symphony.db"

        async def reopen() -> AnyStore:
            await stack.aclose()
            return await stack.enter_async_context(open_store(path))

        yield Stage(await reopen(), reopen)


@pytest.fixture
def store(stage: Stage) -> AnyStore:
    return stage.store


def attempt(attempt_id: str = "a1", issue_id: str = "7", number: int = 1) -> AttemptRow:
    return AttemptRow(attempt_id, issue_id, number, "demo", "local", at(0))


def question(steering_id: str = "s1", issue_id: str = "7", text: str = "Which one?") -> SteeringRequest:
    return SteeringRequest(steering_id, issue_id, "a1", text, "There are two.", at(1))


def done(attempt_id: str = "a1", issue_id: str = "7", title: str = "Fix the parser") -> Completion:
    return Completion(issue_id, attempt_id, title, "It parses now.", at(2))


def running() -> Running:
    return Running("a1", 1, "demo", "Todo", 20, at(0), at(1))


PATCH = Handoff("patch", "Patch written.", Path("/x/agent_7.patch"), None, "c0ffee")


def test_both_drivers_are_stores() -> None:
    checked: tuple[type[Store], ...] = (SqliteStore, MemoryStore)

    assert len(checked) == 2


async def test_an_empty_store_remembers_nothing(store: AnyStore) -> None:
    memory = await store.load()

    assert memory.records == {}
    assert memory.steering == {}
    assert memory.adapter_pauses == {}
    assert (memory.open_intents, memory.interrupted, memory.paused) == ((), (), False)
    assert await store.totals() == Usage()
    assert await store.recent_handoffs(5) == ()


@pytest.mark.parametrize(
    "claim",
    [
        None,
        Retrying(at(99), "agent.exited: it broke"),
        Retrying(at(99), "it is checked out", code="train.checked_out"),
        Continuing(at(1), "In Progress"),
        Parked(at(5), ("first", "second"), "rev-1"),
        Parked(at(5), ("not now",), "rev-2", by_person=True),
        Waiting(question()),
    ],
    ids=["free", "retrying", "retrying-handoff", "continuing", "parked", "parked-by-person", "waiting"],
)
async def test_a_claim_survives_a_restart(stage: Stage, claim: object) -> None:
    record = IssueRecord("7", claim, 2, ("one", "two"), True, 3, USAGE, None, "Patch written.")  # type: ignore[arg-type] # one of the closed set
    await stage.store.apply(Changes(records=(record,)))

    store = await stage.restart()

    assert (await store.load()).records == {"7": record}


async def test_access_requests_and_what_was_decided_survive_a_restart(stage: Stage) -> None:
    ledger = AccessLedger(
        (
            AccessRequest("pypi.org", 443, 12, at(1), at(9)),
            AccessRequest("xn--bcher-kva.example", None, 1, at(2), at(2), AccessDecision.ISSUE, at(3)),
            AccessRequest("evil.example", 80, 3, at(3), at(4), AccessDecision.DENY, at(5), "It broke."),
            AccessRequest("never.asked.example", decision=AccessDecision.ISSUE, decided_at=at(6)),
        ),
        not_kept=99_950,
        never=7,
    )
    await stage.store.apply(Changes(records=(IssueRecord("7", access=ledger),)))

    store = await stage.restart()

    assert (await store.load()).records["7"].access == ledger


async def test_what_was_opened_for_one_machine_is_forgotten_with_the_process(stage: Stage) -> None:
    asked = AccessRequest("pypi.org", 443, 12, at(1), at(9))
    once = AccessRequest("a.example", 443, 1, at(1), at(1), AccessDecision.ONCE, at(2))
    workflow = AccessRequest("b.example", 443, 1, at(1), at(1), AccessDecision.WORKFLOW, at(2))
    record = IssueRecord("7", running(), access=AccessLedger((once, asked, workflow)))
    await stage.store.apply(Changes(records=(record,)))

    store = await stage.restart()

    assert (await store.load()).records["7"].access == AccessLedger((asked,))


async def test_ceilings_that_a_person_gave_an_issue_survive_a_restart(stage: Stage) -> None:
    ceilings = {"7": Ceilings(2_000_000, 2.5), "8": Ceilings(minutes=90.5), "9": Ceilings()}
    records = tuple(IssueRecord(issue_id, budget=budget) for issue_id, budget in ceilings.items())
    await stage.store.apply(Changes(records=records))

    store = await stage.restart()

    assert {key: record.budget for key, record in (await store.load()).records.items()} == ceilings


async def test_a_handoff_leaves_the_access_requests_alone(stage: Stage) -> None:
    ledger = AccessLedger((AccessRequest("pypi.org", 443, 1, at(1), at(1)),))
    await stage.store.apply(Changes(records=(IssueRecord("7", access=ledger),)))
    await stage.store.complete_handoff(done(), PATCH, at(9))

    store = await stage.restart()

    assert (await store.load()).records["7"].access == ledger


async def test_a_retry_keeps_its_due_time_to_the_microsecond(stage: Stage) -> None:
    due = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    await stage.store.apply(Changes(records=(IssueRecord("7", Retrying(due, "x")),)))

    claim = (await (await stage.restart()).load()).records["7"].claim

    assert isinstance(claim, Retrying)
    assert claim.due_at == due


async def test_a_running_issue_comes_back_free_with_its_attempt_interrupted(stage: Stage) -> None:
    await stage.store.attempt_started(attempt())
    await stage.store.session_opened("a1", "sess-1", "opus", "smolvm, guest kernel 6.18")
    await stage.store.apply(Changes(records=(IssueRecord("7", running(), attempts=1),)))

    memory = await (await stage.restart()).load()

    assert memory.records == {"7": IssueRecord("7", attempts=1)}
    assert memory.interrupted == (
        replace(attempt(), session_id="sess-1", model="opus", sandbox="smolvm, guest kernel 6.18"),
    )


async def test_what_an_interrupted_attempt_had_cost_counts_for_its_issue(stage: Stage) -> None:
    spent = Usage(input_tokens=100, output_tokens=20, cost_usd=0.5, seconds=3.0)
    await stage.store.attempt_started(attempt())
    await stage.store.attempt_ended("a1", at(1), Released(), 1, spent)
    await stage.store.attempt_started(replace(attempt(), id="a2", number=2))
    await stage.store.turn_ended("a2", 1, Usage(input_tokens=1))
    await stage.store.turn_ended("a2", 2, spent)
    await stage.store.turn_ended("a1", 9, Usage())
    await stage.store.apply(Changes(records=(IssueRecord("7", running(), attempts=2, usage=spent),)))

    memory = await (await stage.restart()).load()

    assert memory.records["7"].usage == spent.plus(spent)
    assert [(row.id, row.turns, row.usage) for row in memory.interrupted] == [("a2", 2, spent)]


async def test_a_waiting_issue_comes_back_without_the_attempt_that_held_its_session(stage: Stage) -> None:
    await stage.store.ask(question())
    await stage.store.apply(Changes(records=(IssueRecord("7", Waiting(question(), running())),)))

    memory = await (await stage.restart()).load()

    assert memory.records["7"].claim == Waiting(question(), None)
    assert memory.steering == {"7": question()}


async def test_a_reply_that_came_after_the_claim_was_stored_is_in_the_restored_claim(stage: Stage) -> None:
    await stage.store.ask(question())
    await stage.store.apply(Changes(records=(IssueRecord("7", Waiting(question())),)))
    answered = await stage.store.reply("7", "The left one", at(3))
    await stage.store.reply_used("s1", at(4))

    memory = await (await stage.restart()).load()

    assert answered == replace(question(), reply="The left one", replied_at=at(3))
    assert memory.records["7"].claim == Waiting(answered)
    assert memory.steering == {}


async def test_the_latest_record_of_an_issue_counts(store: AnyStore) -> None:
    await store.apply(Changes(records=(IssueRecord("7", failures=4), IssueRecord("8"))))
    await store.apply(Changes(records=(IssueRecord("7", failures=5),)))

    assert (await store.load()).records == {"7": IssueRecord("7", failures=5), "8": IssueRecord("8")}


async def test_pauses_survive_a_restart_and_can_be_lifted(stage: Stage) -> None:
    await stage.store.apply(Changes(paused=True, adapter_pauses={"claude": at(60), "codex": at(90)}))
    memory = await (await stage.restart()).load()
    assert memory.paused
    assert memory.adapter_pauses == {"claude": at(60), "codex": at(90)}

    await stage.store.apply(Changes())
    assert (await stage.store.load()).paused

    await stage.store.apply(Changes(paused=False, adapter_pauses={"codex": at(90)}))
    memory = await (await stage.restart()).load()
    assert not memory.paused
    assert memory.adapter_pauses == {"codex": at(90)}


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (Delivered(PATCH), "delivered", "Patch written."),
        (Failed("agent.exited", "The agent exited."), "agent.exited", "The agent exited."),
        (RateLimited("claude", at(9), "Quota."), "rate_limited", "Quota."),
        (TurnsExhausted(20, progressed=True), "turns_exhausted", "All 20 turns were used, with progress."),
        (TurnsExhausted(3, progressed=False), "turns_exhausted", "All 3 turns were used, without progress."),
        (Stopped(StopReason.STALLED), "stalled", ""),
        (Stopped(StopReason.TERMINAL, PATCH), "terminal", "Patch written."),
        (Released(), "waiting_for_reply", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_ended_attempt_says_how(stage: Stage, outcome: object, code: str, message: str) -> None:
    await stage.store.attempt_started(attempt())
    await stage.store.attempt_ended("a1", at(30), outcome, 4, USAGE)  # type: ignore[arg-type] # one of the closed set

    store = await stage.restart()

    assert await store.attempts_of("7") == (
        replace(attempt(), ended_at=at(30), outcome=code, message=message, turns=4, usage=USAGE),
    )
    assert (await store.load()).interrupted == ()


async def test_the_first_end_of_an_attempt_counts(store: AnyStore) -> None:
    await store.attempt_started(attempt())
    await store.attempt_ended("a1", at(30), Delivered(PATCH), 4, USAGE)
    await store.attempt_ended("a1", at(31), Failed("x", "late"), 9, USAGE.plus(USAGE))

    (row,) = await store.attempts_of("7")

    assert (row.ended_at, row.outcome, row.turns, row.usage) == (at(30), "delivered", 4, USAGE)


async def test_attempts_come_oldest_first_and_their_usage_adds_up(store: AnyStore) -> None:
    for number in (1, 2, 3):
        await store.attempt_started(attempt(f"a{number}", number=number))
        await store.attempt_ended(f"a{number}", at(number), Released(), 1, USAGE)
    await store.attempt_started(attempt("b1", "8"))

    assert [row.id for row in await store.attempts_of("7")] == ["a1", "a2", "a3"]
    assert await store.totals() == USAGE.plus(USAGE).plus(USAGE)


async def test_figures_of_any_size_are_kept(store: AnyStore) -> None:
    huge = Usage(input_tokens=10**40, output_tokens=-1, cost_usd=1e308)
    await store.attempt_started(attempt())
    await store.attempt_ended("a1", at(1), Released(), 1, huge)

    assert (await store.attempts_of("7"))[0].usage == huge
    assert await store.totals() == huge


@pytest.mark.parametrize(
    "text", ["\ud800 alone", "nul \0 inside", "line\nfeed", "日本 🎻", "'; DROP TABLE meta"]
)
async def test_any_text_comes_back_as_it_was(stage: Stage, text: str) -> None:
    asked = replace(question(text, text, text), context=text)
    record = IssueRecord(text, Parked(at(1), (text,), text), 1, (text,), last_handoff=text)
    await stage.store.apply(Changes(records=(record,), audit=(Audit(at(0), text, text, text),)))
    await stage.store.ask(asked)
    await stage.store.reply(text, text, at(2))
    await stage.store.attempt_started(replace(attempt(text, text), adapter=text))
    await stage.store.accept_completion(Completion(text, text, text, text, at(3)))
    await stage.store.intend(at(4), text, text, Action.MOVE_ISSUE, {text: text})

    store = await stage.restart()

    memory = await store.load()
    assert memory.records == {text: replace(record, completion=Completion(text, text, text, text, at(3)))}
    assert memory.steering == {text: replace(asked, reply=text, replied_at=at(2))}
    assert memory.interrupted == (replace(attempt(text, text), adapter=text),)
    assert dict(memory.open_intents[0].detail) == {text: text}
    assert await store.audit_of(text) == (Audit(at(0), text, text, text),)


async def test_an_attempt_is_started_once(store: AnyStore) -> None:
    await store.attempt_started(attempt())

    with pytest.raises(StoreError) as caught:
        await store.attempt_started(attempt())

    assert (caught.value.code, str(caught.value)) == ("attempt_exists", "Attempt a1 is already in the store.")


async def test_what_was_never_begun_cannot_end(store: AnyStore) -> None:
    with pytest.raises(StoreError) as caught:
        await store.attempt_ended("a9", at(1), Released(), 0, Usage())
    assert (caught.value.code, str(caught.value)) == ("attempt_unknown", "Attempt a9 is not in the store.")

    with pytest.raises(StoreError) as caught:
        await store.session_opened("a9", "x", "opus", "local")
    assert caught.value.code == "attempt_unknown"

    with pytest.raises(StoreError) as caught:
        await store.turn_ended("a9", 1, Usage())
    assert caught.value.code == "attempt_unknown"

    with pytest.raises(StoreError) as caught:
        await store.fulfil(99, at(1), Result.DONE, {})
    assert (caught.value.code, str(caught.value)) == ("intent_unknown", "Intent 99 is not in the store.")


async def test_an_intent_is_open_until_its_result_is_there(stage: Stage) -> None:
    first = await stage.store.intend(at(1), "7", "a1", Action.MOVE_ISSUE, {"to": "Done", "tries": (1, 2)})
    second = await stage.store.intend(at(2), "7", "a1", Action.HAND_OFF, {})
    await stage.store.fulfil(second, at(3), Result.DONE, {"patch": Path("/x")})
    await stage.store.fulfil(second, at(4), Result.FAILED, {})

    (intent,) = (await (await stage.restart()).load()).open_intents

    assert (intent.id, intent.at, intent.issue_id, intent.attempt_id) == (first, at(1), "7", "a1")
    assert (intent.action, dict(intent.detail)) == ("move_issue", {"to": "Done", "tries": [1, 2]})
    assert second != first
    assert await stage.store.intend(at(5), "7", "a1", Action.MOVE_ISSUE, {}) not in (first, second)


async def test_what_became_of_an_intent_is_said_once(stage: Stage) -> None:
    intent = await stage.store.intend(at(1), "7", "a1", Action.CLEAN_UP, {})
    said = Audit(at(2), "7", "recover", "clean up was cut off: the workspace is gone")
    of_others = (replace(said, issue_id="8"), replace(said, issue_id=None))
    await stage.store.fulfil(intent, at(2), Result.DONE, {}, (said, *of_others))
    await stage.store.fulfil(intent, at(3), Result.UNDONE, {}, (replace(said, reason="again"),))

    store = await stage.restart()
    assert [await store.audit_of(issue_id) for issue_id in ("7", "8", None)] == [
        (said,), *((each,) for each in of_others),
    ]  # fmt: skip


async def test_mark_done_is_accepted_once_and_the_first_one_stays(stage: Stage) -> None:
    assert await stage.store.accept_completion(done()) == done()
    again = replace(done(title="Another title"), accepted_at=at(9))

    assert await stage.store.accept_completion(again) == done()
    assert (await (await stage.restart()).load()).records == {"7": IssueRecord("7", completion=done())}


async def test_an_open_completion_is_in_its_record_whatever_the_record_says(stage: Stage) -> None:
    await stage.store.accept_completion(done())
    await stage.store.apply(Changes(records=(IssueRecord("7", Retrying(at(9), "again")),)))

    record = (await (await stage.restart()).load()).records["7"]

    assert record == IssueRecord("7", Retrying(at(9), "again"), completion=done())


async def test_a_withdrawn_completion_is_gone_and_the_attempt_may_give_its_word_again(stage: Stage) -> None:
    await stage.store.accept_completion(done())
    await stage.store.withdraw_completion("7", "another attempt")
    assert (await stage.store.load()).records["7"].completion == done()

    await stage.store.withdraw_completion("7", "a1")
    await stage.store.withdraw_completion("7", "a1")
    assert (await (await stage.restart()).load()).records == {}

    second = done(title="Better")
    assert await stage.store.accept_completion(second) == second


async def test_a_second_attempt_waits_until_the_first_ones_work_is_handed_over(store: AnyStore) -> None:
    await store.accept_completion(done("a1"))

    with pytest.raises(StoreError) as caught:
        await store.accept_completion(done("a2"))

    assert caught.value.code == "completion_open"
    assert str(caught.value) == (
        "The work of attempt a1 on issue 7 is accepted and not handed over yet. "
        "Its handoff is repeated until it succeeds."
    )
    await store.complete_handoff(done("a1"), PATCH, at(3))
    assert await store.accept_completion(done("a2")) == done("a2")


async def test_what_a_completion_has_passed_is_kept_with_it_and_with_its_handoff(stage: Stage) -> None:
    receipt = Receipt("t" * 40, (CheckRun("tests", "make test", 0, 12.5), CheckRun("slow", "x", None, 600.0)))
    await stage.store.accept_completion(done())
    passed = await stage.store.attach_receipt(done(), receipt)
    assert passed == replace(done(), receipt=receipt)
    store = await stage.restart()
    assert (await store.load()).records["7"].completion == passed
    assert await store.accept_completion(done()) == passed
    await store.complete_handoff(passed, replace(PATCH, receipt=receipt), at(5))
    delivery = await (await stage.restart()).handoff_of("7")
    assert delivery is not None
    assert delivery.handoff.receipt == receipt


async def test_a_withdrawn_completion_takes_its_receipt_along(stage: Stage) -> None:
    await stage.store.accept_completion(done())
    await stage.store.attach_receipt(done(), Receipt("t", ()))
    await stage.store.withdraw_completion("7", "a1")
    await stage.store.attach_receipt(done(), Receipt("t", ()))
    assert await stage.store.accept_completion(done()) == done()


async def test_a_handoff_is_recorded_exactly_once(stage: Stage) -> None:
    await stage.store.accept_completion(done())
    await stage.store.complete_handoff(done(), PATCH, at(5))
    await stage.store.complete_handoff(done(), Handoff("none", "again"), at(6))

    store = await stage.restart()

    (row,) = await store.recent_handoffs(9)
    assert (row.issue_id, row.attempt_id, row.title, row.at) == ("7", "a1", "Fix the parser", at(5))
    assert row.handoff == PATCH
    assert (await store.load()).records == {"7": IssueRecord("7", last_handoff="Patch written.")}
    assert await store.accept_completion(done(title="too late")) == done()


async def test_a_handoff_of_work_that_no_agent_declared_done_is_recorded_too(stage: Stage) -> None:
    await stage.store.apply(Changes(records=(IssueRecord("7", failures=2),)))
    await stage.store.complete_handoff(done(), Handoff("none", "No change."), at(5))

    store = await stage.restart()

    assert [row.handoff for row in await store.recent_handoffs(9)] == [Handoff("none", "No change.")]
    assert (await store.load()).records == {"7": IssueRecord("7", failures=2, last_handoff="No change.")}


async def test_a_transition_is_recorded_once_and_is_no_handoff(stage: Stage) -> None:
    word = replace(done(), from_state="Todo", to_state="Review")
    await stage.store.accept_completion(word)
    assert (await (await stage.restart()).load()).records == {"7": IssueRecord("7", completion=word)}

    for note in ("moved", "moved again"):
        await stage.store.complete_transition(word, note, "r1", at(5))

    store = await stage.restart()
    assert (await store.load()).records == {"7": IssueRecord("7", passage=Passage(1, "moved", "r1"))}
    assert (await store.handoff_of("7"), await store.recent_handoffs(9)) == (None, ())
    assert await store.accept_completion(done(title="too late")) == word
    next_word = replace(done("a2"), from_state="Review", to_state="Todo")
    assert await store.accept_completion(next_word) == next_word
    await store.complete_transition(next_word, "back", "r2", at(6))
    assert (await store.load()).records["7"].passage == Passage(2, "back", "r2")


async def test_a_transition_that_was_withdrawn_is_not_recorded(stage: Stage) -> None:
    word = replace(done(), from_state="Todo", to_state="Review")
    await stage.store.accept_completion(word)
    await stage.store.withdraw_completion("7", "a1")
    await stage.store.complete_transition(word, "moved", "r", at(5))
    assert (await (await stage.restart()).load()).records.get("7", IssueRecord("7")) == IssueRecord("7")


async def test_how_agents_passed_an_issue_on_and_where_an_attempt_began_outlive_a_restart(
    stage: Stage,
) -> None:
    row = replace(attempt(), state="Review")
    await stage.store.attempt_started(row)
    record = IssueRecord("7", passage=Passage(3, "a1 moved it — “so”", "rev"), attempts=1)
    await stage.store.apply(Changes(records=(record,)))

    store = await stage.restart()

    assert (await store.load()).records["7"].passage == record.passage
    assert await store.attempts_of("7") == (row,)


async def test_the_newest_handoffs_come_first(store: AnyStore) -> None:
    for number in range(4):
        await store.complete_handoff(done(f"a{number}", str(number)), PATCH, at(number))

    assert [row.issue_id for row in await store.recent_handoffs(2)] == ["3", "2"]


async def test_the_latest_handoff_of_one_issue_is_found_and_others_are_not_its(stage: Stage) -> None:
    later = Handoff("none", "Nothing more.", head_commit="b" * 40)
    await stage.store.complete_handoff(done("a1", "7"), PATCH, at(1))
    await stage.store.complete_handoff(done("a2", "8"), PATCH, at(2))
    await stage.store.complete_handoff(done("a3", "7"), later, at(3))

    store = await stage.restart()

    assert await store.handoff_of("7") == Delivery("a3", at(3), later)
    assert await store.handoff_of("8") == Delivery("a2", at(2), PATCH)
    assert await store.handoff_of("9") is None


async def test_an_accepted_completion_is_no_handoff_yet(store: AnyStore) -> None:
    await store.accept_completion(done("a1", "7"))

    assert await store.handoff_of("7") is None


async def test_an_issue_asks_one_question_at_a_time(store: AnyStore) -> None:
    await store.ask(question())

    with pytest.raises(StoreError) as caught:
        await store.ask(question("s2"))

    assert caught.value.code == "steering_open"
    assert str(caught.value) == "Issue 7 already has an open question. Wait for the reply to it."
    await store.ask(question("s3", "8"))
    assert await store.open_steering() == (question(), question("s3", "8"))


async def test_a_question_keeps_its_id_for_itself(store: AnyStore) -> None:
    await store.ask(question())
    await store.reply("7", "yes", at(2))

    with pytest.raises(StoreError) as caught:
        await store.ask(question())

    assert (caught.value.code, str(caught.value)) == (
        "steering_exists",
        "Question s1 is already in the store.",
    )


async def test_a_reply_waits_for_an_attempt_and_is_used_once(stage: Stage) -> None:
    await stage.store.ask(question())
    answered = await stage.store.reply("7", "The left one", at(3))

    assert (await (await stage.restart()).load()).steering == {"7": answered}

    await stage.store.reply_used("s1", at(4))
    await stage.store.reply_used("s1", at(5))
    assert (await (await stage.restart()).load()).steering == {}
    assert await stage.store.steering_of("7") == (answered,)
    assert await stage.store.open_steering() == ()


async def test_the_latest_unfinished_question_is_the_one_to_know(store: AnyStore) -> None:
    await store.ask(question("s1"))
    await store.reply("7", "yes", at(2))
    await store.ask(question("s2"))

    assert (await store.load()).steering == {"7": question("s2")}
    assert [request.id for request in await store.steering_of("7")] == ["s1", "s2"]


async def test_a_second_reply_is_refused_while_the_first_waits(store: AnyStore) -> None:
    await store.ask(question())
    await store.reply("7", "yes", at(3))

    with pytest.raises(StoreError) as caught:
        await store.reply("7", "no", at(4))

    assert caught.value.code == "already_answered"
    assert str(caught.value) == (
        "The question of issue 7 was already answered at 2026-05-17 09:30:03 UTC. "
        "The first reply is kept; the agent gets it as its next prompt."
    )
    assert (await store.steering_of("7"))[0].reply == "yes"


async def test_a_reply_to_nothing_is_refused(store: AnyStore) -> None:
    await store.ask(question())
    await store.reply("7", "yes", at(3))
    await store.reply_used("s1", at(4))

    for issue_id in ("7", "8"):
        with pytest.raises(StoreError) as caught:
            await store.reply(issue_id, "no", at(4))
        assert caught.value.code == "no_open_question"
        assert str(caught.value) == (
            f"Issue {issue_id} has no open question. `symphony inbox` lists the questions that are open."
        )


async def test_an_open_question_has_no_reply_to_use(store: AnyStore) -> None:
    await store.ask(question())

    with pytest.raises(StoreError) as caught:
        await store.reply_used("s1", at(4))

    assert (caught.value.code, str(caught.value)) == (
        "steering_unknown",
        "Question s1 has no reply in the store.",
    )


async def test_an_empty_reply_is_a_reply(store: AnyStore) -> None:
    await store.ask(question())

    assert not (await store.reply("7", "", at(3))).open
    assert await store.open_steering() == ()


async def test_decisions_come_newest_first_and_only_those_on_the_issue(store: AnyStore) -> None:
    entries = tuple(Audit(at(n), "7", "dispatch", f"reason {n}") for n in range(5))
    await store.apply(
        Changes(audit=(*entries, Audit(at(9), None, "pause", "x"), Audit(at(9), "8", "y", "z")))
    )

    assert await store.audit_of("7", limit=3) == entries[:1:-1]
    assert await store.audit_of("9") == ()


async def test_the_audit_of_an_issue_keeps_its_newest_decisions_and_stops_growing(store: AnyStore) -> None:
    for start in range(0, 1000, 10):
        await store.apply(
            Changes(audit=tuple(Audit(at(n), "7", "tick", str(n)) for n in range(start, start + 10)))
        )
    await store.apply(Changes(audit=(Audit(at(0), "8", "tick", "alone"),)))

    kept = await store.audit_of("7", limit=10_000)

    assert [entry.reason for entry in kept[:200]] == [str(n) for n in range(999, 799, -1)]
    assert len(kept) < 250
    assert len(await store.audit_of("8")) == 1


async def test_the_installation_keeps_its_name(stage: Stage) -> None:
    name = await stage.store.installation_id()

    assert len(name) == 36
    assert await (await stage.restart()).installation_id() == name


async def test_who_was_told_of_what_survives_a_restart_and_can_be_forgotten(stage: Stage) -> None:
    first, second = Telling("t", "question:1"), Telling("t", "problem:x:\udcff 😀")
    await stage.store.keep_told((first, second), ())
    await stage.store.keep_told((first,), ())
    store = await stage.restart()
    assert await store.told() == {first, second}

    await store.keep_told((), (second, Telling("other", "question:1")))

    assert await (await stage.restart()).told() == {first}


async def test_what_was_told_is_not_kept_when_it_could_not_be_written(stage: Stage) -> None:
    if isinstance(stage.store, MemoryStore):
        stage.store.fail_next_write()
        with pytest.raises(StoreError):
            await stage.store.keep_told((Telling("t", "k"),), ())
    assert await (await stage.restart()).told() == frozenset()
