"""The disk is kept within its ceilings beside the scheduler, and nothing undelivered ever goes by it."""

import asyncio
from datetime import timedelta

import pytest

from symphony.agent.errors import AgentExited
from symphony.agent.script import Fail, Hang, Script, Turn, ask, mark_done, one_turn
from symphony.core.claim import Parked, Running
from symphony.core.disk import MIB, HostDisk
from symphony.core.errors import SymphonyError
from symphony.core.journal import Action
from symphony.core.keys import workspace_key
from symphony.core.retention import NO_SUCH_ISSUE, NOT_HANDED_OVER
from symphony.core.stored import Kind, Stored
from symphony.engine.retention import RHYTHM, RHYTHM_WHEN_LOW, Retention, open_retention
from symphony.host.memory_storage import MemoryStorage
from symphony.store.errors import StoreError
from tests.engine.conftest import World

DEAD = AgentExited("demo", 1, "working on a turn")
PLENTY, LITTLE = HostDisk(50_000 * MIB, 90_000 * MIB, "/d"), HostDisk(500 * MIB, 90_000 * MIB, "/d")


@pytest.fixture
def world():
    """A world in which days pass quickly, since nothing ticks in them."""
    text = "---\nsandbox: local\nacp: {adapter: demo}\npolling: {interval_ms: 864000000}\n---\nDo it.\n"
    return World(workflow_text=text)


def stored(world, name, days=30.0, mib=1, kind=Kind.WORKSPACE, key=None, stays=""):
    since = world.clock.now() - timedelta(days=days)
    return Stored(kind, name, f"/{kind.value}/{name}", mib * MIB, since, name if key is None else key, stays)


def retention_of(world, *things, others=()):
    """Return what looks after a disk on which these things lie."""
    world.workspace_storage = MemoryStorage(things)
    kinds = (Kind.LOG, Kind.PATCH, Kind.IMAGE)
    storages = [
        world.workspace_storage,
        *(MemoryStorage([thing for thing in others if thing.kind is kind], kind) for kind in kinds),
    ]
    world.storages = storages
    return Retention(
        lambda: world.engine.state,
        storages,
        world.store,
        world.clock,
        world.log,
        ready=lambda: world.engine.scanned,
        held_back=lambda: world.engine.supervisor.held_back,
        holding_back=world.engine.supervisor.holding_back,
    )


def removed(world):
    return [path for storage in world.storages for path, _ in storage.removed]


def stays(report):
    return {fate.thing.name: fate.reason for fate in report.fates if not fate.goes}


async def deliver(world, issue_id="1"):
    world.drop(issue_id)
    await world.until(lambda: world.state_of(issue_id) == "Done" and world.claim(issue_id) is None)


async def age(world, days=30):
    await world.clock.advance(world.clock.now() + timedelta(days=days))


# --- what goes -------------------------------------------------------------------------------------


async def test_a_workspace_that_was_handed_over_long_ago_goes_and_that_is_written_down(world):
    async with world.running():
        await deliver(world)
        await age(world)
        report = await retention_of(world, stored(world, "1")).sweep()
        assert removed(world) == ["/workspace/1"]
        assert (report.freed_bytes, report.dry_run) == (MIB, False)
        audit = (await world.store.audit_of("1"))[0]
        assert (audit.decision, audit.reason) == (
            "retire",
            "removed the workspace /workspace/1: 30 days old and retention.workspace_days is 7",
        )
        assert (await world.store.load()).open_intents == ()
    assert [fields["path"] for _, event, fields in world.log.lines if event == "retention.removed"] == [
        "/workspace/1"
    ]


async def test_the_age_of_a_workspace_is_that_of_its_handoff_and_not_of_its_folder(world):
    async with world.running():
        await deliver(world)
        await age(world, 6)
        report = await retention_of(world, stored(world, "1", days=900)).sweep()
        assert stays(report) == {"1": "it stays for one more day"}


async def test_the_hook_of_a_removal_knows_the_issue(world):
    async with world.running():
        await deliver(world)
        await age(world)
        await retention_of(world, stored(world, "1")).sweep()
        (_, environment), *_ = world.workspace_storage.removed
        assert environment["SYMPHONY_ISSUE_ID"] == "1"


async def test_logs_images_and_patches_of_finished_issues_go_by_their_own_settings(world):
    world.file.write(world.workflow_text.replace("sandbox:", "retention: {patch_days: 20}\nsandbox:"))
    async with world.running():
        await deliver(world)
        await age(world, 100)
        others = [
            stored(world, "1.jsonl", 95, kind=Kind.LOG, key="1"),
            stored(world, "agent_1.patch", 95, kind=Kind.PATCH, key="1"),
            stored(world, "image abc", 31, kind=Kind.IMAGE, key=""),
            stored(world, "image def", 900, kind=Kind.IMAGE, key="", stays="it has the name symphony"),
        ]
        report = await retention_of(world, others=others).sweep()
        assert removed(world) == ["/log/1.jsonl", "/patch/agent_1.patch", "/image/image abc"]
        assert stays(report) == {"image def": "it has the name symphony"}


# --- what stays ------------------------------------------------------------------------------------


async def test_the_workspace_of_work_that_was_never_handed_over_stays_in_every_state(world):
    world.script("1", *[one_turn(Fail(DEAD))] * 9)
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
        await age(world, 900)
        report = await retention_of(world, stored(world, "1")).sweep()
        assert stays(report) == {"1": "its issue is in Todo and is worked on"}
        await world.operations.move("1", "Cancelled")
        await world.quiet()
        report = await retention_of(world, stored(world, "1")).sweep()
        assert stays(report) == {"1": NOT_HANDED_OVER}
        assert removed(world) == []


async def test_work_that_was_begun_again_after_its_handoff_is_undelivered_again(world):
    world.script("1", one_turn(mark_done()), Script((Turn((Hang(),)),)))
    async with world.running():
        await deliver(world)
        await age(world)
        await world.operations.move("1", "Todo")
        await world.until(lambda: isinstance(world.claim("1"), Running))
        assert stays(await retention_of(world, stored(world, "1")).sweep()) == {
            "1": "an attempt on its issue runs"
        }
        await world.operations.cancel("1")
        await world.until(lambda: not isinstance(world.claim("1"), Running))
        await world.operations.move("1", "Cancelled")
        await world.quiet()
        assert stays(await retention_of(world, stored(world, "1")).sweep()) == {
            "1": "an attempt has worked in it after its last handoff"
        }


async def test_an_issue_that_waits_for_an_answer_keeps_all_that_is_its_own(world):
    world.script("1", one_turn(ask("Red?")))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.engine.snapshot().waiting)
        others = [stored(world, "1.jsonl", 900, kind=Kind.LOG, key="1")]
        report = await retention_of(world, stored(world, "1", 900), others=others).sweep()
        assert set(stays(report).values()) == {"its issue waits for an answer"}


async def test_a_log_stays_as_long_as_its_issue_has_a_workspace(world):
    async with world.running():
        await deliver(world)
        await age(world, 200)
        things = stored(world, "1", stays="it holds repositories of its own")
        report = await retention_of(
            world, things, others=[stored(world, "l", 150, kind=Kind.LOG, key="1")]
        ).sweep()
        assert stays(report)["l"] == "its issue still has a workspace"


async def test_where_workspaces_cannot_be_looked_at_nothing_of_an_issue_goes(world):
    async with world.running():
        await deliver(world)
        await age(world, 200)
        others = [
            stored(world, "l", 150, kind=Kind.LOG, key="1"),
            stored(world, "symphony.log.1", 150, kind=Kind.LOG, key=""),
        ]
        retention = retention_of(world, others=others)
        world.workspace_storage.unreadable = SymphonyError("The records cannot be read.")
        report = await retention.sweep()
        assert report.notes == ("The records cannot be read.",)
        assert stays(report) == {"l": "it cannot be told whether its issue still has a workspace"}
        assert removed(world) == ["/log/symphony.log.1"]


async def test_what_belongs_to_no_issue_that_is_known_stays(world):
    async with world.running():
        others = [stored(world, "x.jsonl", 900, kind=Kind.LOG, key="x")]
        report = await retention_of(world, stored(world, "y", 900), others=others).sweep()
        assert stays(report) == {"y": NO_SUCH_ISSUE, "x.jsonl": NO_SUCH_ISSUE}


async def test_an_id_that_needs_a_key_of_its_own_is_found_by_it(world):
    async with world.running():
        world.drop("odd", "---\nid: 'a b..c d'\n---\nx\n")
        await world.until(lambda: world.state_of("a b..c d") == "Done")
        await age(world)
        key = workspace_key("a b..c d")
        await retention_of(world, stored(world, "odd", key=key)).sweep()
        assert removed(world) == ["/workspace/odd"]
        assert (await world.store.audit_of("a b..c d"))[0].decision == "retire"


async def test_what_a_close_look_finds_keeps_it_and_another_meets_the_ceiling(world):
    text = "retention: {workspaces_max_mib: 100, workspace_days: 900}\nsandbox:"
    world.file.write(world.workflow_text.replace("sandbox:", text))
    async with world.running():
        await deliver(world, "1")
        await age(world, 1)
        await deliver(world, "2")
        await age(world, 1)
        retention = retention_of(world, stored(world, "1", mib=80), stored(world, "2", mib=80))
        world.workspace_storage.against["/workspace/1"] = "its files are not those that were handed over"
        report = await retention.sweep()
        assert removed(world) == ["/workspace/2"]
        assert stays(report) == {"1": "its files are not those that were handed over"}


async def test_what_is_not_going_to_go_is_not_looked_at_closely(world):
    async with world.running():
        await deliver(world)
        retention = retention_of(world, stored(world, "1"))
        world.workspace_storage.against["/workspace/1"] = "never asked"
        assert stays(await retention.sweep()) == {"1": "it stays for 7 more days"}


# --- while work goes on ----------------------------------------------------------------------------


async def test_an_issue_that_came_back_while_the_disk_was_looked_at_keeps_its_workspace(world):
    world.script("1", one_turn(mark_done()), Script((Turn((Hang(),)),)))
    async with world.running():
        await deliver(world)
        await age(world)

        class Slow(MemoryStorage):
            async def check(self, thing, delivery):
                await world.operations.move("1", "Todo")
                await world.until(lambda: isinstance(world.claim("1"), Running))
                return ""

        retention = retention_of(world)
        retention.storages = [Slow([stored(world, "1")])]
        report = await retention.sweep()
        assert stays(report) == {"1": "an attempt on its issue runs"}
        assert retention.storages[0].removed == []


async def test_an_attempt_that_begins_while_its_workspace_is_removed_waits_for_that(world):
    async with world.running():
        await deliver(world)
        await age(world)
        over, began = asyncio.Event(), asyncio.Event()

        class Slow(MemoryStorage):
            async def remove(self, thing, settings, environment):
                began.set()
                await over.wait()
                await super().remove(thing, settings, environment)

        retention = retention_of(world)
        retention.storages = [Slow([stored(world, "1")])]
        sweep = asyncio.create_task(retention.sweep())
        await world.until(began.is_set)
        await world.operations.move("1", "Todo")
        await world.until(lambda: isinstance(world.claim("1"), Running))
        await world.quiet()
        assert len(world.agents.sessions) == 1
        over.set()
        await world.until(sweep.done)
        await world.until(lambda: len(world.agents.sessions) == 2)


async def test_a_workspace_that_a_person_discards_is_left_to_that(world):
    async with world.running():
        await deliver(world)
        await age(world)
        with world.engine.supervisor.holding_back("1"):
            report = await retention_of(world, stored(world, "1")).sweep()
        assert stays(report) == {"1": "its workspace is being discarded"}


async def test_two_sweeps_never_overlap(world):
    async with world.running():
        await deliver(world)
        await age(world)
        retention = retention_of(world, stored(world, "1"))
        reports = await asyncio.gather(retention.sweep(), retention.sweep())
        assert [len(report.removed) for report in reports] == [1, 0]
        assert removed(world) == ["/workspace/1"]


# --- what goes wrong -------------------------------------------------------------------------------


async def test_what_cannot_be_removed_is_told_and_the_rest_goes(world):
    async with world.running():
        await deliver(world, "1")
        await deliver(world, "2")
        await age(world)
        retention = retention_of(world, stored(world, "1"), stored(world, "2"))
        world.workspace_storage.failures["/workspace/1"] = SymphonyError("Permission denied.")
        report = await retention.sweep()
        errors = {fate.thing.name: fate.error for fate in report.fates}
        assert errors == {"1": "Permission denied.", "2": ""}
        assert report.freed_bytes == MIB
        assert report.ceilings[Kind.WORKSPACE].left_bytes == MIB
        assert removed(world) == ["/workspace/2"]
        assert "retire" not in [entry.decision for entry in await world.store.audit_of("1")]
        assert (await world.store.load()).open_intents == ()


async def test_nothing_is_removed_that_cannot_be_written_down(world):
    async with world.running():
        await deliver(world)
        await age(world)
        retention = retention_of(world, stored(world, "1"))
        world.store.fail_next_write("store_full")
        with pytest.raises(StoreError):
            await retention.sweep()
        assert removed(world) == []


async def test_a_removal_that_was_cut_off_is_answered_for_and_decided_anew(world):
    async with world.running():
        await deliver(world)
        await age(world)
        await world.store.intend(world.clock.now(), "1", "", Action.RETIRE, {"path": "/workspace/1"})
    async with world.running():
        await world.until(lambda: world.engine.scanned)
        answer = (await world.store.audit_of("1"))[0]
        assert answer.reason == "retire was cut off: the next look at the disk decides anew what goes"
        await retention_of(world, stored(world, "1")).sweep()
        assert removed(world) == ["/workspace/1"]


async def test_a_dry_run_says_the_same_and_changes_nothing(world):
    async with world.running():
        await deliver(world)
        await age(world)
        retention = retention_of(world, stored(world, "1"))
        before = await world.store.audit_of("1")
        dry = await retention.sweep(dry_run=True)
        assert (dry.dry_run, dry.freed_bytes, removed(world)) == (True, MIB, [])
        assert await world.store.audit_of("1") == before
        wet = await retention.sweep()
        assert wet.fates == dry.fates


# --- by itself -------------------------------------------------------------------------------------


def sweeps(world):
    return sum(1 for _, event, _ in world.log.lines if event == "retention.removed")


async def test_it_sweeps_at_the_start_and_then_every_hour(world):
    async with world.running():
        await deliver(world)
        await age(world)
        retention = retention_of(world, stored(world, "1"))
        async with open_retention(retention):
            await world.quiet()
            assert sweeps(world) == 1
            world.workspace_storage.things["/workspace/1"] = stored(world, "1")
            await world.clock.advance(world.clock.now() + RHYTHM - timedelta(seconds=1))
            assert sweeps(world) == 1
            await world.clock.advance(world.clock.now() + timedelta(seconds=1))
            await world.quiet()
            assert sweeps(world) == 2


async def test_a_full_disk_is_swept_more_often(world):
    world.host.seen_disk = LITTLE
    async with world.running():
        world.host.seen_disk = PLENTY
        await deliver(world)
        await age(world)
        world.host.seen_disk = LITTLE
        world.drop("2")
        await world.quiet()
        retention = retention_of(world, stored(world, "1"))
        async with open_retention(retention):
            await world.quiet()
            world.workspace_storage.things["/workspace/1"] = stored(world, "1")
            await world.clock.advance(world.clock.now() + RHYTHM_WHEN_LOW)
            await world.quiet()
            assert sweeps(world) == 2


async def test_nothing_is_removed_before_the_tracker_was_read(world):
    await world.build()
    retention = retention_of(world, stored(world, "1", 900))
    async with open_retention(retention):
        await world.clock.advance(world.clock.now() + 3 * RHYTHM)
        await world.quiet()
        assert retention.storages[0].things.keys() == {"/workspace/1"}


async def test_a_store_that_fails_once_does_not_end_it(world):
    async with world.running():
        await deliver(world)
        await age(world)
        retention = retention_of(world, stored(world, "1"))
        world.store.fail_next_write("store_busy")
        async with open_retention(retention):
            await world.quiet()
            assert sweeps(world) == 0
            await world.clock.advance(world.clock.now() + RHYTHM)
            await world.quiet()
            assert sweeps(world) == 1
    assert "retention.failed" in [event for _, event, _ in world.log.lines]


# --- a full disk -----------------------------------------------------------------------------------


async def test_a_full_disk_lets_what_runs_go_on_and_what_waits_start_by_itself_when_there_is_room(world):
    world.script("1", Script((Turn((ask("Red?"),)), Turn((mark_done(),)))))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.engine.snapshot().waiting)
        world.host.seen_disk = LITTLE
        world.drop("2")
        await world.until(lambda: world.engine.snapshot().blocked)
        assert world.engine.snapshot().blocked[0].code == "low_disk"
        assert any("the disk is nearly full" in line for line in world.said)
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
        assert world.claim("2") is None
        world.host.seen_disk = PLENTY
        await world.until(lambda: world.state_of("2") == "Done")
        assert world.engine.snapshot().problems == ()


async def test_a_run_until_idle_ends_where_only_disk_space_is_missing(world):
    world.host.seen_disk = LITTLE
    engine = await world.build(until_idle=True)
    world.drop("1")
    assert (await engine.run()).value == "needs a person"
