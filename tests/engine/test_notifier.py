"""Telling people beside the scheduler: once, in order of urgency, whatever the targets do."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from symphony.core.notice import Notice, NoticeFailed, Telling
from symphony.core.problem import Problem
from symphony.core.settings import NotifySettings, Settings
from symphony.core.snapshot import Snapshot, WaitingView
from symphony.engine.notifier import TRIES, Notices, open_notices
from symphony.host.clock import VirtualClock, settle
from symphony.store.memory import MemoryStore
from tests.engine.conftest import ListLog, World
from tests.support.world import make_steering

WEBHOOK = {"kind": "webhook", "target": "https://example.org/hook"}
COMMAND = {"kind": "command", "target": "true"}


@dataclass
class Phone:
    """A notifier that remembers, and can be made to fail or to hang."""

    told: list[Notice] = field(default_factory=list)
    tried: int = 0
    failures: list[Exception] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    async def tell(self, target: NotifySettings, notice: Notice) -> None:
        self.tried += 1
        await self.answers.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(notice)

    @property
    def keys(self) -> list[str]:
        return [notice.need.key for notice in self.told]


@dataclass
class Desk:
    """Everything around the notices; survives a restart of them."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: VirtualClock = field(default_factory=VirtualClock)
    log: ListLog = field(default_factory=ListLog)
    webhook: Phone = field(default_factory=Phone)
    command: Phone = field(default_factory=Phone)
    targets: tuple[Any, ...] = (WEBHOOK,)
    shown: Snapshot | None = None
    changes: int = 0

    looks: int = 0

    def now_told(self) -> tuple[NotifySettings, ...]:
        return Settings.model_validate({"notify": self.targets}).notify

    def snapshot(self) -> Snapshot:
        self.looks += 1
        return self.shown or Snapshot(self.clock.now())

    def show(self, *issue_ids: str, **fields: Any) -> None:
        waiting = tuple(WaitingView(each, each, "T", make_steering(each), "waits") for each in issue_ids)
        self.shown = Snapshot(self.clock.now(), waiting=waiting, **fields)

    def changed(self) -> None:
        self.changes += 1

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Notices]:
        notices = Notices(
            self.now_told,
            self.snapshot,
            self.store,
            self.clock,
            self.log,
            {"webhook": self.webhook, "command": self.command},
            lambda issue_id: f"http://127.0.0.1/issues/{issue_id}",
            self.changed,
        )
        async with open_notices(notices):
            yield notices

    async def pass_time(self, notices: Notices, seconds: float = 2.0) -> None:
        """Let the notices look, and so much time go by."""
        notices.notice()
        await settle()
        await self.clock.advance(self.clock.now() + timedelta(seconds=seconds))


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_question_is_told_once_however_often_anything_changes(desk: Desk) -> None:
    desk.show("1")
    async with desk.open() as notices:
        for _ in range(5):
            await desk.pass_time(notices)
    assert desk.webhook.keys == ["question:1.1.q1"]
    assert desk.webhook.told[0].url == "http://127.0.0.1/issues/1"


async def test_it_is_not_told_again_after_a_restart(desk: Desk) -> None:
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices)
    desk.store = desk.store.crash()
    async with desk.open() as notices:
        await desk.pass_time(notices)
        desk.show("1", "2")
        await desk.pass_time(notices)
    assert desk.webhook.keys == ["question:1.1.q1", "question:2.1.q1"]


async def test_what_was_told_is_forgotten_once_it_is_gone(desk: Desk) -> None:
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices)
        assert len(await desk.store.told()) == 1
        desk.show()
        await desk.pass_time(notices, 61)
        await desk.pass_time(notices)
        assert await desk.store.told() == frozenset()


async def test_a_daemon_that_tells_nobody_looks_at_nothing(desk: Desk) -> None:
    desk.targets = ()
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices)
    assert desk.looks == 0


async def test_what_a_target_was_told_is_forgotten_when_it_is_taken_away(desk: Desk) -> None:
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices)
        desk.targets = ()
        await desk.pass_time(notices)
    assert await desk.store.told() == frozenset()


async def test_every_target_is_told_and_a_new_one_of_what_is_open(desk: Desk) -> None:
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices)
        desk.targets = (WEBHOOK, COMMAND)
        await desk.pass_time(notices)
    assert desk.webhook.keys == desk.command.keys == ["question:1.1.q1"]


async def test_a_target_that_hangs_keeps_no_other_waiting(desk: Desk) -> None:
    desk.targets = (WEBHOOK, COMMAND)
    desk.webhook.answers.clear()
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices)
        assert (desk.command.keys, desk.webhook.keys) == (["question:1.1.q1"], [])
        desk.webhook.answers.set()


async def test_a_failure_is_a_problem_until_the_thing_is_told(desk: Desk) -> None:
    desk.webhook.failures = [NoticeFailed("The webhook did not answer within 10 s.")]
    desk.show("1")
    async with desk.open() as notices:
        notices.notice()
        await settle()
        assert notices.problems() == (
            Problem(
                "notify.failed",
                "notify (webhook at example.org)",
                "The webhook did not answer within 10 s.",
            ),
        )
        await desk.pass_time(notices)
        assert (notices.problems(), desk.webhook.keys) == ((), ["question:1.1.q1"])
    assert desk.changes == 2


async def test_a_target_that_is_down_is_tried_ever_more_seldom_and_then_given_up(desk: Desk) -> None:
    desk.webhook.failures = [NoticeFailed("down")] * (TRIES + 5)
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices, 14)
        assert desk.webhook.tried == 4  # at 0, 1, 3 and 7 seconds
        await desk.pass_time(notices, 3_600)
        assert desk.webhook.tried == TRIES
        assert [problem.code for problem in notices.problems()] == ["notify.failed"]
        desk.show()
        await desk.pass_time(notices)
        assert notices.problems() == ()


async def test_a_final_refusal_is_not_tried_again_and_the_next_thing_follows_at_once(desk: Desk) -> None:
    desk.webhook.failures = [NoticeFailed("The webhook answered with status 400.", final=True)]
    desk.show("1", "2")
    async with desk.open() as notices:
        notices.notice()
        await settle()
        assert desk.webhook.keys == ["question:2.1.q1"]
        assert len(notices.problems()) == 1


async def test_a_defect_of_a_notifier_costs_one_notice_and_nothing_else(desk: Desk) -> None:
    desk.webhook.failures = [ValueError("broken")]
    desk.show("1", "2")
    async with desk.open() as notices:
        notices.notice()
        await settle()
        assert desk.webhook.keys == ["question:2.1.q1"]
    assert ("error", "notify.broke") in [line[:2] for line in desk.log.lines]


async def test_what_was_answered_meanwhile_is_not_told(desk: Desk) -> None:
    desk.webhook.failures = [NoticeFailed("down")]
    desk.show("1")
    async with desk.open() as notices:
        notices.notice()
        await settle()
        desk.show()
        await desk.pass_time(notices, 30)
    assert desk.webhook.keys == []


async def test_what_became_known_at_the_very_end_is_told_before_the_end(desk: Desk) -> None:
    async with desk.open():
        desk.show("1")
    assert desk.webhook.keys == ["question:1.1.q1"]


async def test_a_target_that_is_down_is_asked_once_more_at_the_end_and_delays_nothing(desk: Desk) -> None:
    desk.webhook.failures = [NoticeFailed("down")] * 9
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices, 0.5)
        assert desk.webhook.tried == 1
    assert (desk.webhook.tried, await desk.store.told()) == (2, frozenset())


async def test_what_is_told_while_the_store_forgets_something_else_is_remembered(desk: Desk) -> None:
    desk.store = store = SlowStore()
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices)
        desk.webhook.answers.clear()
        desk.show("2")
        await desk.pass_time(notices, 61)
        notices.notice()
        await desk.clock.advance(desk.clock.now() + timedelta(seconds=2))
        assert store.forgetting.is_set()
        desk.webhook.answers.set()
        await settle()
        store.go_on.set()
        await desk.pass_time(notices)
        await desk.pass_time(notices)
    assert desk.webhook.keys == ["question:1.1.q1", "question:2.1.q1"]


class SlowStore(MemoryStore):
    """A store that takes its time to forget."""

    def __init__(self) -> None:
        super().__init__()
        self.forgetting, self.go_on = asyncio.Event(), asyncio.Event()

    async def keep_told(self, told: Collection[Telling], gone: Collection[Telling]) -> None:
        if gone:
            self.forgetting.set()
            await self.go_on.wait()
        await super().keep_told(told, gone)


async def test_what_a_full_disk_did_not_remember_is_remembered_once_there_is_room(desk: Desk) -> None:
    desk.show("1")
    async with desk.open() as notices:
        desk.store.fail_next_write()
        await desk.pass_time(notices)
        assert {telling.key for telling in await desk.store.told()} == {"question:1.1.q1"}
    assert desk.webhook.keys == ["question:1.1.q1"]
    assert [line[:2] for line in desk.log.lines].count(("error", "notify.not_stored")) == 1


async def test_what_is_over_before_it_could_be_remembered_is_not_remembered(desk: Desk) -> None:
    desk.store = FullStore()
    desk.show("1")
    async with desk.open() as notices:
        await desk.pass_time(notices)
        desk.show()
        await desk.pass_time(notices, 61)
        desk.store.full = False
        await desk.pass_time(notices)
        await desk.pass_time(notices)
        assert await desk.store.told() == frozenset()


class FullStore(MemoryStore):
    """A store that cannot remember what was told."""

    full = True

    async def keep_told(self, told: Collection[Telling], gone: Collection[Telling]) -> None:
        if told and self.full:
            self.fail_next_write()
        await super().keep_told(told, gone)


async def test_the_scheduler_shows_what_could_not_be_told(world: World) -> None:
    engine = await world.build()
    problem = Problem("notify.failed", "notify (command)", "It failed.")
    engine.more_problems = lambda: (problem,)
    shown = engine.snapshot()
    assert (shown.status, shown.problems[0]) == ("attention", problem)
