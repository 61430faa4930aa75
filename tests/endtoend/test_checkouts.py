"""Clean checkouts with real git: what checks see, what they may do, and what a hostile guest cannot do."""

from pathlib import Path

import pytest

from symphony.core.best import Checked
from symphony.workspace.checkouts import GitCheckouts
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.workspaces import GitWorkspaces
from tests.support.git_project import TODAY, GitWorld, PlainSandbox, git, write_files


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path)


async def test_a_checkout_is_a_repository_of_its_own_with_the_branch_and_its_base(world):
    workspace = await world.prepare()
    world.commit(workspace, {"a.txt": b"a"}, "Add a")
    imported = await world.collect(workspace)
    sandbox = PlainSandbox(workspace.path)
    async with (
        world.workspaces.open_checkouts(workspace) as checkouts,
        checkouts.checkout(imported, sandbox) as folder,
    ):
        assert git(folder, "rev-parse", "HEAD") == imported.head_commit
        assert git(folder, "branch", "--show-current") == workspace.branch
        assert git(folder, "diff", "--name-only", workspace.base_commit) == "a.txt"
        assert git(folder, "status", "--porcelain") == ""
        assert git(folder, "remote") == ""
        assert not (folder / ".git" / "objects" / "info" / "alternates").exists()


async def test_what_a_check_writes_touches_neither_the_workspace_nor_the_hosts_repository(world):
    workspace = await world.prepare()
    world.commit(workspace, {"a.txt": b"a"}, "Add a")
    imported = await world.collect(workspace)
    sandbox = PlainSandbox(workspace.path)
    script = "echo b > a.txt && git -c user.name=x -c user.email=x commit -qam worse && git gc -q --prune=now"
    async with (
        world.workspaces.open_checkouts(workspace) as checkouts,
        checkouts.checkout(imported, sandbox) as folder,
    ):
        ran = await sandbox.run(("sh", "-c", script), cwd=folder, timeout_s=60)
        assert ran.exit_status == 0, ran.stderr
    assert (workspace.path / "a.txt").read_bytes() == b"a"
    assert git(workspace.path, "rev-parse", "HEAD") == imported.head_commit
    assert (await world.collect(workspace)).head_commit == imported.head_commit
    assert not checkouts.folder.exists()


async def test_work_that_was_not_committed_is_in_the_checkout_as_a_commit(world):
    workspace = await world.prepare()
    write_files(workspace.path, {"a.txt": b"a"})
    imported = await world.collect(workspace)
    async with (
        world.workspaces.open_checkouts(workspace) as checkouts,
        checkouts.checkout(imported, PlainSandbox(workspace.path)) as folder,
    ):
        assert git(folder, "log", "-1", "--format=%s") == "Save uncommitted work"
        assert (folder / "a.txt").read_bytes() == b"a"


async def test_a_branch_that_has_moved_since_is_not_checked_out(world):
    workspace = await world.prepare()
    before = await world.collect(workspace)
    world.commit(workspace, {"a.txt": b"a"}, "Add a")
    now = await world.collect(workspace)
    async with world.workspaces.open_checkouts(workspace) as checkouts:
        with pytest.raises(WorkspaceError) as caught:
            async with checkouts.checkout(before, PlainSandbox(workspace.path)):
                pass
    assert caught.value.code == "workspace.branch_moved"
    assert str(caught.value) == (
        f"The branch agent/12 is at {now.head_commit[:12]}, not at {before.head_commit[:12]} any more. "
        "symphony tries again by itself."
    )


async def test_a_guest_that_fills_the_folder_of_checkouts_with_links_gains_nothing(world, tmp_path):
    workspace = await world.prepare()
    imported = await world.collect(workspace)
    secret = tmp_path / "secret"
    write_files(secret, {"key": b"mine"})
    async with world.workspaces.open_checkouts(workspace) as checkouts:
        for name in ("here", ".git"):
            (checkouts.folder / name).symlink_to(secret)
        async with checkouts.checkout(imported, PlainSandbox(workspace.path)) as folder:
            assert (folder / "README.md").exists()
            assert not folder.is_symlink()
            (folder / "out").symlink_to(secret)
    assert (secret / "key").read_bytes() == b"mine"
    assert not checkouts.folder.exists()


async def test_what_a_dead_daemon_left_of_checkouts_is_deleted_by_the_next_one(world):
    workspace = await world.prepare()
    imported = await world.collect(workspace)
    leftover = GitCheckouts(world.workspaces._repository, world.installation.root, workspace).folder
    write_files(leftover, {"old/junk": b"junk"})
    again = GitWorkspaces(world.installation)
    async with (
        again.open_checkouts(workspace) as checkouts,
        checkouts.checkout(imported, PlainSandbox(workspace.path)) as folder,
    ):
        assert list(checkouts.folder.iterdir()) == [folder]
    assert not leftover.exists()


async def test_a_best_state_outlives_the_daemon_and_its_command_brings_it_to_a_person(world):
    workspace = await world.prepare()
    world.commit(workspace, {"a.txt": b"good"}, "Good")
    good = await world.collect(workspace)
    await world.workspaces.bests.keep("12", Checked(good.head_commit, ("x\ny",), 3, 1, TODAY, committed=True))
    world.commit(workspace, {"a.txt": b"bad"}, "Bad")
    bad = await world.collect(workspace)
    worse = Checked(bad.head_commit, ("x", "y" * 500), 3, 2, TODAY, committed=True)
    await world.workspaces.bests.keep("12", worse)

    best = await GitWorkspaces(world.installation).bests.of("12")

    assert best is not None
    assert best.lost
    assert best.best == Checked(good.head_commit, ("x y",), 3, 1, TODAY, committed=True)
    assert best.command == f"git fetch {world.host} refs/symphony/best/12:refs/heads/best/12"
    assert str(best.best) == f"{good.head_commit[:12]} of attempt 1, on which 1 of 3 checks fails (x y)"
    git(world.source, *best.command.split()[1:])
    assert git(world.source, "show", "best/12:a.txt") == "good"
