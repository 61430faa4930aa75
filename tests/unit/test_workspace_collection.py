"""What is imported when an agent did not simply stay on its branch."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from symphony.core.ports import RunResult
from symphony.workspace.errors import WorkspaceError
from tests.support.git_project import GitWorld, PlainSandbox, git, write_files


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(
        tmp_path, {"README.md": b"a project\n", ".gitignore": b"*.log\nbuild/\n", "kept.log": b"k\n"}
    )


def kept(world: GitWorld) -> list[str]:
    return git(world.host, "for-each-ref", "--format=%(objectname)", "refs/symphony/kept/12").split()


async def test_a_commit_on_a_detached_head_is_delivered(world: GitWorld) -> None:
    workspace = await world.prepare()
    git(workspace.path, "switch", "--quiet", "--detach")
    commit = world.commit(workspace, {"one.txt": b"1\n"})

    imported = await world.collect(workspace)

    assert (imported.head_commit, imported.commits, imported.saved_uncommitted) == (commit, 1, False)
    assert git(world.host, "rev-parse", "agent/12") == commit


async def test_a_branch_of_the_agents_own_is_delivered(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    git(workspace.path, "switch", "--quiet", "--create", "my/feature")
    commit = world.commit(workspace, {"two.txt": b"2\n"})

    imported = await world.collect(workspace)

    assert (imported.head_commit, imported.commits) == (commit, 2)


async def test_a_renamed_branch_is_delivered(world: GitWorld) -> None:
    workspace = await world.prepare()
    commit = world.commit(workspace, {"one.txt": b"1\n"})
    git(workspace.path, "branch", "--move", "better-name")

    assert (await world.collect(workspace)).head_commit == commit


async def test_looking_at_an_older_commit_takes_nothing_back(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    commit = world.commit(workspace, {"two.txt": b"2\n"})
    git(workspace.path, "checkout", "--quiet", "--detach", workspace.base_commit)

    imported = await world.collect(workspace)

    assert (imported.head_commit, imported.commits, imported.saved_uncommitted) == (commit, 2, False)


async def test_changes_on_top_of_an_older_commit_are_kept_aside(world: GitWorld) -> None:
    workspace = await world.prepare()
    commit = world.commit(workspace, {"one.txt": b"1\n"})
    git(workspace.path, "checkout", "--quiet", "--detach", workspace.base_commit)
    write_files(workspace.path, {"aside.txt": b"aside\n"})

    imported = await world.collect(workspace)

    assert (imported.head_commit, imported.saved_uncommitted) == (commit, False)
    assert [world.host_files(other) for other in kept(world)] == [
        [".gitignore", "README.md", "aside.txt", "kept.log"]
    ]


async def test_of_two_lines_of_work_the_one_checked_out_is_delivered_and_the_other_kept(
    world: GitWorld,
) -> None:
    workspace = await world.prepare()
    other = world.commit(workspace, {"one.txt": b"1\n"})
    git(workspace.path, "checkout", "--quiet", "--detach", workspace.base_commit)
    commit = world.commit(workspace, {"two.txt": b"2\n"})

    imported = await world.collect(workspace)

    assert imported.head_commit == commit
    assert kept(world) == [other]


async def test_stashes_and_other_branches_are_kept(world: GitWorld) -> None:
    workspace = await world.prepare()
    git(workspace.path, "switch", "--quiet", "--create", "idea")
    idea = world.commit(workspace, {"idea.txt": b"idea\n"})
    git(workspace.path, "switch", "--quiet", "agent/12")
    write_files(workspace.path, {"README.md": b"stashed\n"})
    git(workspace.path, "stash", "--quiet")
    stash = git(workspace.path, "rev-parse", "refs/stash")
    world.commit(workspace, {"one.txt": b"1\n"})

    await world.collect(workspace)

    assert sorted(kept(world)) == sorted([idea, stash])


async def test_what_a_later_import_replaces_is_kept(world: GitWorld) -> None:
    workspace = await world.prepare()
    first = world.commit(workspace, {"one.txt": b"1\n"})
    await world.collect(workspace)
    git(workspace.path, "commit", "--quiet", "--amend", "-m", "Better words")

    imported = await world.collect(workspace)

    assert imported.head_commit != first
    assert kept(world) == [first]


@pytest.mark.parametrize("breakage", ["deleted", "emptied", "a file", "broken head"])
async def test_without_a_repository_the_files_are_still_saved(world: GitWorld, breakage: str) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    write_files(workspace.path, {"two.txt": b"2\n"})
    folder = workspace.path / ".git"
    if breakage == "broken head":
        (folder / "HEAD").write_text("nonsense\n")
    else:
        shutil.rmtree(folder)
    if breakage == "emptied":
        folder.mkdir()
    if breakage == "a file":
        folder.write_text("nonsense\n")

    imported = await world.collect(workspace)

    assert (imported.commits, imported.saved_uncommitted) == (1, True)
    assert world.host_files(imported.head_commit) == [
        ".gitignore", "README.md", "kept.log", "one.txt", "two.txt"
    ]  # fmt: skip
    message = git(world.host, "log", "-1", "--format=%B", imported.head_commit)
    assert message.startswith(
        "Save uncommitted work\n\n"
        "symphony found these changes in the workspace of issue 12;\nthe agent had not committed them.\n\n"
        "The agent's own commits could not be read, so that their changes are in this\n"
        "commit as well: fatal: "
    )


async def test_a_repository_that_was_made_anew_is_imported(world: GitWorld) -> None:
    workspace = await world.prepare()
    shutil.rmtree(workspace.path / ".git")
    git(workspace.path, "init", "--quiet", "--initial-branch=main")
    git(workspace.path, "config", "user.name", "X")
    git(workspace.path, "config", "user.email", "x@y")
    commit = world.commit(workspace, {"one.txt": b"1\n"})

    imported = await world.collect(workspace)

    assert imported.head_commit != workspace.base_commit
    assert "one.txt" in world.host_files(imported.head_commit)
    assert commit in git(world.host, "rev-list", "--all")


async def test_a_sandbox_without_git_saves_the_files(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})

    class WithoutGit(PlainSandbox):
        async def run(self, argv: Sequence[str], **_options: object) -> RunResult:
            return RunResult(127, b"", b"git: not found")

    imported = await world.workspaces.collect(workspace, WithoutGit(workspace.path))

    assert imported.saved_uncommitted
    assert world.host_file(imported.head_commit, "one.txt") == b"1\n"


async def test_ignored_files_stay_out_and_tracked_ones_in_whatever_is_ignored(world: GitWorld) -> None:
    workspace = await world.prepare()
    write_files(
        workspace.path,
        {
            "debug.log": b"noise\n",
            "build/out.o": b"\0",
            "kept.log": b"changed\n",
            "new.txt": b"new\n",
            ".claude/settings.local.json": b"{}\n",
            ".claude/notes.md": b"notes\n",
        },
    )

    imported = await world.collect(workspace)

    assert world.host_files(imported.head_commit) == [
        ".claude/notes.md", ".gitignore", "README.md", "kept.log", "new.txt"
    ]  # fmt: skip
    assert world.host_file(imported.head_commit, "kept.log") == b"changed\n"


async def test_the_guest_cannot_hide_files_with_its_own_index(world: GitWorld) -> None:
    workspace = await world.prepare()
    git(workspace.path, "update-index", "--assume-unchanged", "README.md")
    git(workspace.path, "update-index", "--skip-worktree", ".gitignore")
    write_files(workspace.path, {"README.md": b"changed\n", ".git/info/exclude": b"*\n", "new.txt": b"new\n"})

    imported = await world.collect(workspace)

    assert world.host_file(imported.head_commit, "README.md") == b"changed\n"
    assert world.host_file(imported.head_commit, "new.txt") == b"new\n"


async def test_a_large_file_is_saved_whole(world: GitWorld) -> None:
    content = bytes(range(256)) * 40_000  # 10 MB: more than is read at once
    workspace = await world.prepare()
    write_files(workspace.path, {"large.bin": content})
    first = await world.collect(workspace)
    assert world.host_file(first.head_commit, "large.bin") == content

    world.commit(workspace, {})
    second = await world.collect(workspace)

    assert (second.head_tree, second.saved_uncommitted) == (first.head_tree, False)


async def test_nothing_is_left_in_the_workspace_or_in_the_hosts_scratch_folder(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    before = sorted(path.name for path in workspace.path.iterdir())

    await world.collect(workspace)

    assert sorted(path.name for path in workspace.path.iterdir()) == before
    assert list((world.installation.root / "tmp").iterdir()) == []


async def test_a_workspace_with_too_much_in_it_says_so(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"one.txt": b"12345", "two.txt": b"67890"})
    monkeypatch.setattr("symphony.workspace.walk.CHANGED_BYTES_LIMIT", 8)

    with pytest.raises(WorkspaceError) as caught:
        await world.collect(workspace)

    assert caught.value.code == "workspace.too_large"
    assert caught.value.remedy == "Add what is built or downloaded to .gitignore."


async def test_a_workspace_with_a_repository_inside_is_kept_and_a_person_is_told(world: GitWorld) -> None:
    workspace = await world.prepare()
    inner = workspace.path / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    write_files(inner, {"lib.txt": b"lib\n"})
    git(inner, "add", "lib.txt")
    git(inner, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "Lib")

    imported = await world.collect(workspace)

    assert imported.keep_workspace
    assert imported.notes == (
        f"The workspace {workspace.path} is kept: what was committed in the repositories inside it (inner) "
        "is not in the handoff.",
    )


async def test_a_workspace_without_one_need_not_be_kept(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    assert not (await world.collect(workspace)).keep_workspace


@pytest.mark.parametrize("seconds", [5, 4_102_444_800])
async def test_work_on_top_of_a_commit_of_another_age_is_saved(world: GitWorld, seconds: int) -> None:
    workspace = await world.prepare()
    tree = git(workspace.path, "rev-parse", "HEAD^{tree}")
    people = f"author A <a@b> 5 +0000\ncommitter A <a@b> {seconds} +0000"
    raw = f"tree {tree}\nparent {workspace.base_commit}\n{people}\n\nOdd\n"
    odd = git(workspace.path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode())
    git(workspace.path, "reset", "--quiet", "--hard", odd)
    write_files(workspace.path, {"new.txt": b"new\n"})

    imported = await world.collect(workspace)

    assert imported.saved_uncommitted
    assert git(world.host, "show", "--no-patch", "--format=%ct", imported.head_commit) == str(seconds)
