"""Rooms that break under the engine: the daemon goes on, and says what is wrong."""

import asyncio
import errno
import os
from contextlib import asynccontextmanager

import pytest

from symphony.agent.script import Hang, Say, ask, mark_done, one_turn
from symphony.core.claim import Parked, Retrying, Running, Waiting
from symphony.core.decide import decide
from symphony.core.event import AttemptProgressed, Ticked
from symphony.core.usage import Usage
from symphony.store.errors import store_full
from tests.support.agent_work import writes
from tests.support.world import after, make_issue, make_record, make_running, make_state

FILE = "---\nsandbox: local\nacp: {adapter: demo}\n---\nDo {{ issue.title }}.\n"


def too_many_files():
    """Return what a scan meets when the process has no descriptor left."""
    return OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@asynccontextmanager
async def watched(world):
    """Run the engine and give its task, which is ended and looked at on leaving."""
    task = asyncio.create_task((await world.build()).run())
    await world.quiet()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("operation", ["scan", "refresh"])
async def test_a_daemon_goes_on_when_one_look_at_the_tracker_breaks(world, operation):
    async with watched(world) as task:
        world.issues.fail_next(operation, too_many_files())
        world.drop("1")
        if operation == "scan":
            world.engine.tracking.notice(None)
        await world.until(lambda: task.done() or world.state_of("1") == "Done")
        assert not task.done()


async def test_a_daemon_goes_on_when_the_workflow_cannot_be_looked_at(world):
    reload = world.file.reload
    failures = [too_many_files()]

    async def failing():
        if failures:
            raise failures.pop()
        return await reload()

    async with watched(world) as task:
        world.file.reload = failing
        world.drop("1")
        await world.until(lambda: task.done() or world.state_of("1") == "Done")
        assert not task.done()


async def test_what_needs_a_restart_is_named_when_it_changes(world):
    async with world.running():
        await world.quiet()
        world.file.write(FILE.replace("sandbox", "server: {port: 99}\nsandbox"))
        await world.engine.mailbox.put(Ticked())
        await world.quiet()
        told = [*world.said, *(str(line) for line in world.log.lines), str(world.engine.snapshot().problems)]
    warning = "server.port has changed; restart symphony to use the new value."
    assert any(warning in line for line in told)


async def test_a_store_that_cannot_be_written_is_a_problem_on_every_surface(world):
    async def full(_):
        raise store_full("here")

    async with world.running():
        await world.quiet()
        apply, world.store.apply = world.store.apply, full
        world.drop("1")
        await world.quiet()
        problems = world.engine.snapshot().problems
        said = tuple(world.said)
        world.store.apply = apply
    assert [problem.code for problem in problems] == ["store_full"]
    assert len(said) == 1
    assert "no room left on the disk" in said[0]


def test_a_sign_of_life_writes_nothing_to_the_store():
    running = make_running("1")
    state = make_state(make_issue("1"), records=(make_record("1", running),))
    event = AttemptProgressed("1", "1.1", running.phase, 1, "thinking", Usage(), after(1))
    decision = decide(state, event, after(1))
    assert decision.state.record("1").claim.last_event == "thinking"
    assert decision.changes.records == ()


async def test_a_run_log_that_cannot_be_opened_fails_the_attempt_and_not_the_daemon(world):
    opened = world.run_logs.open_run_log
    failures = [PermissionError(13, "Permission denied")]

    @asynccontextmanager
    async def failing(*arguments):
        if failures:
            raise failures.pop()
        async with opened(*arguments) as log:
            yield log

    world.run_logs.open_run_log = failing
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert "Permission denied" in world.claim("1").reason
        await world.until(lambda: world.state_of("1") == "Done")


@pytest.mark.parametrize("name", ["session_opened", "attempts_of", "intend", "fulfil", "attempt_started"])
async def test_a_store_that_fails_once_in_an_attempt_costs_a_retry_and_no_work(world, name):
    call = getattr(world.store, name)
    failures = [store_full("here")]

    async def failing(*arguments):
        if failures:
            raise failures.pop()
        return await call(*arguments)

    setattr(world.store, name, failing)
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
    assert failures == []


@pytest.mark.parametrize(
    ("name", "report"), [("accept_completion", mark_done()), ("ask", ask("Red?"))], ids=["mark_done", "ask"]
)
async def test_a_report_that_cannot_be_stored_is_a_tool_error_and_may_be_repeated(world, name, report):
    call = getattr(world.store, name)
    failures = [store_full("here")]

    async def failing(*arguments):
        if failures:
            raise failures.pop()
        return await call(*arguments)

    setattr(world.store, name, failing)
    async with world.running():
        world.script("1", one_turn(report, report))
        world.drop("1")
        await world.until(lambda: world.state_of("1") == "Done" or isinstance(world.claim("1"), Waiting))
        failed, accepted = world.agents.sessions[0].answers
    assert (failed[0], accepted[0]) == (True, False)


async def test_a_sandbox_that_breaks_on_its_way_out_does_not_undo_a_cancel(world):
    open_sandbox = world.driver.open_sandbox

    @asynccontextmanager
    async def breaking(spec):
        try:
            async with open_sandbox(spec) as sandbox:
                yield sandbox
        finally:
            raise OSError(errno.EIO, "Input/output error")

    world.driver.open_sandbox = breaking
    async with world.running():
        world.script("1", one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        await world.operations.cancel("1")
        await world.until(lambda: not isinstance(world.claim("1"), Running))
        assert isinstance(world.claim("1"), Parked)


async def test_an_edit_while_the_workspace_is_prepared_is_in_the_first_prompt(world):
    prepared, goes_on = asyncio.Event(), asyncio.Event()
    prepare = world.workspaces.prepare

    async def slow(*arguments):
        prepared.set()
        await goes_on.wait()
        return await prepare(*arguments)

    world.workspaces.prepare = slow
    async with world.running():
        world.drop("1", "---\ntitle: Old\n---\n")
        await world.until(prepared.is_set)
        path = world.issues.paths()[0]
        world.issues.edit(path, "---\ntitle: New\n---\n")
        world.engine.tracking.notice([path])
        await world.quiet()
        goes_on.set()
        await world.until(lambda: world.state_of("1") == "Done")
    assert world.agents.sessions[0].prompts[0].startswith("Do New.")


async def test_what_checks_said_in_the_last_turn_is_told_to_the_next_attempt(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_turns: 1}\n"
        "checks: [{name: tests, run: make test}]\n---\nDo it.\n"
    )
    results = [1, 0]

    async def sh(io):
        await io.write_stdout(b"17 tests failed\n")
        return results.pop(0)

    world.driver.register("sh", sh)
    async with world.running():
        world.script("1", one_turn(writes(world), Say("done"), mark_done()))
        world.drop("1")
        await world.until(lambda: world.state_of("1") == "Done")
    assert "17 tests failed" in world.agents.sessions[1].prompts[0]
