"""What the in-memory driver can do beyond the real ones: fail when told to, and take no time."""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from symphony.core.ports import SandboxSpec
from symphony.host.clock import VirtualClock, settle
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.memory import Fault, MemoryDriver
from symphony.sandbox.memory_process import MemoryProcessIO

SPEC = SandboxSpec(Path("/work"), {"GIVEN": "1"}, {"installation": "here"})


async def hello(io: MemoryProcessIO) -> int:
    await io.write_stdout(b"hello")
    return 0


async def hang(io: MemoryProcessIO) -> int:
    return await asyncio.get_running_loop().create_future()


async def break_(io: MemoryProcessIO) -> int:
    raise ValueError("a mistake")


@pytest.fixture
def driver() -> MemoryDriver:
    return MemoryDriver({"hello": hello, "hang": hang, "break": break_})


async def test_a_program_is_found_by_the_last_part_of_its_path(driver: MemoryDriver) -> None:
    async with driver.open_sandbox(SPEC) as sandbox:
        assert (await sandbox.run(["/usr/bin/hello"], timeout_s=1)).stdout == b"hello"


async def test_a_program_that_raises_ends_with_status_one_and_says_why(driver: MemoryDriver) -> None:
    async with driver.open_sandbox(SPEC) as sandbox:
        result = await sandbox.run(["break"], timeout_s=1)
    assert result.exit_status == 1
    assert result.stderr.endswith(b"ValueError: a mistake\n")


async def test_opening_fails_as_often_as_told(driver: MemoryDriver) -> None:
    driver.fail(Fault.OPEN, times=2)
    for _ in range(2):
        with pytest.raises(SandboxError) as refused:
            async with driver.open_sandbox(SPEC):
                pytest.fail("it opened")
        assert refused.value.code == "sandbox.start_failed"
        assert str(refused.value) == "sandbox: the memory sandbox was told not to open. Retry the issue."
    async with driver.open_sandbox(SPEC):
        pass


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.START, "sandbox.start_failed"), (Fault.NOT_FOUND, "sandbox.program_not_found")],
)
async def test_starting_fails_when_told(driver: MemoryDriver, fault: Fault, code: str) -> None:
    async with driver.open_sandbox(SPEC) as sandbox:
        driver.fail(fault)
        with pytest.raises(SandboxError) as refused:
            await sandbox.start(["hello"])
        assert refused.value.code == code
        assert (await sandbox.run(["hello"], timeout_s=1)).exit_status == 0


async def test_a_crash_ends_every_program_at_once(driver: MemoryDriver) -> None:
    async with driver.open_sandbox(SPEC) as one, driver.open_sandbox(SPEC) as other:
        processes = [await one.start(["hang"]), await other.start(["hang"])]
        await driver.crash()
        assert [await process.wait() for process in processes] == [-signal.SIGKILL, -signal.SIGKILL]


async def test_an_abandoned_sandbox_outlives_its_context_until_it_is_reaped(driver: MemoryDriver) -> None:
    async with driver.open_sandbox(SPEC) as sandbox:
        process = await sandbox.start(["hang"])
        driver.abandon()
    assert process.alive
    assert await driver.reap({"installation": "elsewhere"}) == ()
    assert await driver.reap({"installation": "here"}) == (f"process {process.pid}",)
    assert not process.alive


async def test_a_timeout_waits_for_the_clock_alone() -> None:
    clock = VirtualClock()
    async with MemoryDriver({"hang": hang}, clock).open_sandbox(SPEC) as sandbox:
        running = asyncio.create_task(sandbox.run(["hang"], timeout_s=86_400))
        await settle()
        assert clock.next_due == clock.now() + timedelta(days=1)
        assert not running.done()
        await clock.advance(clock.next_due)
        assert (await running).exit_status is None


async def test_processes_are_numbered_in_the_order_in_which_they_start(driver: MemoryDriver) -> None:
    async with driver.open_sandbox(SPEC) as sandbox:
        assert [(await sandbox.start(["hello"])).pid for _ in range(3)] == [1, 2, 3]
