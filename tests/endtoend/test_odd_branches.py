"""Branches of an odd kind are handed over whole, or refused with their work kept.

What leaves is made as the daemon makes it: imported, stamped, written, and applied with `git am`.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.handoff import Handoff, Imported
from symphony.core.ports import Workspace
from symphony.core.provenance import Origin, Provenance
from symphony.workspace.errors import WorkspaceError
from tests.support.git_project import GitWorld, git, make_completion, write_files

PROVENANCE = Provenance("12", (Origin(1, "claude", "opus", datetime(2025, 12, 31, tzinfo=UTC)),))
BIG = 200 << 20  # bytes
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path)


async def leave(world: GitWorld, workspace: Workspace) -> tuple[Imported, Handoff]:
    """Import, stamp and hand over."""
    imported = await world.collect(workspace)
    leaving = await world.workspaces.stamp(imported, PROVENANCE, world.settings)
    assert leaving.head_tree == imported.head_tree
    handoff = await world.workspaces.hand_off(workspace, leaving, make_completion(), world.settings)
    return leaving, handoff


async def leave_whole(world: GitWorld, workspace: Workspace) -> str:
    """Hand over, check that `git am` gives the same tree, and return the patch."""
    leaving, handoff = await leave(world, workspace)
    assert handoff.patch is not None
    assert world.apply(handoff.patch, workspace.base_commit) == leaving.head_tree
    return handoff.patch.read_text("utf-8", "replace")


def add_link(workspace: Workspace, commit: str) -> None:
    """Point the submodule `lib` at a commit, as an agent without a network can."""
    git(workspace.path, "update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    (workspace.path / "lib").mkdir(exist_ok=True)


async def test_a_submodule_that_was_added_or_moved_is_handed_over_as_its_commit(world):
    workspace = await world.prepare()
    module = b'[submodule "lib"]\n\tpath = lib\n\turl = https://example.org/lib.git\n'
    write_files(workspace.path, {".gitmodules": module})
    git(workspace.path, "add", ".gitmodules")
    for number in "ab":
        add_link(workspace, number * 40)
        git(workspace.path, "commit", "--quiet", "-m", f"Take {number} of the library")

    patch = await leave_whole(world, workspace)

    assert f"+Subproject commit {'b' * 40}" in patch
    assert patch.count("\nSubject: ") == 2


async def test_a_submodule_of_the_project_stays_what_it_is_when_other_files_change(world):
    write_files(world.source, {".gitmodules": b'[submodule "lib"]\n\tpath = lib\n\turl = ../lib\n'})
    git(world.source, "add", ".gitmodules")
    git(world.source, "update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},lib")
    git(world.source, "commit", "--quiet", "-m", "Use a library")
    workspace = await world.prepare()
    write_files(workspace.path, {"README.md": b"changed\n"})

    patch = await leave_whole(world, workspace)

    assert "Subproject" not in patch


async def test_pointers_of_large_file_storage_travel_as_they_are(world):
    workspace = await world.prepare()
    files = {".gitattributes": b"*.psd filter=lfs diff=lfs merge=lfs -text\n", "art.psd": POINTER}
    write_files(workspace.path, files)
    git(workspace.path, "add", "--all")
    git(workspace.path, "commit", "--quiet", "-m", "Add art")

    patch = await leave_whole(world, workspace)

    assert "+oid sha256:4d7a2146" in patch


async def test_a_branch_that_takes_the_attributes_away_gives_the_same_files(world):
    write_files(
        world.source, {".gitattributes": b"*.txt text eol=crlf\n*.bin binary\n", "a.txt": b"1\r\n2\r\n"}
    )
    git(world.source, "add", "--all", "--", ".gitattributes", "a.txt")
    git(world.source, "commit", "--quiet", "-m", "Attributes")
    workspace = await world.prepare()
    (workspace.path / ".gitattributes").unlink()
    write_files(workspace.path, {"a.txt": b"1\r\n3\r\n", "b.bin": b"\0\r\n", "c.txt": b"x\r\n"})

    await leave_whole(world, workspace)


async def test_a_rename_is_shown_as_one(world):
    write_files(world.source, {"before.txt": b"".join(b"line %d\n" % number for number in range(30))})
    git(world.source, "add", "before.txt")
    git(world.source, "commit", "--quiet", "-m", "Add a file")
    workspace = await world.prepare()
    git(workspace.path, "mv", "before.txt", "after.txt")
    git(workspace.path, "commit", "--quiet", "-m", "Rename it")

    assert "rename from before.txt\nrename to after.txt\n" in await leave_whole(world, workspace)


@pytest.mark.parametrize(
    "lines",
    [
        "author  <> 5 +0000\ncommitter  <> 5 +0000",
        "author A <a@b> 0 +9999\ncommitter A <a@b> 0 -9999",
        "author A <a@b> 9223372036854775 +0000\ncommitter A <a@b> 4102444800 +0000",
        "author A\tB \xff <a b@c> 5 +0000\ncommitter .,; <.> 5 +0000",
    ],
)
async def test_odd_authors_and_dates_are_handed_over(world, lines):
    workspace = await world.prepare()
    commit(world, workspace, lines)

    await leave_whole(world, workspace)


@pytest.mark.parametrize(
    "lines",
    [
        "author A <a@b>\ncommitter A <a@b> 5 +0000",
        "author A <a@b> 5 +0000\nauthor B <b@b> 5 +0000\ncommitter A <a@b> 5 +0000",
        "author A <a<b@c>> 5 +0000\ncommitter A <a@b> 5 +0000",
        "author A <a@b> 99999999999999999999999 +0000\ncommitter A <a@b> 5 +0000",
        "author A <a@b> 05 +0000\ncommitter A <a@b> 5 +0000",
    ],
)
async def test_commits_that_git_itself_calls_broken_are_refused_and_their_files_kept(world, lines):
    workspace = await world.prepare()
    commit(world, workspace, lines)

    with pytest.raises(WorkspaceError) as caught:
        await world.collect(workspace)

    assert caught.value.code == "workspace.import_failed"
    assert world.host_file("refs/symphony/rescue/12", "new.txt") == b"new\n"


def commit(world: GitWorld, workspace: Workspace, lines: str) -> None:
    """Make a commit with these lines for its author and its committer, whatever git thinks of them."""
    write_files(workspace.path, {"new.txt": b"new\n"})
    git(workspace.path, "add", "--all")
    tree = git(workspace.path, "write-tree")
    raw = f"tree {tree}\nparent {workspace.base_commit}\n{lines}\n\nNew\n".encode("latin-1")
    made = git(workspace.path, "hash-object", "--literally", "-t", "commit", "-w", "--stdin", stdin=raw)
    git(workspace.path, "update-ref", f"refs/heads/{workspace.branch}", made)


@pytest.mark.timeout(600)
async def test_a_file_of_two_hundred_megabytes_is_handed_over(world):
    workspace = await world.prepare()
    with (workspace.path / "big.bin").open("wb") as file:
        for number in range(BIG >> 20):
            file.write(number.to_bytes(4, "big") + bytes((1 << 20) - 4))
    git(workspace.path, "add", "--all")
    git(workspace.path, "commit", "--quiet", "-m", "Add something big")

    leaving, handoff = await leave(world, workspace)

    assert handoff.patch is not None
    assert world.apply(handoff.patch, workspace.base_commit) == leaving.head_tree


async def test_a_branch_without_a_commit_of_its_own_hands_nothing_over(world):
    workspace = await world.prepare()

    _, handoff = await leave(world, workspace)

    assert (handoff.kind, handoff.note) == (
        "none",
        "Nothing to hand over: the files are as they were at the start.",
    )


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("moved", "Merges cleanly into main ({now})."),
        ("deleted", "Set workspace.base to one of its branches: 'other'."),
        ("rewritten", "not known: fatal: refusing to merge unrelated histories"),
    ],
)
async def test_a_base_that_moved_or_vanished_leaves_the_patch_whole_and_is_said(world, loss, said):
    workspace = await world.prepare()
    write_files(workspace.path, {"new.txt": b"new\n"})
    world.settings = world.settings.model_copy(
        update={"workspace": world.settings.workspace.model_copy(update={"base": "main"})}
    )
    match loss:
        case "moved":
            git(world.source, "commit", "--quiet", "--allow-empty", "-m", "Go on")
        case "deleted":
            git(world.source, "switch", "--quiet", "--create", "other")
            git(world.source, "branch", "--quiet", "-D", "main")
        case "rewritten":
            git(world.source, "commit", "--quiet", "--amend", "-m", "Start anew")

    leaving, handoff = await leave(world, workspace)

    assert world.apply(handoff.patch, workspace.base_commit) == leaving.head_tree
    now = git(world.source, "rev-parse", "HEAD")
    assert handoff.note.endswith(said.format(now=now[:12])), handoff.note
