"""What a guest can pile up: depth, holes, and a caller that gives up."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from symphony.core.ports import RunResult
from symphony.core.settings import HooksSettings, Settings
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.workspaces import GitWorkspaces
from tests.support.git_project import GitWorld, PlainSandbox, git, make_issue, write_files

BOUND_S = 30.0


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path)


def make_deep(folder: Path, depth: int) -> None:
    """Make folders in folders, deeper than any path can be written."""
    current = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        below = os.open("d", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = below
    os.close(os.open("file.txt", os.O_CREAT | os.O_WRONLY, dir_fd=current))
    os.close(current)


async def test_folders_deeper_than_any_path_neither_break_the_fingerprint_nor_the_removal(
    world: GitWorld,
) -> None:
    workspace = await world.prepare()
    make_deep(workspace.path, 3_000)

    await world.workspaces.fingerprint(workspace)
    await world.workspaces.remove(workspace, world.settings, {})

    assert list(workspace.path.parent.iterdir()) == []


async def test_a_file_too_deep_to_be_read_is_named_and_nothing_is_handed_over(world: GitWorld) -> None:
    workspace = await world.prepare()
    make_deep(workspace.path, 250)

    with pytest.raises(WorkspaceError) as caught:
        await world.collect(workspace)

    assert caught.value.code == "workspace.unreadable_file"
    assert caught.value.message.endswith(
        f"in {workspace.path} cannot be read: it lies more than 200 folders deep."
    )
    assert caught.value.remedy == "Make it readable or delete it; nothing is handed over without it."


async def test_a_file_of_holes_is_refused_before_it_is_read(world: GitWorld) -> None:
    workspace = await world.prepare()
    os.truncate(workspace.path / "README.md", 1 << 40)

    with pytest.raises(WorkspaceError) as caught:
        await world.collect(workspace)

    assert caught.value.code == "workspace.too_large"
    assert str(caught.value) == (
        f"The workspace {workspace.path} holds more than 4 GiB of changed files that git does not ignore. "
        "Add what is built or downloaded to .gitignore."
    )


async def test_an_import_that_is_given_up_leaves_nothing_behind(world: GitWorld) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"work.txt": b"work\n"})
    asked = asyncio.Event()

    class Slow(PlainSandbox):
        async def run(self, argv: Sequence[str], **_options: object) -> RunResult:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

    importing = asyncio.create_task(world.workspaces.collect(workspace, Slow(workspace.path)))
    await asyncio.wait_for(asked.wait(), BOUND_S)
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing

    assert list((world.installation.root / "tmp").iterdir()) == []
    assert (await world.collect(workspace)).saved_uncommitted


async def test_a_preparation_that_is_given_up_is_begun_anew(world: GitWorld) -> None:
    settings = Settings(hooks=HooksSettings(after_create="touch begun; mkfifo p; cat p"))
    workspace = world.installation.root / "workspaces" / "12"
    preparing = asyncio.create_task(world.workspaces.prepare(make_issue(), settings, {}))

    async def begun() -> None:
        while not (workspace / "begun").exists():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(begun(), BOUND_S)
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing

    again = await world.prepare()
    assert again.created
    assert not (again.path / "begun").exists()


async def test_an_old_git_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    repository = HostRepository(tmp_path / "folder" / "host.git")

    with pytest.raises(WorkspaceError) as caught:
        await repository.open()

    assert caught.value.code == "workspace.git_too_old"
    assert str(caught.value) == (
        "git version 2.30.2 is too old: it follows symlinks that an agent can plant. "
        "Install git 2.32 or newer."
    )
    assert not repository.path.parent.exists()


async def test_a_lock_of_a_dead_git_does_not_stop_an_issue_for_ever(world: GitWorld) -> None:
    await world.prepare()
    lock = world.host / "refs" / "symphony" / "base" / "13.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    restarted = GitWorkspaces(world.installation)

    assert (await restarted.prepare(make_issue("13"), world.settings, {})).created
    assert git(world.host, "rev-parse", "refs/symphony/base/13")
