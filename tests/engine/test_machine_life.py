"""A machine's life around a question: it sleeps while a person thinks, and the talk goes on after it."""

import asyncio
from datetime import timedelta

import pytest

from symphony.agent.errors import AgentError, AgentExited
from symphony.agent.script import Fail, Hang, Say, Script, Spend, Turn, ask, mark_done, one_turn
from symphony.core.admission import MIB, HostMemory
from symphony.core.claim import Parked, Retrying, Running, Waiting
from symphony.core.event import DrainAsked
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.usage import Usage
from symphony.engine.line import NotConnected
from symphony.engine.machine_watch import LOOK_EVERY
from symphony.engine.waiting import HOLD_ASLEEP, HOLD_AWAKE, PAUSE_AFTER
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.memory import MemoryDriver
from tests.engine.conftest import World
from tests.support.agent_work import writes

DEAD = AgentExited("demo", 1, "working on a turn")
SECOND = timedelta(seconds=1)


@pytest.fixture
def world():
    return World(
        workflow_text="---\nsandbox: smolvm\nacp: {adapter: demo}\n---\nDo {{ issue.title }}.\n",
        driver=MemoryDriver(has_machines=True),
    )


def machine_of(world):
    return world.driver.sandboxes[-1].machine


def told(world, kind):
    """Return the texts of the run log's lines of this kind."""
    lines = [line for line in world.run_logs.lines["1"] if line["kind"] == kind]
    return [line.get("text") or line.get("message") for line in lines]


async def pass_time(world, duration):
    await world.clock.advance(world.clock.now() + duration)
    await world.quiet()


async def begin_to_wait(world, *scripts):
    """Let issue 1 ask its question and wait for the answer."""
    world.script("1", *scripts)
    world.drop("1")
    await world.until(lambda: isinstance(world.claim("1"), Waiting) and world.claim("1").attempt)


async def fall_asleep(world, *scripts):
    """Let issue 1 wait until its machine is paused."""
    await begin_to_wait(world, *scripts)
    await pass_time(world, PAUSE_AFTER)
    assert machine_of(world).state is MachineState.PAUSED


async def test_a_quick_answer_finds_the_machine_awake(world):
    async with world.running():
        await begin_to_wait(world, Script((Turn((ask("Red?"),)), Turn((mark_done(),)))))
        await pass_time(world, PAUSE_AFTER - SECOND)
        assert machine_of(world).state is MachineState.RUNNING
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert told(world, "machine") == []


async def test_the_machine_of_a_waiting_attempt_sleeps_and_the_reply_wakes_it_in_the_same_session(world):
    async with world.running():
        await fall_asleep(world, Script((Turn((ask("Red?"),)), Turn((mark_done(),)))))
        waiting = world.engine.snapshot().waiting[0]
        assert waiting.machine == MachineUsage(
            "memory-1", MachineState.PAUSED, 0, 0.0, {"installation": "test", "issue": "1", "attempt": "1.1"}
        )
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert told(world, "machine") == ["paused: its memory is on disk until the reply is there", "resumed"]
    assert len(world.agents.sessions) == 1
    assert "Yes." in world.agents.sessions[0].prompts[1]


async def test_a_second_question_puts_the_machine_to_sleep_again(world):
    async with world.running():
        turns = Turn((ask("Red?"),)), Turn((ask("Which red?"),)), Turn((mark_done(),))
        await fall_asleep(world, Script(turns))
        await world.operations.reply("1", "Yes.")
        await world.quiet()
        await pass_time(world, PAUSE_AFTER)
        assert machine_of(world).state is MachineState.PAUSED
        await world.operations.reply("1", "Crimson.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert "Crimson." in world.agents.sessions[0].prompts[2]


async def test_a_machine_that_cannot_pause_waits_on_awake_and_says_so_once(world):
    async with world.running():
        turns = Turn((ask("Red?"),)), Turn((ask("Which red?"),)), Turn((mark_done(),))
        await begin_to_wait(world, Script(turns))
        machine_of(world).can_pause = False
        await pass_time(world, PAUSE_AFTER)
        await world.operations.reply("1", "Yes.")
        await world.quiet()
        await pass_time(world, PAUSE_AFTER)
        await world.operations.reply("1", "Crimson.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert told(world, "machine") == [
        "not paused, it waits on in memory: The memory machine was told not to pause."
    ]
    assert len(world.agents.sessions) == 1


async def test_a_machine_that_cannot_pause_is_released_after_the_hour(world):
    async with world.running():
        await begin_to_wait(world, one_turn(ask("Red?")), one_turn(mark_done()))
        machine_of(world).can_pause = False
        await pass_time(world, PAUSE_AFTER + HOLD_AWAKE - SECOND)
        assert world.claim("1").attempt
        await pass_time(world, SECOND)
        assert world.claim("1") == Waiting((await world.store.open_steering())[0])
        assert world.driver.sandboxes == []


async def test_a_sleeping_machine_is_held_for_a_day_and_the_reply_then_starts_a_new_attempt(world):
    async with world.running():
        await fall_asleep(world, one_turn(ask("Red?")), one_turn(mark_done()))
        await pass_time(world, HOLD_ASLEEP - SECOND)
        assert world.claim("1").attempt
        await pass_time(world, SECOND)
        assert world.claim("1").attempt is None
        assert world.driver.sandboxes == []
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert "Yes." in world.agents.sessions[1].prompts[0]


async def test_a_machine_that_does_not_resume_leaves_the_reply_to_a_new_attempt(world):
    async with world.running():
        await fall_asleep(world, one_turn(ask("Red?")), one_turn(mark_done()))
        machine_of(world).can_resume = False
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert told(world, "problem") == [
        "The memory machine was told not to resume. The reply starts a new attempt."
    ]
    assert "Yes." in world.agents.sessions[1].prompts[0]
    assert world.record("1").attempts == 2
    assert world.record("1").failures == 0


async def test_a_pipe_that_broke_in_the_sleep_is_replaced_in_the_same_machine_and_session(world):
    async with world.running():
        asking = Script((Turn((ask("Red?"),)), Turn((Fail(DEAD),))))
        await fall_asleep(world, asking, Script((Turn((mark_done(),)),), resumes=True))
        sandbox = world.driver.sandboxes[0]
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    first, second = world.agents.sessions
    assert first.closed
    assert second.resumed
    assert second.id == first.id
    assert second._sandbox is sandbox
    assert second.prompts == [first.prompts[1]]
    assert "Yes." in second.prompts[0]
    assert world.record("1").attempts == 1
    assert told(world, "machine")[-1] == (
        "the pipe to the agent had broken; it was started again in its session"
    )


async def test_what_was_spent_before_the_pipe_broke_still_counts(world):
    async with world.running():
        asking = Script((Turn((Spend(Usage(100, 10)), ask("Red?"))), Turn((Fail(DEAD),))))
        await fall_asleep(world, asking, Script((Turn((Spend(Usage(5, 1)), mark_done())),), resumes=True))
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
    usage = world.record("1").usage
    assert (usage.input_tokens, usage.output_tokens) == (105, 11)


@pytest.mark.parametrize(
    ("again", "message"),
    [
        (Script(), "The agent cannot go on with its session. The reply starts a new attempt."),
        (Script(resumes=True, connects=False), f"{NotConnected(30.0, '')} The reply starts a new attempt."),
        (
            Script(opening=AgentError("It does not start.")),
            "It does not start. The reply starts a new attempt.",
        ),
    ],
)
async def test_an_agent_that_cannot_go_on_after_the_pipe_broke_leaves_the_reply_to_a_new_attempt(
    world, again, message
):
    async with world.running():
        asking = Script((Turn((ask("Red?"),)), Turn((Fail(DEAD),))))
        await fall_asleep(world, asking, again, one_turn(mark_done()))
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert told(world, "problem") == [message]
    assert "Yes." in world.agents.sessions[-1].prompts[0]
    assert world.record("1").attempts == 2
    assert world.record("1").failures == 0


async def test_an_agent_that_spoke_after_the_sleep_and_then_failed_has_failed(world):
    async with world.running():
        asking = Script((Turn((ask("Red?"),)), Turn((Say("I see."), Fail(DEAD)))))
        await fall_asleep(world, asking, one_turn(mark_done()))
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        await world.until(lambda: world.state_of("1") == "Done")
    assert "Yes." in world.agents.sessions[1].prompts[0]


async def test_an_agent_that_failed_although_its_machine_never_slept_has_failed(world):
    async with world.running():
        asking = Script((Turn((ask("Red?"),)), Turn((Fail(DEAD),))))
        await begin_to_wait(world, asking, one_turn(mark_done()))
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))


async def test_an_answer_while_the_machine_falls_asleep_wakes_it_afterwards(world):
    async with world.running():
        await begin_to_wait(world, Script((Turn((ask("Red?"),)), Turn((mark_done(),)))))
        machine, written = machine_of(world), asyncio.Event()
        pause = machine.pause

        async def write_slowly():
            await written.wait()
            await pause()

        machine.pause = write_slowly
        await pass_time(world, PAUSE_AFTER)
        await world.operations.reply("1", "Yes.")
        await world.quiet()
        assert isinstance(world.claim("1"), Running)
        written.set()
        await world.until(lambda: world.state_of("1") == "Done")
    assert told(world, "machine")[-1] == "resumed"
    assert len(world.agents.sessions) == 1


@pytest.mark.parametrize("falling", [False, True], ids=["asleep", "falling asleep"])
async def test_a_cancelled_attempt_with_a_sleeping_machine_ends_clean(world, falling):
    async with world.running():
        if falling:
            await begin_to_wait(world, one_turn(ask("Red?")))
            machine_of(world).pause = asyncio.Event().wait
            await pass_time(world, PAUSE_AFTER)
        else:
            await fall_asleep(world, one_turn(ask("Red?")))
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
        assert world.driver.sandboxes == []
        assert world.claim("1").steering == (await world.store.open_steering())[0]


async def test_an_issue_finished_by_a_person_while_its_machine_sleeps_is_handed_over(world):
    async with world.running():
        await fall_asleep(world, one_turn(writes(world), ask("Red?")))
        await world.operations.move("1", "Done")
        await world.until(lambda: world.workspaces.patches)
        await world.until(lambda: not world.driver.sandboxes)


async def test_a_stop_of_the_daemon_ends_a_sleeping_machine_and_keeps_the_question(world):
    async with world.running():
        await fall_asleep(world, one_turn(ask("Red?")), one_turn(mark_done()))
        await world.engine.mailbox.put(DrainAsked())
        await world.until(lambda: not world.driver.sandboxes)
    assert len(await world.store.open_steering()) == 1


async def test_a_sleeping_machine_is_never_taken_to_be_stalled(world):
    async with world.running():
        await fall_asleep(world, Script((Turn((ask("Red?"),)), Turn((mark_done(),)))))
        await pass_time(world, timedelta(hours=3))
        assert world.claim("1").attempt.stopping is None
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert world.record("1").attempts == 1


async def test_a_running_machine_is_shown_with_what_it_costs_and_not_afterwards(world):
    async with world.running():
        world.script("1", one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: world.engine.snapshot().running)
        await world.until(lambda: world.engine.snapshot().running[0].machine)
        machine = machine_of(world)
        assert world.engine.snapshot().running[0].machine.memory_bytes == 2048 * MIB
        machine._memory_bytes = 5
        await pass_time(world, LOOK_EVERY)
        assert world.engine.snapshot().running[0].machine == await machine.usage()
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
    assert world.engine.snapshot().running == ()


async def test_a_machine_that_cannot_be_seen_is_logged_once_and_stays_as_it_was_seen(world):
    async with world.running():
        world.script("1", one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: world.engine.snapshot().running)
        await world.until(lambda: world.engine.snapshot().running[0].machine)
        seen = world.engine.snapshot().running[0].machine

        async def fail():
            raise SandboxError("The engine does not answer.")

        machine_of(world).usage = fail
        await pass_time(world, 3 * LOOK_EVERY)
        assert world.engine.snapshot().running[0].machine == seen
        assert [line[1] for line in world.log.lines].count("machine.unreadable") == 1


async def test_a_local_sandbox_shows_no_machine_and_is_held_for_an_hour_as_ever(world):
    world.driver.has_machines = False
    async with world.running():
        await begin_to_wait(world, one_turn(ask("Red?")))
        assert world.engine.snapshot().waiting[0].machine is None
        await pass_time(world, HOLD_AWAKE)
        assert world.claim("1").attempt is None


async def test_an_issue_waits_until_the_host_has_memory_and_the_host_is_looked_at_now_and_then(world):
    world.host.seen = HostMemory(1103 * MIB, 8192 * MIB)
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.engine.snapshot().blocked)
        assert world.engine.snapshot().blocked[0].reason == (
            "waits for memory: a machine needs 2,048 MiB and the host has 1,103 MiB free; "
            "lower smolvm.mem_mib, or end other programs"
        )
        looks = world.host.looks
        await pass_time(world, timedelta(seconds=25))
        assert looks + 5 <= world.host.looks <= looks + 6  # the poll may be one of them
        world.host.seen = HostMemory(4096 * MIB, 8192 * MIB)
        await pass_time(world, timedelta(seconds=5))
        await world.until(lambda: world.state_of("1") == "Done")


async def test_a_run_until_idle_waits_for_memory_and_ends_when_all_is_done(world):
    world.host.seen = HostMemory(1103 * MIB, 8192 * MIB)
    engine = await world.build(until_idle=True)
    task = asyncio.create_task(engine.run())
    world.drop("1")
    await pass_time(world, timedelta(minutes=10))
    assert not task.done()
    world.host.seen = HostMemory(4096 * MIB, 8192 * MIB)
    await world.until(task.done)
    assert world.state_of("1") == "Done"


async def test_where_no_machine_is_made_the_host_is_not_asked_for_its_memory(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\n---\n")
    world.host.seen = HostMemory(1, 2)
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.state_of("1") == "Done")
    assert world.host.looks == 0


async def test_a_workflow_that_turns_to_machines_asks_the_host_before_it_starts_one(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_concurrent_agents: 1}\n---\n")
    world.host.seen = HostMemory(1103 * MIB, 8192 * MIB)
    async with world.running():
        world.script("1", one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Running))
        world.drop("2")
        world.file.write("---\nsandbox: smolvm\nacp: {adapter: demo}\n---\n")
        await pass_time(world, timedelta(seconds=60))
        assert [view.issue_id for view in world.engine.snapshot().running] == ["1"]
        assert world.engine.snapshot().blocked[0].code == "no_memory"
