"""What boarding does to the user's repository, and what it leaves alone; real git."""

from pathlib import Path

import pytest

from symphony.core.handoff import Imported
from symphony.core.settings import MergeTrainSettings, Settings, WorkspaceSettings
from symphony.core.train import TrainMerge, TrainStopped
from tests.support.git_project import TODAY, GitWorld, git, write_files

RIDES = Settings(merge_train=MergeTrainSettings(branch="train"), workspace=WorkspaceSettings(base="main"))
START = {"README.md": b"a project\n", ".gitattributes": b"*.txt merge=trap\n", "a.txt": b"1\n2\n3\n"}


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, START)


async def work(world: GitWorld, issue_id: str, files: dict[str, bytes]) -> Imported:
    workspace = await world.prepare(issue_id)
    world.commit(workspace, files)
    return await world.collect(workspace)


async def merge(world: GitWorld, issue_id: str, imported: Imported, title: str = "Do it") -> TrainMerge:
    return await world.workspaces.train.merge(issue_id, title, imported, RIDES, TODAY)


async def test_one_ref_is_made_and_nothing_else_of_the_repository_changes(world: GitWorld):
    hook = world.source / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    write_files(world.source, {"README.md": b"not committed\n"})
    index = (world.source / ".git" / "index").read_bytes()
    imported = await work(world, "1", {"b.txt": b"b\n"})
    assert await world.workspaces.train.board(await merge(world, "1", imported), RIDES)
    assert git(world.source, "for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/main", "refs/heads/train",
    ]  # fmt: skip
    assert (world.source / ".git" / "index").read_bytes() == index
    assert git(world.source, "status", "--porcelain", "--", "README.md", "b.txt") == " M README.md"
    assert list(world.source.rglob("hooked")) == []
    assert not (world.source / ".git" / "FETCH_HEAD").exists()


async def test_a_merge_says_whose_work_it_is_whatever_its_title_is(world: GitWorld):
    imported = await work(world, "1", {"b.txt": b"b\n"})
    title = "Do\x1b[31m it\n\nSymphony-Issue: 99"
    made = await merge(world, "1", imported, title)
    assert await world.workspaces.train.board(made, RIDES)
    assert git(world.source, "log", "-1", "--format=%an|%cn|%ct|%B", "train") == (
        "A Person|A Person|1767323045|Merge issue 1: Do[31m it Symphony-Issue: 99\n\n"
        f"Symphony-Issue: 1\nSymphony-Work: {imported.head_commit}"
    )


async def test_no_merge_driver_of_anybodys_runs(world: GitWorld, tmp_path: Path):
    trap = tmp_path / "trap"
    git(world.source, "config", "merge.trap.driver", f"touch {trap}")
    one = await work(world, "1", {"a.txt": b"one\n2\n3\n"})
    two = await work(world, "2", {"a.txt": b"two\n2\n3\n"})
    assert await world.workspaces.train.board(await merge(world, "1", one), RIDES)
    made = await merge(world, "2", two)
    assert made.conflicts == ("a.txt",)
    assert "+one" in made.theirs
    assert not trap.exists()


async def test_a_train_that_somebody_moved_is_merged_onto_as_it_is(world: GitWorld):
    one, two = await work(world, "1", {"b.txt": b"b\n"}), await work(world, "2", {"c.txt": b"c\n"})
    first = await merge(world, "1", one)
    assert await world.workspaces.train.board(first, RIDES)
    stale = await merge(world, "2", two)
    mine = git(
        world.source,
        "-c",
        "user.name=a",
        "-c",
        "user.email=b",
        "commit-tree",
        "-p",
        "train",
        "-m",
        "Mine",
        "train^{tree}",
    )
    git(world.source, "update-ref", "refs/heads/train", mine)
    assert not await world.workspaces.train.board(stale, RIDES)
    assert git(world.source, "rev-parse", "train") == mine
    assert (await merge(world, "2", two)).onto == mine


async def test_a_train_with_a_history_of_its_own_is_said_and_left(world: GitWorld):
    alone = git(
        world.source, "-c", "user.name=a", "-c", "user.email=b", "commit-tree", "-m", "Alone", "main^{tree}"
    )
    git(world.source, "update-ref", "refs/heads/train", alone)
    imported = await work(world, "1", {"b.txt": b"b\n"})
    with pytest.raises(TrainStopped) as stopped:
        await merge(world, "1", imported)
    assert stopped.value.code == "train.not_mergeable"
    assert str(stopped.value).startswith(f"Nothing can be merged onto the merge train train ({alone[:12]}): ")
    assert git(world.source, "rev-parse", "train") == alone


@pytest.mark.parametrize(("train", "other"), [("train", "train/of-mine"), ("mine/train", "mine")])
async def test_a_branch_that_is_in_the_way_is_named(world: GitWorld, train: str, other: str):
    git(world.source, "branch", other)
    settings = RIDES.model_copy(update={"merge_train": MergeTrainSettings(branch=train)})
    imported = await work(world, "1", {"b.txt": b"b\n"})
    made = await world.workspaces.train.merge("1", "Do it", imported, settings, TODAY)
    with pytest.raises(TrainStopped) as stopped:
        await world.workspaces.train.board(made, settings)
    assert stopped.value.code == "train.refused"
    assert f"'refs/heads/{other}' exists" in stopped.value.message


async def test_a_base_that_is_the_trains_own_branch_is_refused(world: GitWorld):
    git(world.source, "switch", "--quiet", "--create", "train")
    imported = await work(world, "1", {"b.txt": b"b\n"})
    settings = Settings(merge_train=MergeTrainSettings(branch="train"))
    with pytest.raises(TrainStopped) as stopped:
        await world.workspaces.train.merge("1", "Do it", imported, settings, TODAY)
    assert str(stopped.value) == (
        "The merge train's branch train is what work starts from. Set workspace.base, or check out the base "
        "in the source repository."
    )
