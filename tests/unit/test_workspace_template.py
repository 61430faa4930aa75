"""Where files can share blocks, workspaces are copies of one clone, and each is its guest's alone."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from symphony.core.settings import Settings
from tests.support.git_project import GitWorld, git, make_issue

MIB = 1 << 20
LARGE = os.urandom(8 * MIB)
DISK_BYTES = 320 * MIB  # mkfs.xfs makes no smaller one


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("mkfs.xfs") is None:
        pytest.skip("needs root, and xfsprogs for a file system whose files share blocks")
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, folder], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine mounts no image: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def world(disk: Path) -> GitWorld:
    return GitWorld(disk, {"large.bin": LARGE, "README.md": b"a project\n", "tool.sh": b"#!/bin/sh\n"})


def templates(world: GitWorld) -> list[Path]:
    return [*(world.installation.root / "template").iterdir()]


def free_bytes(folder: Path) -> int:
    os.sync()
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


async def test_the_second_workspace_takes_next_to_no_room(world: GitWorld, disk: Path) -> None:
    await world.prepare("1")
    before = free_bytes(disk)

    second = await world.prepare("2")

    assert (second.path / "large.bin").read_bytes() == LARGE
    assert before - free_bytes(disk) < 4 * MIB


async def test_it_is_a_clone_as_any_other(world: GitWorld) -> None:
    git(world.source, "tag", "v1")
    workspace = await world.prepare("1")

    here = workspace.path
    assert git(here, "status", "--porcelain", "--branch") == "## agent/1"
    assert git(here, "for-each-ref", "--format=%(refname)") == "refs/heads/agent/1\nrefs/tags/v1"
    assert git(here, "config", "user.name") == "A Person"
    assert git(here, "remote") == ""
    assert not (here / ".git/objects/info/alternates").exists()
    assert git(here, "fsck", "--full") == ""


async def test_what_a_guest_writes_is_its_own(world: GitWorld) -> None:
    first, second = await world.prepare("1"), await world.prepare("2")
    (template,) = templates(world)
    with (first.path / "large.bin").open("r+b") as file:
        file.write(b"changed in place")
    for pack in (first.path / ".git/objects/pack").iterdir():
        pack.chmod(0o644)
        pack.write_bytes(b"")

    assert (second.path / "large.bin").read_bytes() == LARGE
    assert (template / "large.bin").read_bytes() == LARGE
    assert git(second.path, "fsck", "--full") == ""
    assert git(template, "fsck", "--full") == ""


async def test_its_first_import_finds_what_was_committed_and_what_was_not(world: GitWorld) -> None:
    workspace = await world.prepare("1")
    world.commit(workspace, {"one.txt": b"1\n"})
    (workspace.path / "README.md").write_bytes(b"not committed\n")

    imported = await world.collect(workspace)

    assert (imported.commits, imported.saved_uncommitted) == (2, True)
    names = git(world.host, "diff", "--name-only", imported.base_commit, imported.head_commit)
    assert names.split() == ["README.md", "one.txt"]


async def test_a_base_that_has_moved_and_a_new_tag_make_a_new_template_of_the_only_one(
    world: GitWorld,
) -> None:
    await world.prepare("1")
    (old,) = templates(world)
    git(world.source, "commit", "--quiet", "--allow-empty", "-m", "Go on")
    second = await world.prepare("2")
    (newer,) = templates(world)
    git(world.source, "tag", "v2")
    third = await world.prepare("3")
    (newest,) = templates(world)

    assert len({old, newer, newest}) == 3
    assert git(second.path, "log", "-1", "--format=%s") == "Go on"
    assert git(third.path, "tag") == "v2"


async def test_a_template_that_was_cut_off_is_made_again(world: GitWorld) -> None:
    await world.prepare("1")
    (template,) = templates(world)
    template.rename(template.with_name("making"))

    workspace = await world.prepare("2")

    assert (workspace.path / "large.bin").read_bytes() == LARGE
    assert templates(world) == [template]


async def test_work_that_goes_on_from_a_delivery_is_a_clone_of_that(world: GitWorld) -> None:
    workspace = await world.prepare("1")
    delivered = world.commit(workspace, {"one.txt": b"1\n"})
    await world.collect(workspace)
    await world.workspaces.remove(workspace, world.settings, {})

    again = await world.workspaces.prepare(make_issue("1"), world.settings, {}, delivered)

    assert git(again.path, "rev-parse", "HEAD") == delivered


async def test_on_another_disk_each_workspace_is_a_clone(world: GitWorld, tmp_path: Path) -> None:
    elsewhere = Settings.model_validate({"workspace": {"root": str(tmp_path / "elsewhere")}})
    world.settings = elsewhere

    workspace = await world.prepare("1")

    assert (workspace.path / "large.bin").read_bytes() == LARGE
    assert templates(world) == []


async def test_where_files_share_no_blocks_there_is_no_template(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    (tmp_path / "probe").write_bytes(LARGE)
    argv = ["cp", "--reflink=always", tmp_path / "probe", tmp_path / "copy"]
    if subprocess.run(argv, check=False, capture_output=True).returncode == 0:
        pytest.skip("files share blocks here")

    workspace = await world.prepare("1")

    assert git(workspace.path, "status", "--porcelain", "--branch") == "## agent/1"
    assert templates(world) == []
