"""Files that look as they did are not read again, and every change shows."""

import os
from pathlib import Path

import pytest

from symphony.core.ports import Workspace
from symphony.workspace.seen_files import SeenFiles, looks_of
from symphony.workspace.tree import PLAIN, TreeEntry
from symphony.workspace.walk import SETTLED_NS, Walk
from tests.support.git_project import GitWorld, git

OTHER = TreeEntry(PLAIN, b"1" * 40)  # no file here holds it, so that a reader would notice
HOUR_NS = 3600 * 10**9


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, {"README.md": b"a project\n", "folder/one.txt": b"1\n", "two.txt": b"2\n"})


def seen_of(world: GitWorld) -> SeenFiles:
    return SeenFiles(world.installation.root / "seen-files" / "12")


def see_all(world: GitWorld, workspace: Workspace) -> None:
    """Let the host have seen every file as it is now, however new."""
    names = git(workspace.path, "ls-files", "--stage").splitlines()
    entries = {line.split("\t")[1]: TreeEntry(*line.encode().split()[:2]) for line in names}
    seen_of(world).store(
        {name.encode(): looks_of((workspace.path / name).stat(), entry) for name, entry in entries.items()}
    )


def test_a_file_that_looks_the_same_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_bytes(b"1\n")
    looks = looks_of((tmp_path / "one.txt").stat(), OTHER)

    found = Walk(tmp_path, {b"one.txt": OTHER}, tmp_path / "copies", seen={b"one.txt": looks}).run(
        [b"one.txt"]
    )

    assert (found.same, found.copied, found.looks) == ({b"one.txt"}, [], {b"one.txt": looks})


def test_what_was_seen_of_another_content_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_bytes(b"1\n")
    looks = looks_of((tmp_path / "one.txt").stat(), TreeEntry(PLAIN, b"2" * 40))

    found = Walk(tmp_path, {b"one.txt": OTHER}, tmp_path / "copies", seen={b"one.txt": looks}).run(
        [b"one.txt"]
    )

    assert (found.same, found.copied) == (set(), [b"one.txt"])


def test_a_link_in_the_place_of_a_file_that_was_seen_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"1\n")
    looks = looks_of((tmp_path / "outside").stat(), OTHER)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/one.txt").symlink_to("../outside")

    found = Walk(tmp_path / "folder", {b"one.txt": OTHER}, tmp_path / "copies", seen={b"one.txt": looks}).run(
        [b"one.txt"]
    )

    assert (found.same, found.copied) == (set(), [b"one.txt"])
    assert (tmp_path / "copies/one.txt").is_symlink()


async def test_a_change_that_keeps_size_and_time_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    see_all(world, workspace)
    file = workspace.path / "folder/one.txt"
    before = file.stat()
    file.write_bytes(b"9\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    imported = await world.collect(workspace)

    assert imported.saved_uncommitted
    assert git(world.host, "show", f"{imported.head_commit}:folder/one.txt") == "9"


async def test_an_exchanged_file_of_the_same_size_and_time_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    see_all(world, workspace)
    file = workspace.path / "two.txt"
    before = file.stat()
    (workspace.path / "new").write_bytes(b"9\n")
    os.utime(workspace.path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (workspace.path / "new").replace(file)

    imported = await world.collect(workspace)

    assert git(world.host, "show", f"{imported.head_commit}:two.txt") == "9"


async def test_a_file_that_became_executable_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    see_all(world, workspace)
    (workspace.path / "two.txt").chmod(0o755)

    imported = await world.collect(workspace)

    assert git(world.host, "ls-tree", imported.head_commit, "two.txt").startswith("100755")


async def test_deleted_files_and_a_folder_in_the_place_of_a_file_are_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    see_all(world, workspace)
    (workspace.path / "folder/one.txt").unlink()
    (workspace.path / "two.txt").unlink()
    (workspace.path / "two.txt").mkdir()
    (workspace.path / "two.txt/inner.txt").write_bytes(b"inner\n")

    imported = await world.collect(workspace)

    names = git(world.host, "ls-tree", "-r", "--name-only", imported.head_commit).split()
    assert names == ["README.md", "two.txt/inner.txt"]


async def test_a_file_in_the_place_of_a_folder_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    see_all(world, workspace)
    (workspace.path / "folder/one.txt").unlink()
    (workspace.path / "folder").rmdir()
    (workspace.path / "folder").write_bytes(b"a file\n")

    imported = await world.collect(workspace)

    names = git(world.host, "ls-tree", "-r", "--name-only", imported.head_commit).split()
    assert names == ["README.md", "folder", "two.txt"]


def test_of_a_new_clone_what_is_older_than_two_steps_of_the_clock_counts_as_seen(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "one.txt").write_bytes(b"1\n")
    changed = (tmp_path / "one.txt").stat().st_ctime_ns
    (tmp_path / ".git/index").touch()
    seen = SeenFiles(tmp_path / "seen")

    os.utime(tmp_path / ".git/index", ns=(changed, changed + 1))
    seen.note_clone(tmp_path, {b"one.txt": OTHER})
    at_once = seen.load()
    os.utime(tmp_path / ".git/index", ns=(changed, changed + HOUR_NS))
    seen.note_clone(tmp_path, {b"one.txt": OTHER, b"gone.txt": OTHER})

    assert at_once == {}
    assert seen.load() == {b"one.txt": looks_of((tmp_path / "one.txt").stat(), OTHER)}


def test_a_file_that_was_read_soon_after_its_change_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_bytes(b"1\n")
    entry = TreeEntry(PLAIN, b"d00491fd7e5bb6fa28c517a0bb32b8b506539d4d")

    found = Walk(tmp_path, {b"one.txt": entry}, tmp_path / "copies").run([b"one.txt"])

    assert (found.same, found.looks) == ({b"one.txt"}, {})
    assert SETTLED_NS > 35 * 10**9  # Linux writes a mapped page after 30 s and looks every 5 s


async def test_line_endings_of_a_new_clone_are_no_change(tmp_path: Path) -> None:
    world = GitWorld(tmp_path, {".gitattributes": b"*.txt text eol=crlf\n", "one.txt": b"1\n2\n"})
    workspace = await world.prepare()
    see_all(world, workspace)
    assert (workspace.path / "one.txt").read_bytes() == b"1\r\n2\r\n"

    imported = await world.collect(workspace)

    assert (imported.saved_uncommitted, imported.head_commit) == (False, workspace.base_commit)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"symphony seen files 1 3 4\n", b"\xff" * 1000])
async def test_with_a_damaged_list_every_file_is_read(world: GitWorld, damage: bytes) -> None:
    workspace = await world.prepare()
    see_all(world, workspace)
    list_ = world.installation.root / "seen-files" / "12"
    list_.write_bytes(damage)
    (workspace.path / "two.txt").write_bytes(b"9\n")

    imported = await world.collect(workspace)

    assert git(world.host, "show", f"{imported.head_commit}:two.txt") == "9"


def test_what_is_stored_is_loaded_and_nothing_is_an_empty_list(tmp_path: Path) -> None:
    seen = SeenFiles(tmp_path / "folder" / "seen")
    looks = {b"a": b"12345", b"b/\xff c\n": b"67890"}

    assert seen.load() == {}
    seen.store(looks)
    assert seen.load() == looks
    seen.store({})
    assert seen.load() == {}


async def test_the_list_goes_with_its_workspace(world: GitWorld) -> None:
    workspace = await world.prepare()
    see_all(world, workspace)
    list_ = world.installation.root / "seen-files" / "12"
    assert list_.exists()

    await world.workspaces.remove(workspace, world.settings, {})

    assert not list_.exists()
