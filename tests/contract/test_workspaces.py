"""What every Workspaces driver promises [CONTRACT 8, 9]; a new one joins by adding its world."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from symphony.core.best import Checked
from symphony.core.handoff import Handoff, Imported
from symphony.core.keys import workspace_key
from symphony.core.ports import Sandbox, Workspace, Workspaces
from symphony.core.provenance import Origin, Provenance
from symphony.core.safety import SafetyRef
from symphony.core.settings import (
    HandoffSettings,
    HooksSettings,
    MergeTrainSettings,
    Settings,
    WorkspaceSettings,
)
from symphony.core.train import TrainMerge, TrainStopped, TrainView
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.memory import PATCHES, Fault, MemoryWorkspaces
from tests.support.git_project import GitWorld, PlainSandbox, git, make_completion, make_issue, write_files


class World(Protocol):
    """A driver with the agent's hands."""

    workspaces: Workspaces

    def write(self, workspace: Workspace, name: str, text: str) -> None: ...
    def commit(self, workspace: Workspace, message: str) -> None: ...
    def read(self, folder: Path, name: str) -> str | None: ...
    def sandbox(self, workspace: Workspace) -> Sandbox: ...
    def fail_hook(self, name: str) -> str: ...
    def patch(self, path: Path) -> bytes: ...
    def saved(self, ref: SafetyRef) -> Mapping[str, bytes]: ...
    def comment(self, issue_id: str, text: str) -> bytes: ...
    def pushed(self, branch: str) -> str: ...


class RealWorld:
    def __init__(self, folder: Path) -> None:
        self.world = GitWorld(folder)
        self.remote = folder / "remote.git"
        git(folder, "init", "--quiet", "--bare", str(self.remote))
        git(self.world.source, "remote", "add", "origin", str(self.remote))
        self.workspaces: Workspaces = self.world.workspaces

    def write(self, workspace: Workspace, name: str, text: str) -> None:
        write_files(workspace.path, {name: text.encode()})

    def commit(self, workspace: Workspace, message: str) -> None:
        self.world.commit(workspace, {}, message)

    def read(self, folder: Path, name: str) -> str | None:
        return (folder / name).read_text() if (folder / name).exists() else None

    def sandbox(self, workspace: Workspace) -> Sandbox:
        return PlainSandbox(workspace.path)

    def fail_hook(self, name: str) -> str:
        return "echo out of tea; exit 7"

    def patch(self, path: Path) -> bytes:
        return path.read_bytes()

    def saved(self, ref: SafetyRef) -> Mapping[str, bytes]:
        assert git(self.world.host, "rev-parse", ref.name) == ref.commit
        return {name: self.world.host_file(ref.name, name) for name in self.world.host_files(ref.name)}

    def comment(self, issue_id: str, text: str) -> bytes:
        patch = self.world.installation.patch(issue_id)
        before = patch.read_bytes()
        patch.write_bytes(before + f"{text}\n".encode())
        return before

    def pushed(self, branch: str) -> str:
        return git(self.remote, "rev-parse", f"refs/heads/{branch}")


class MemoryWorld:
    def __init__(self, folder: Path) -> None:
        self.driver = MemoryWorkspaces()
        self.workspaces: Workspaces = self.driver

    def write(self, workspace: Workspace, name: str, text: str) -> None:
        self.driver.write(workspace, name, text.encode())

    def commit(self, workspace: Workspace, message: str) -> None:
        self.driver.commit(workspace, message)

    def read(self, folder: Path, name: str) -> str | None:
        content = (self.driver.files_at(folder) or {}).get(name)
        return None if content is None else content.decode()

    def sandbox(self, workspace: Workspace) -> Sandbox:
        return PlainSandbox(workspace.path)

    def fail_hook(self, name: str) -> str:
        self.driver.answer_hook(name, 7, "out of tea\n")
        return "exit 7"

    def patch(self, path: Path) -> bytes:
        return self.driver.patches[path]

    def saved(self, ref: SafetyRef) -> Mapping[str, bytes]:
        return self.driver.files_of(ref.commit)

    def comment(self, issue_id: str, text: str) -> bytes:
        patch = PATCHES / f"agent_{issue_id}.patch"
        before = self.driver.patches[patch]
        self.driver.patches[patch] = before.rstrip(b"\n") + f"\n{text}\n".encode()
        return before

    def pushed(self, branch: str) -> str:
        return self.driver.remote.branches[branch]


WORLDS: dict[str, Callable[[Path], World]] = {"git": RealWorld, "memory": MemoryWorld}


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return WORLDS[request.param](tmp_path)


SETTINGS = Settings()
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def with_hooks(**hooks: str) -> Settings:
    return Settings(hooks=HooksSettings(**hooks))


async def prepare(world: World, issue_id: str = "12", settings: Settings = SETTINGS) -> Workspace:
    return await world.workspaces.prepare(make_issue(issue_id), settings, {})


async def collect(world: World, workspace: Workspace) -> Imported:
    return await world.workspaces.collect(workspace, world.sandbox(workspace))


async def test_a_new_workspace_holds_the_base_on_a_branch_of_its_own(world: World) -> None:
    workspace = await prepare(world)

    assert workspace.created
    assert (workspace.issue_id, workspace.key) == ("12", "12")
    assert (workspace.branch, workspace.base) == ("agent/12", "main")
    assert len(workspace.base_commit) == 40
    assert world.read(workspace.path, "README.md") == "a project\n"


async def test_preparing_again_returns_the_same_workspace_as_it_is(world: World) -> None:
    first = await prepare(world)
    world.write(first, "work.txt", "half done\n")

    second = await prepare(world)

    assert not second.created
    assert (second.path, second.branch, second.base_commit) == (first.path, first.branch, first.base_commit)
    assert world.read(second.path, "work.txt") == "half done\n"


async def test_find_sees_a_workspace_from_prepare_to_remove(world: World) -> None:
    assert await world.workspaces.find("12", SETTINGS) is None

    workspace = await prepare(world)
    found = await world.workspaces.find("12", SETTINGS)
    assert found is not None
    assert (found.path, found.branch, found.created) == (workspace.path, workspace.branch, False)

    await world.workspaces.remove(workspace, SETTINGS, {})
    assert await world.workspaces.find("12", SETTINGS) is None


async def test_ids_that_look_alike_have_workspaces_of_their_own(world: World) -> None:
    ids = ["a b", "a_b", "../x", "x", "Ünïcode", "n" * 300, "n" * 301]

    workspaces = [await prepare(world, issue_id) for issue_id in ids]

    assert len({workspace.path for workspace in workspaces}) == len(ids)
    assert len({workspace.branch for workspace in workspaces}) == len(ids)
    assert {workspace.path.parent for workspace in workspaces} == {workspaces[0].path.parent}
    assert [workspace.key for workspace in workspaces] == [workspace_key(issue_id) for issue_id in ids]


async def test_ten_workspaces_are_made_at_once(world: World) -> None:
    workspaces = await asyncio.gather(*(prepare(world, str(number)) for number in range(10)))

    assert len({workspace.path for workspace in workspaces}) == 10
    assert {world.read(workspace.path, "README.md") for workspace in workspaces} == {"a project\n"}


async def test_the_authors_branch_name_is_used(world: World) -> None:
    workspace = await world.workspaces.prepare(make_issue(branch="fix/tea"), SETTINGS, {})

    assert workspace.branch == "fix/tea"
    world.write(workspace, "new.txt", "x\n")
    assert (await collect(world, workspace)).branch == "fix/tea"


async def test_a_branch_name_that_git_refuses_is_refused_in_words(world: World) -> None:
    with pytest.raises(WorkspaceError) as caught:
        await world.workspaces.prepare(make_issue(branch="my branch"), SETTINGS, {})

    assert caught.value.code == "workspace.branch_invalid"
    assert str(caught.value) == (
        "branch_name 'my branch' cannot be the name of a branch. "
        "Correct branch_name in the issue's front matter, or leave it out."
    )


@pytest.mark.parametrize("wish", ["tea", "tea/cup"])
async def test_a_branch_in_the_way_of_another_issues_is_refused_in_words(world: World, wish: str) -> None:
    await world.workspaces.prepare(make_issue("1", branch="tea"), SETTINGS, {})

    with pytest.raises(WorkspaceError) as caught:
        await world.workspaces.prepare(make_issue("2", branch=wish), SETTINGS, {})

    assert caught.value.code == "workspace.branch_taken"
    assert str(caught.value) == (
        f"The issue 1 already works on the branch '{wish}', or on one in its way. "
        "Give the issue another branch_name, or wait until the other one is delivered."
    )


async def test_after_create_that_fails_removes_the_new_workspace(world: World) -> None:
    settings = with_hooks(after_create=world.fail_hook("after_create"))

    with pytest.raises(WorkspaceError) as caught:
        await prepare(world, settings=settings)

    assert caught.value.code == "workspace.after_create_failed"
    assert str(caught.value) == (
        "The hook after_create ended with status 7. The new workspace was removed. "
        "Its output ended with:\nout of tea"
    )
    assert await world.workspaces.find("12", SETTINGS) is None
    assert (await prepare(world)).created


async def test_after_create_runs_only_when_the_workspace_is_made(world: World) -> None:
    await prepare(world, settings=with_hooks(after_create="true"))

    assert not (await prepare(world, settings=with_hooks(after_create=world.fail_hook("x")))).created


async def test_a_hook_that_fails_is_a_result(world: World) -> None:
    workspace = await prepare(world)
    script = world.fail_hook("before_run")

    result = await world.workspaces.run_hook("before_run", script, workspace.path, {}, 60_000)

    assert not result.ok
    assert (result.name, result.exit_status, result.output) == ("before_run", 7, "out of tea\n")


async def test_the_fingerprint_changes_with_files_and_with_commits_only(world: World) -> None:
    workspace = await prepare(world)
    seen = [await world.workspaces.fingerprint(workspace)]
    assert await world.workspaces.fingerprint(workspace) == seen[0]

    world.write(workspace, "new.txt", "x\n")
    seen.append(await world.workspaces.fingerprint(workspace))
    world.commit(workspace, "Add a file")
    seen.append(await world.workspaces.fingerprint(workspace))

    assert len(set(seen)) == 3


async def test_an_untouched_workspace_has_nothing_to_hand_over(world: World) -> None:
    workspace = await prepare(world)

    imported = await collect(world, workspace)
    handoff = await world.workspaces.hand_off(workspace, imported, make_completion(), SETTINGS)

    assert not imported.changed
    assert (imported.commits, imported.saved_uncommitted) == (0, False)
    assert imported.head_commit == workspace.base_commit
    assert (handoff.kind, handoff.patch) == ("none", None)
    assert handoff.note == "Nothing to hand over: the files are as they were at the start."


async def test_commits_are_imported(world: World) -> None:
    workspace = await prepare(world)
    for name in ("one.txt", "two.txt"):
        world.write(workspace, name, name)
        world.commit(workspace, f"Add {name}")

    imported = await collect(world, workspace)

    assert imported.changed
    assert (imported.commits, imported.saved_uncommitted) == (2, False)
    assert imported.base_commit == workspace.base_commit


async def test_uncommitted_work_is_committed_on_top_and_marked(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "1\n")
    world.commit(workspace, "Add one")
    world.write(workspace, "one.txt", "changed\n")
    world.write(workspace, "two.txt", "untracked\n")

    imported = await collect(world, workspace)

    assert (imported.commits, imported.saved_uncommitted) == (2, True)
    async with world.workspaces.delivered_clone(imported) as clone:
        assert world.read(clone, "one.txt") == "changed\n"
        assert world.read(clone, "two.txt") == "untracked\n"


async def test_importing_again_gives_the_same_commits(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "1\n")

    first = await collect(world, workspace)

    assert await collect(world, workspace) == first


AT = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


async def save(
    world: World, workspace: Workspace, why: str = "Before attempt 2.", at: datetime = AT
) -> SafetyRef:
    saved = await world.workspaces.save(workspace, why, at)
    assert saved is not None
    return saved


async def test_nothing_is_saved_of_a_workspace_in_which_nothing_was_changed(world: World) -> None:
    workspace = await prepare(world)

    assert await world.workspaces.save(workspace, "Before attempt 2.", AT) is None
    assert await world.workspaces.newest_safety("12") is None


async def test_uncommitted_work_is_saved_and_stays_as_it_is_in_the_workspace(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "README.md", "changed\n")
    world.write(workspace, "new.txt", "new\n")
    before = await world.workspaces.fingerprint(workspace)

    saved = await save(world, workspace)

    assert world.saved(saved) == {"README.md": b"changed\n", "new.txt": b"new\n"}
    assert (saved.name, saved.why, saved.at) == ("refs/symphony/safety/12/1", "Before attempt 2.", AT)
    assert await world.workspaces.fingerprint(workspace) == before
    assert await world.workspaces.newest_safety("12") == saved


async def test_what_is_saved_already_is_not_saved_again(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "new.txt", "new\n")
    saved = await save(world, workspace)

    again = await save(world, workspace, "Before attempt 3.", AT + timedelta(hours=1))

    assert again == saved


async def test_what_changes_after_a_saving_is_saved_beside_it(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "new.txt", "new\n")
    first = await save(world, workspace)
    world.write(workspace, "new.txt", "newer\n")

    second = await save(world, workspace, "Before attempt 3.", AT + timedelta(hours=1))

    assert (second.name, second.why) == ("refs/symphony/safety/12/2", "Before attempt 3.")
    assert world.saved(first)["new.txt"] == b"new\n"
    assert world.saved(second)["new.txt"] == b"newer\n"
    assert await world.workspaces.newest_safety("12") == second


async def test_commits_that_were_never_imported_are_saved_until_they_are(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "1\n")
    world.commit(workspace, "Add one")

    saved = await save(world, workspace)
    await collect(world, workspace)

    assert world.saved(saved)["one.txt"] == b"1\n"
    assert await world.workspaces.save(workspace, "Before attempt 3.", AT) is None
    assert await world.workspaces.newest_safety("12") == saved


async def test_what_was_saved_outlives_the_workspace(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "new.txt", "new\n")
    saved = await save(world, workspace)

    await world.workspaces.remove(workspace, SETTINGS, {})

    assert await world.workspaces.newest_safety("12") == saved
    assert world.saved(saved)["new.txt"] == b"new\n"


async def test_a_workspace_that_is_gone_cannot_be_saved(world: World) -> None:
    workspace = await prepare(world)
    await world.workspaces.remove(workspace, SETTINGS, {})

    with pytest.raises(WorkspaceError) as caught:
        await world.workspaces.save(workspace, "Before attempt 2.", AT)

    assert caught.value.code == "workspace.missing"


async def test_files_are_saved_without_a_sandbox(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "1\n")
    world.commit(workspace, "Add one")

    imported = await world.workspaces.collect(workspace, None)

    assert (imported.commits, imported.saved_uncommitted) == (1, True)
    async with world.workspaces.delivered_clone(imported) as clone:
        assert world.read(clone, "one.txt") == "1\n"


async def test_what_leaves_has_the_same_files_and_says_whose_it_is(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "1\n")
    world.commit(workspace, "Add one")
    imported = await collect(world, workspace)
    provenance = Provenance("12", (Origin(1, "claude", "opus", AT),))

    leaving = await world.workspaces.stamp(imported, provenance, SETTINGS)
    again = await world.workspaces.stamp(imported, provenance, SETTINGS)
    plain = Settings(handoff=HandoffSettings(trailers=False))
    bare = await world.workspaces.stamp(imported, provenance, plain)

    assert leaving == again == replace(imported, head_commit=leaving.head_commit)
    assert leaving.head_commit not in (imported.head_commit, bare.head_commit)
    handoff = await world.workspaces.hand_off(workspace, leaving, make_completion(), SETTINGS)
    assert (handoff.patch is not None, handoff.head_commit) == (True, leaving.head_commit)
    async with world.workspaces.delivered_clone(leaving) as clone:
        assert world.read(clone, "one.txt") == "1\n"


async def test_nothing_new_leaves_as_it_is(world: World) -> None:
    workspace = await prepare(world)
    imported = await collect(world, workspace)

    assert await world.workspaces.stamp(imported, Provenance("12"), SETTINGS) == imported


async def test_a_patch_is_written_once_and_the_same_again(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "1\n")
    world.commit(workspace, "Add one")
    imported = await collect(world, workspace)

    first = await world.workspaces.hand_off(workspace, imported, make_completion(), SETTINGS)
    assert first.patch is not None
    content = world.patch(first.patch)
    second = await world.workspaces.hand_off(workspace, imported, make_completion(), SETTINGS)

    assert first == second
    assert world.patch(first.patch) == content
    assert (first.kind, first.patch.name, first.head_commit) == (
        "patch",
        "agent_12.patch",
        imported.head_commit,
    )
    assert (
        first.note == f"Patch with 1 commit: `git am {first.patch}` on main ({workspace.base_commit[:12]})."
    )


async def test_mode_none_hands_nothing_over_and_says_where_the_work_is(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "1\n")
    imported = await collect(world, workspace)
    settings = Settings(handoff=HandoffSettings(mode="none"))

    handoff = await world.workspaces.hand_off(workspace, imported, make_completion(), settings)

    assert (handoff.kind, handoff.patch) == ("none", None)
    assert handoff.note.startswith("handoff.mode is none; the work is on agent/12 in /")


async def test_nothing_is_pushed_of_a_workspace_in_which_nothing_was_changed(world: World) -> None:
    workspace = await prepare(world)
    assert await world.workspaces.push(workspace, await collect(world, workspace), SETTINGS) is None


async def test_a_pushed_branch_says_what_it_was_put_to_and_again_the_same(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "fix.txt", "fixed\n")
    world.commit(workspace, "Fix it")
    imported = await collect(world, workspace)

    pushed = await world.workspaces.push(workspace, imported, SETTINGS)

    assert pushed is not None
    assert (pushed.branch, pushed.base, pushed.head_commit) == ("agent/12", "main", imported.head_commit)
    assert world.pushed("agent/12") == imported.head_commit
    assert await world.workspaces.push(workspace, imported, SETTINGS) == pushed


async def test_a_clean_checkout_holds_what_was_imported_and_nothing_else(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "work.txt", "committed\n")
    world.commit(workspace, "Work")
    imported = await collect(world, workspace)
    world.write(workspace, "late.txt", "later\n")
    async with (
        world.workspaces.open_checkouts(workspace) as checkouts,
        checkouts.checkout(imported, world.sandbox(workspace)) as folder,
    ):
        assert checkouts.folder in folder.parents
        assert workspace.path not in folder.parents
        assert world.read(folder, "work.txt") == "committed\n"
        assert world.read(folder, "late.txt") is None


def checked(imported: Imported, *failing: str, number: int = 1) -> Checked:
    at = datetime(2026, 1, 1, 12, number, tzinfo=UTC)
    return Checked(imported.head_commit, failing, 3, number, at, committed=True)


async def test_the_work_with_the_fewest_failing_checks_is_kept_and_of_equals_the_newest(world: World) -> None:
    workspace, bests = await prepare(world), world.workspaces.bests
    states = []
    for number, failing in enumerate(("a b c", "a", "a b", "b"), start=1):
        world.write(workspace, "work.txt", f"{number}\n")
        world.commit(workspace, f"Work {number}")
        imported = await collect(world, workspace)
        states.append(await bests.keep("12", checked(imported, *failing.split(), number=number)))
    assert [state.best.attempt for state in states] == [1, 2, 2, 4]
    assert [state.lost for state in states] == [False, False, True, False]
    assert {state.name for state in states} == {"refs/symphony/best/12"}
    assert await bests.of("12") == states[-1]
    assert await bests.of("13") is None


async def test_a_best_state_that_is_let_go_is_gone(world: World) -> None:
    workspace, bests = await prepare(world), world.workspaces.bests
    await bests.forget("12")
    await bests.keep("12", checked(await collect(world, workspace), "a"))
    await bests.forget("12")
    await bests.forget("12")
    assert await bests.of("12") is None


async def test_each_checkout_is_new_and_gone_after_its_context(world: World) -> None:
    workspace = await prepare(world)
    imported = await collect(world, workspace)
    sandbox = world.sandbox(workspace)
    async with world.workspaces.open_checkouts(workspace) as checkouts:
        async with checkouts.checkout(imported, sandbox) as first:
            pass
        async with checkouts.checkout(imported, sandbox) as second:
            assert first != second
            assert world.read(second, "README.md") == "a project\n"
        assert world.read(second, "README.md") is None


async def test_a_delivered_clone_is_gone_after_its_context(world: World) -> None:
    workspace = await prepare(world)
    imported = await collect(world, workspace)

    async with world.workspaces.delivered_clone(imported) as clone:
        assert clone != workspace.path
        assert world.read(clone, "README.md") == "a project\n"

    assert world.read(clone, "README.md") is None


async def test_before_remove_that_fails_is_reported_and_the_workspace_is_gone(world: World) -> None:
    workspace = await prepare(world)
    settings = with_hooks(before_remove=world.fail_hook("before_remove"))

    with pytest.raises(WorkspaceError) as caught:
        await world.workspaces.remove(workspace, settings, {})

    assert caught.value.code == "workspace.before_remove_failed"
    assert str(caught.value) == (
        "The hook before_remove ended with status 7. The workspace was removed all the same. "
        "Its output ended with:\nout of tea"
    )
    assert await world.workspaces.find("12", SETTINGS) is None


async def test_removing_twice_does_nothing_the_second_time(world: World) -> None:
    workspace = await prepare(world)
    await world.workspaces.remove(workspace, SETTINGS, {})

    await world.workspaces.remove(workspace, with_hooks(before_remove=world.fail_hook("x")), {})

    assert await world.workspaces.find("12", SETTINGS) is None


async def test_a_workspace_that_is_gone_is_not_imported(world: World) -> None:
    workspace = await prepare(world)
    await world.workspaces.remove(workspace, SETTINGS, {})

    with pytest.raises(WorkspaceError) as caught:
        await collect(world, workspace)

    assert caught.value.code == "workspace.missing"
    assert str(caught.value) == f"The workspace {workspace.path} is gone. Retry the issue; it starts anew."


async def test_a_second_life_of_an_issue_starts_from_the_base(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "1\n")
    await collect(world, workspace)
    await world.workspaces.remove(workspace, SETTINGS, {})

    again = await prepare(world)

    assert world.read(again.path, "one.txt") is None
    assert not (await world.workspaces.collect(again, None)).changed


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.PREPARE, "workspace.source_unreadable"),
        (Fault.SAVE, "workspace.disk_full"),
        (Fault.IMPORT, "workspace.import_failed"),
        (Fault.HAND_OFF, "workspace.disk_full"),
        (Fault.PUSH, "handoff.push_refused"),
        (Fault.REMOVE, "workspace.permission_denied"),
    ],
)
async def test_the_memory_driver_fails_once_as_it_is_told(tmp_path: Path, fault: Fault, code: str) -> None:
    world = MemoryWorld(tmp_path)

    async def whole() -> None:
        workspace = await prepare(world)
        world.write(workspace, "one.txt", "1\n")
        await save(world, workspace)
        imported = await collect(world, workspace)
        await world.workspaces.hand_off(workspace, imported, make_completion(), SETTINGS)
        await world.workspaces.push(workspace, imported, SETTINGS)
        await world.workspaces.remove(workspace, SETTINGS, {})

    world.driver.fail(fault)
    with pytest.raises(WorkspaceError) as caught:
        await whole()
    assert caught.value.code == code

    await whole()
    assert world.driver.removed == ["12"]


# --- reviews ---------------------------------------------------------------------------------------


async def hand_over(world: World, workspace: Workspace) -> Imported:
    imported = await collect(world, workspace)
    await world.workspaces.hand_off(workspace, imported, make_completion("12"), SETTINGS)
    await world.workspaces.remove(workspace, SETTINGS, {})
    return imported


async def test_work_that_was_sent_back_is_gone_on_with_from_its_base(world: World) -> None:
    first = await prepare(world)
    world.write(first, "one.txt", "one")
    imported = await hand_over(world, first)
    head = imported.head_commit
    again = await world.workspaces.prepare(make_issue("12"), SETTINGS, {}, head)
    assert (again.created, again.base_commit, again.branch) == (True, first.base_commit, first.branch)
    assert world.read(again.path, "one.txt") == "one"
    world.write(again, "two.txt", "two")
    later = await collect(world, again)
    assert (later.base_commit, later.commits) == (first.base_commit, imported.commits + 1)


async def test_a_delivered_commit_that_is_not_there_is_as_none(world: World) -> None:
    first = await prepare(world)
    world.write(first, "one.txt", "one")
    await hand_over(world, first)
    again = await world.workspaces.prepare(make_issue("12"), SETTINGS, {}, "e" * 40)
    assert world.read(again.path, "one.txt") is None


async def test_without_a_delivered_commit_it_starts_anew(world: World) -> None:
    first = await prepare(world)
    world.write(first, "one.txt", "one")
    await hand_over(world, first)
    assert world.read((await prepare(world)).path, "one.txt") is None


async def test_comments_in_a_patch_are_found_and_taken_out_again(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "one")
    await hand_over(world, workspace)
    reviews = world.workspaces.reviews
    assert await reviews.comments("12") == ()
    before = world.comment("12", "#> why?")
    comments = await reviews.comments("12")
    assert [comment.text for comment in comments] == ["why?"]
    world.comment("12", "#> and this?")
    await reviews.clear("12", comments)
    changed = await reviews.comments("12")
    assert [comment.text for comment in changed] == ["why?\nand this?"], "what was not read stays"
    await reviews.clear("12", changed)
    assert await reviews.comments("12") == ()
    assert world.comment("12", "").rstrip() == before.rstrip()


async def test_a_patch_is_discarded_once(world: World) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "one")
    await hand_over(world, workspace)
    assert [await world.workspaces.reviews.discard("12") for _ in range(2)] == [True, False]
    assert await world.workspaces.reviews.comments("12") == ()


PULL = "https://forge.example/owner/name/pull/1"


async def test_a_pull_request_has_a_review_in_the_place_of_a_patch_and_unsent_comments_are_kept(
    world: World,
) -> None:
    workspace = await prepare(world)
    world.write(workspace, "one.txt", "one")
    imported = await collect(world, workspace)
    completion = make_completion("12")
    first = await world.workspaces.hand_off(workspace, imported, completion, SETTINGS)
    assert first.patch is not None
    world.comment("12", "#> why?")
    made = await world.workspaces.hand_off(workspace, imported, completion, SETTINGS, url=PULL)
    kept = first.patch.with_name(f"{first.patch.name}.unread-1")
    said = f"The patch before it had 1 comment that no agent was sent; it is kept as {kept}."
    assert made == Handoff("pull_request", said, url=PULL, head_commit=imported.head_commit)
    assert b"#> why?" in world.patch(kept)
    with pytest.raises((FileNotFoundError, KeyError)):
        world.patch(first.patch)
    again = await world.workspaces.hand_off(workspace, imported, completion, SETTINGS, url=PULL)
    assert again == replace(made, note="")
    assert [await world.workspaces.reviews.discard("12") for _ in range(2)] == [True, False]


RIDES = Settings(merge_train=MergeTrainSettings(branch="train"), workspace=WorkspaceSettings(base="main"))


async def work(world: World, issue_id: str, name: str, text: str) -> Imported:
    """Return an issue's branch, which changes one file."""
    workspace = await prepare(world, issue_id)
    world.write(workspace, name, text)
    return await collect(world, workspace)


async def merged(world: World, issue_id: str, imported: Imported) -> TrainMerge:
    return await world.workspaces.train.merge(issue_id, "Do it", imported, RIDES, NOW)


async def test_work_boards_on_the_head_that_it_was_merged_onto_and_is_found_there_again(world: World) -> None:
    one, two = await work(world, "1", "a.txt", "a"), await work(world, "2", "b.txt", "b")
    train = world.workspaces.train
    first = await merged(world, "1", one)
    assert (first.seen, first.onto, first.tree, first.aboard) == ("", one.base_commit, one.head_tree, False)
    assert await train.board(first, RIDES)
    second = await merged(world, "2", two)
    assert (second.seen, second.onto, second.conflicts) == (first.commit, first.commit, ())
    assert second.tree not in (one.head_tree, two.head_tree)
    assert await train.board(second, RIDES)
    again = await merged(world, "1", one)
    assert (again.aboard, again.commit, again.onto) == (True, first.commit, one.base_commit)


async def test_work_does_not_board_on_a_head_that_has_moved_since(world: World) -> None:
    one, two = await work(world, "1", "a.txt", "a"), await work(world, "2", "b.txt", "b")
    train = world.workspaces.train
    first, second = await merged(world, "1", one), await merged(world, "2", two)
    assert await train.board(first, RIDES)
    assert not await train.board(second, RIDES)
    assert (await merged(world, "2", two)).onto == first.commit


async def test_files_in_conflict_with_the_train_are_named(world: World) -> None:
    one, two = await work(world, "1", "a.txt", "a"), await work(world, "2", "a.txt", "b")
    assert await world.workspaces.train.board(await merged(world, "1", one), RIDES)
    merge = await merged(world, "2", two)
    assert (merge.conflicts, merge.commit, merge.tree) == (("a.txt",), "", "")


async def test_a_train_shows_what_is_aboard_in_its_order_and_is_reset_to_its_base(world: World) -> None:
    one, two = await work(world, "1", "a.txt", "a"), await work(world, "2", "b.txt", "b")
    train = world.workspaces.train
    nothing = await train.look(RIDES)
    assert nothing == TrainView("train", "", "main", one.base_commit)
    merges = []
    for issue_id, imported in (("1", one), ("2", two)):
        merges.append(await merged(world, issue_id, imported))
        assert await train.board(merges[-1], RIDES)
    seen = await train.look(RIDES)
    assert (seen.head, seen.base_commit, seen.stopped) == (merges[1].commit, one.base_commit, "")
    assert [(each.issue_id, each.title, each.commit, each.at) for each in seen.passengers] == [
        (issue_id, "Do it", merge.commit, NOW) for issue_id, merge in zip("12", merges, strict=True)
    ]
    await train.reset(seen, RIDES)
    assert await train.look(RIDES) == replace(nothing, head=one.base_commit)


async def test_a_train_that_has_moved_since_it_was_seen_is_not_reset(world: World) -> None:
    one, two = await work(world, "1", "a.txt", "a"), await work(world, "2", "b.txt", "b")
    train = world.workspaces.train
    assert await train.board(await merged(world, "1", one), RIDES)
    seen = await train.look(RIDES)
    assert await train.board(await merged(world, "2", two), RIDES)
    with pytest.raises(TrainStopped) as refused:
        await train.reset(seen, RIDES)
    assert (refused.value.code, str(refused.value)) == (
        "train.moved",
        "The merge train train has just moved, and was left as it is. Look at it with `symphony train` and "
        "reset it again.",
    )
    assert len((await train.look(RIDES)).passengers) == 2


async def test_where_there_is_no_train_none_is_shown(world: World) -> None:
    with pytest.raises(WorkspaceError) as refused:
        await world.workspaces.train.look(SETTINGS)
    assert (refused.value.code, str(refused.value)) == (
        "train.off",
        "There is no merge train: merge_train.branch is null. Set it in WORKFLOW.md, to symphony/train for "
        "one.",
    )
