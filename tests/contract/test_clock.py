"""What the daemon's clock and the virtual one promise."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from symphony.core.ports import Clock
from symphony.host import clock as clock_module
from symphony.host.clock import EPOCH, SystemClock, VirtualClock, elapsed_seconds

Advance = Callable[[timedelta], Awaitable[None]]


async def stand_by(_: timedelta) -> None:
    """Real time goes on by itself."""


@pytest.fixture(params=["system", "virtual"])
def clock_and_advance(request: pytest.FixtureRequest) -> tuple[Clock, Advance]:
    if request.param == "system":
        return SystemClock(), stand_by
    virtual = VirtualClock()

    async def advance(by: timedelta) -> None:
        await virtual.advance(virtual.now() + by)

    return virtual, advance


async def test_now_is_aware_utc_and_never_goes_back(clock_and_advance: tuple[Clock, Advance]) -> None:
    clock, advance = clock_and_advance
    seen = []
    for _ in range(100):
        seen.append(clock.now())
        await advance(timedelta(milliseconds=1))
    assert seen == sorted(seen)
    assert all(moment.utcoffset() == timedelta(0) for moment in seen)


async def test_sleep_returns_at_or_after_its_time(clock_and_advance: tuple[Clock, Advance]) -> None:
    clock, advance = clock_and_advance
    due = clock.now() + timedelta(milliseconds=3)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        sleeping = tasks.create_task(clock.sleep_until(due))
        await asyncio.sleep(0)
        assert not sleeping.done()
        await advance(timedelta(milliseconds=3))
    assert clock.now() >= due


@pytest.mark.parametrize("past", [timedelta(0), timedelta(days=400)])
async def test_sleeping_until_the_past_lets_others_run_and_returns(
    clock_and_advance: tuple[Clock, Advance], past: timedelta
) -> None:
    clock, _ = clock_and_advance
    turns = []
    asyncio.get_running_loop().call_soon(turns.append, "other")
    async with asyncio.timeout(30):
        await clock.sleep_until(clock.now() - past)
    assert turns == ["other"]


async def test_a_cancelled_sleep_ends_at_once(clock_and_advance: tuple[Clock, Advance]) -> None:
    clock, _ = clock_and_advance
    sleeping = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(days=1)))
    await asyncio.sleep(0)
    sleeping.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await sleeping


class Machine:
    """A wall clock and a count of seconds that a test moves."""

    def __init__(self) -> None:
        self.wall_time = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.seconds = 1000.0

    def wall(self) -> datetime:
        return self.wall_time

    def elapsed(self) -> float:
        return self.seconds


@pytest.mark.parametrize("jump", [timedelta(hours=-3), timedelta(days=400)])
async def test_setting_the_machines_clock_changes_nothing(jump: timedelta) -> None:
    machine = Machine()
    clock = SystemClock(machine.wall, machine.elapsed)
    machine.wall_time += jump
    machine.seconds += 60
    assert clock.now() == datetime(2026, 3, 1, 12, 1, tzinfo=UTC)


async def test_a_machine_that_was_suspended_notices_what_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "SLICE_SECONDS", 0.001)
    machine = Machine()
    clock = SystemClock(machine.wall, machine.elapsed)
    sleeping = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(days=1)))
    await asyncio.sleep(0)
    machine.seconds += 2 * 86_400
    async with asyncio.timeout(30):
        await sleeping


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this kernel does not count suspension")
def test_elapsed_seconds_count_suspension() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= elapsed_seconds() <= time.clock_gettime(time.CLOCK_BOOTTIME)


async def test_the_virtual_clock_stands_still_until_it_is_advanced() -> None:
    clock = VirtualClock()
    assert clock.now() == EPOCH
    await asyncio.sleep(0)
    assert clock.now() == EPOCH
    await clock.advance(EPOCH + timedelta(hours=1))
    assert clock.now() == EPOCH + timedelta(hours=1)
    await clock.advance(EPOCH)
    assert clock.now() == EPOCH + timedelta(hours=1)


async def test_virtual_sleepers_wake_in_order_each_at_its_own_time() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *seconds: float) -> None:
        for due in seconds:
            await clock.sleep_until(EPOCH + timedelta(seconds=due))
            woken.append((name, (clock.now() - EPOCH).total_seconds()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper("late", 9))
        tasks.create_task(sleeper("first", 5))
        tasks.create_task(sleeper("second", 5))
        tasks.create_task(sleeper("again", 1, 2, 8))
        await clock.advance(EPOCH + timedelta(seconds=8))
        assert clock.next_due == EPOCH + timedelta(seconds=9)
        assert woken == [("again", 1), ("again", 2), ("first", 5), ("second", 5), ("again", 8)]
        await clock.advance(EPOCH + timedelta(seconds=20))
    assert woken[-1] == ("late", 9)
    assert clock.next_due is None


async def test_a_cancelled_virtual_sleeper_is_forgotten() -> None:
    clock = VirtualClock()
    sleeping = asyncio.create_task(clock.sleep_until(EPOCH + timedelta(seconds=1)))
    await asyncio.sleep(0)
    sleeping.cancel()
    await asyncio.wait({sleeping})
    assert clock.next_due is None
    await clock.advance(EPOCH + timedelta(seconds=2))
