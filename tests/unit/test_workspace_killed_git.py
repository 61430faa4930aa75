"""A git that is killed, in the host's repository or in the workspace, and what it leaves behind."""

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from symphony.core.ports import RunResult
from symphony.core.train import TrainStopped
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.locks import Locks
from symphony.workspace.source import Source
from symphony.workspace.train_branch import TrainBranch
from tests.support.git_project import GitWorld, git

ANSWERS = ("bundle", "index-pack", "rev-parse", "update-ref", "format-patch", "am")

# dies at the command that is asked for, once: before it did anything, or in its first write to a file
GIT = """#!/bin/sh
for word in "$@"; do
    if [ -e {wanted} ] && [ "$word" = "$(cat {wanted})" ]; then
        rm {wanted}
        {death}
    fi
done
exec {git} "$@"
"""
BOUND_S = 30.0
DEATHS = {"before": "kill -KILL $$", "writing": "ulimit -c 0; ulimit -f 0"}


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path / "world", {"README.md": b"a project\n"})


def put_before_git(folder: Path, monkeypatch: pytest.MonkeyPatch, death: str) -> Path:
    """Put such a git first on PATH; return the file that names the command."""
    wrapper, wanted = folder / "bin/git", folder / "wanted"
    wrapper.parent.mkdir()
    wrapper.write_text(GIT.format(wanted=wanted, death=death, git=shutil.which("git")))
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    return wanted


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("command", ANSWERS)
async def test_a_killed_git_is_no_answer_and_the_repeated_step_hands_over_every_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, death: str
) -> None:
    wanted = put_before_git(tmp_path, monkeypatch, DEATHS[death])
    world = GitWorld(tmp_path / "world", {"README.md": b"a project\n"})
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "One")
    world.commit(workspace, {"two.txt": b"2\n"}, "Two")
    wanted.write_text(command)
    with suppress(WorkspaceError):
        await world.hand_off(workspace, await world.collect(workspace, PATH=os.environ["PATH"]))
    imported = await world.collect(workspace, PATH=os.environ["PATH"])
    handoff = await world.hand_off(workspace, imported)
    assert not wanted.exists()
    assert imported.commits == 2
    assert imported.notes == ()
    assert handoff.patch is not None
    assert handoff.patch.read_bytes().count(b"\nSubject: [PATCH") == 2


@pytest.mark.parametrize("death", DEATHS)
async def test_a_git_killed_while_it_tells_its_refs_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    wanted = put_before_git(tmp_path, monkeypatch, DEATHS[death])
    world = GitWorld(tmp_path / "world", {"README.md": b"a project\n"})
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "One")
    git(workspace.path, "checkout", "--quiet", "-b", "another")
    git(workspace.path, "reset", "--quiet", "--hard", workspace.base_commit)
    wanted.write_text("show-ref")

    with suppress(WorkspaceError):
        await world.collect(workspace, PATH=os.environ["PATH"])
    imported = await world.collect(workspace, PATH=os.environ["PATH"])

    assert not wanted.exists()
    assert (imported.commits, imported.notes) == (1, ())


async def test_locks_of_a_dead_run_are_gone_at_the_first_use(world: GitWorld) -> None:
    await world.prepare("11")
    locks = [world.host / "HEAD.lock", world.host / "packed-refs.lock", world.host / "refs/symphony/x.lock"]
    for lock in locks:
        lock.touch()
    again = GitWorld(world.host.parent.parent / "again", {"README.md": b"a project\n"})
    shutil.copytree(world.host, again.host)
    await again.prepare("12")
    assert not any((again.host / lock.relative_to(world.host)).exists() for lock in locks)


async def test_a_repository_whose_making_was_cut_off_is_made(world: GitWorld) -> None:
    world.host.mkdir(parents=True)
    (world.host / "HEAD").write_text("ref: refs/heads/symphony\n")
    (world.host / "config.lock").touch()
    workspace = await world.prepare()
    assert git(workspace.path, "branch", "--show-current") == "agent/12"


async def test_a_lock_stays_while_a_command_runs_and_goes_after_a_killed_one(tmp_path: Path) -> None:
    (tmp_path / "refs").mkdir()
    lock = tmp_path / "HEAD.lock"
    locks = Locks(tmp_path)
    await locks.clear()
    lock.touch()
    async with locks.in_use():
        locks.note(RunResult(-9, b"", b""))
        await locks.clear()
        assert lock.exists()
    await locks.clear()
    assert not lock.exists()


async def test_a_lock_goes_after_a_command_that_was_cancelled(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    await locks.clear()
    (tmp_path / "HEAD.lock").touch()

    async def command() -> None:
        async with locks.in_use():
            await asyncio.Event().wait()

    task = asyncio.create_task(command())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    await locks.clear()
    assert not (tmp_path / "HEAD.lock").exists()


async def boarding(folder: Path) -> tuple[TrainBranch, str, Path]:
    """Return the branch of a train that nobody has boarded, what would board, and the lock on the branch."""
    world = GitWorld(folder, {"README.md": b"a project\n"})
    train = TrainBranch(Source(".", world.source), "train")
    await train.open("main")
    return train, git(world.source, "rev-parse", "main"), world.source / ".git/refs/heads/train.lock"


@pytest.mark.parametrize("name", [b"world", b"w\xffrld"])
@pytest.mark.parametrize("death", DEATHS)
async def test_a_git_killed_as_it_moves_the_train_leaves_no_lock_to_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str, name: bytes
) -> None:
    wanted = put_before_git(tmp_path, monkeypatch, DEATHS[death])
    train, start, lock = await boarding(tmp_path / os.fsdecode(name))
    wanted.write_text("update-ref")

    with pytest.raises(WorkspaceError):
        await train.move(start, "", "a test")

    assert not wanted.exists()
    assert not lock.exists()
    assert await train.move(start, "", "a test")
    assert await train.seen() == start


async def test_a_lock_in_which_a_killed_git_has_written_goes_and_one_with_another_id_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    wanted = put_before_git(tmp_path, monkeypatch, f'. "{told}"; kill -KILL $$')
    train, start, lock = await boarding(tmp_path / "world")

    for held, stays in ((start, False), ("1" * 40, True)):
        told.write_text(f'echo {held} >"{lock}"')
        wanted.write_text("update-ref")
        with pytest.raises(WorkspaceError):
            await train.move(start, "", "a test")
        assert not wanted.exists()
        assert lock.exists() == stays


async def test_an_empty_lock_stays_when_git_was_only_asked_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git takes its own away then: an empty one is of somebody who deletes the branch."""
    told = tmp_path / "told"
    wanted = put_before_git(tmp_path, monkeypatch, f'. "{told}"')
    train, start, lock = await boarding(tmp_path / "world")
    told.write_text(f'touch "{lock}"; exec sleep 1000')
    wanted.write_text("update-ref")

    moving = asyncio.create_task(train.move(start, "", "a test"))
    while not lock.exists():
        await asyncio.sleep(0.01)
    moving.cancel()
    await asyncio.wait({moving}, timeout=BOUND_S)

    assert moving.cancelled()
    assert lock.exists()


async def test_a_git_that_breaks_as_it_moves_the_train_is_said_with_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    wanted = put_before_git(tmp_path, monkeypatch, f'. "{told}"; ulimit -c 0; kill -SEGV $$')
    train, start, lock = await boarding(tmp_path / "world")
    told.write_text(f'touch "{lock}"')
    wanted.write_text("update-ref")

    with pytest.raises(TrainStopped) as stopped:
        await train.move(start, "", "a test")

    assert stopped.value.message == "git does not move train: it was ended by SIGSEGV"
    assert not lock.exists()


async def test_a_lock_that_somebody_else_holds_on_the_train_is_said_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = put_before_git(tmp_path, monkeypatch, DEATHS["before"])
    train, start, lock = await boarding(tmp_path / "world")
    lock.touch()

    with pytest.raises(TrainStopped, match=rf"^git does not move train: .*'{lock}': File exists"):
        await train.move(start, "", "a test")
    wanted.write_text("update-ref")
    with pytest.raises(WorkspaceError):
        await train.move(start, "", "a test")

    assert not wanted.exists()
    assert lock.exists()
