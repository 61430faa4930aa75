"""Refs of the host's repository as files: what they hold, or why that cannot be known."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from symphony.workspace.errors import WorkspaceError
from symphony.workspace.host_repository import HostRepository
from tests.support.git_project import GitWorld, git


@contextmanager
def no_file_left() -> Iterator[None]:
    """Let this process open no file more than it has."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.open("/", os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path)


async def test_a_ref_that_a_dying_disk_left_empty_names_nothing(world: GitWorld) -> None:
    await world.prepare()
    (world.host / "refs/heads").mkdir(exist_ok=True)
    (world.host / "refs/heads/empty").write_bytes(b"")

    assert await HostRepository(world.host).tip("refs/heads/empty") is None


async def test_a_ref_that_cannot_be_read_is_not_taken_for_one_that_is_not_there(world: GitWorld) -> None:
    """Else what it holds would be lost to whoever moves it."""
    repository = HostRepository(world.host)
    workspace = await world.prepare()
    base, other = "refs/symphony/base/12", world.host / "refs/heads/other"
    assert await repository.tip(base) == workspace.base_commit
    assert await repository.tip("refs/heads/none") is None
    assert await repository.tip(f"{base}/below") is None
    assert await repository.tip("refs/symphony") is None

    async def refusal(ref: str) -> str:
        with pytest.raises(WorkspaceError) as caught:
            await repository.tip(ref)
        assert caught.value.code == "workspace.git_failed"
        return str(caught.value)

    other.parent.mkdir(exist_ok=True)
    other.write_text("nonsense\n")
    ends = "symphony tries again by itself."
    assert await refusal("refs/heads/other") == (
        f"The ref refs/heads/other of {world.host} cannot be read: it holds no object's id. {ends}"
    )
    other.unlink()
    other.symlink_to(other)
    assert await refusal("refs/heads/other") == (
        f"The ref refs/heads/other of {world.host} cannot be read: Too many levels of symbolic links. {ends}"
    )
    world.host.rename(world.host.with_name("elsewhere.git"))
    assert await refusal(base) == (
        f"The ref {base} of {world.host} cannot be read: there is no repository. {ends}"
    )


async def test_a_branch_is_not_moved_while_no_file_can_be_opened(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"work.txt": b"work\n"})
    imported = await world.collect(workspace)
    repository = HostRepository(world.host)

    with no_file_left(), pytest.raises(WorkspaceError, match="Too many open files"):
        await repository.tip("refs/heads/agent/12")
    await repository.move_branch("12", "agent/12", imported.base_commit)

    assert git(world.host, "for-each-ref", "--format=%(objectname)", "refs/symphony/kept/") == (
        imported.head_commit
    )


async def test_packed_refs_are_read(world: GitWorld) -> None:
    workspace = await world.prepare()
    git(world.source, "tag", "--annotate", "v1", "-m", "One")
    other = await world.prepare("13")
    odd = "refs/heads/two\u2028lines"
    git(world.host, "update-ref", odd, workspace.base_commit)
    git(world.host, "pack-refs", "--all")
    repository = HostRepository(world.host)

    assert await repository.tip("refs/symphony/base/12") == workspace.base_commit
    assert await repository.tip("refs/symphony/base/13") == other.base_commit
    assert await repository.tip("refs/symphony/base/1") is None
    assert await repository.tip(odd) == workspace.base_commit
