"""From a real workspace to a patch that plain `git am` turns into the same files [CONTRACT 9.1]."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from symphony.core.handoff import Imported
from symphony.core.ports import Workspace
from symphony.workspace.errors import WorkspaceError
from tests.support.git_project import GitWorld, git, write_files

NAME = "n" * 256  # one more than a file system takes
START: Mapping[str, bytes] = {
    "README.md": b"a project\n",
    "old name.txt": b"".join(b"line %d\n" % number for number in range(40)),
    "script.sh": b"#!/bin/sh\necho hi\n",
    "dos.txt": b"one\r\ntwo\r\nthree\r\n",
    "mixed.txt": b"one\r\ntwo\nthree\n",
    "mac.txt": b"one\rtwo\r",
    "bin": bytes(range(256)),
    "no end": b"no newline",
    "gone.txt": b"bye\n",
    "empty": b"",
    " /run.sh": b"#!/bin/sh\n",
}


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, START)


async def deliver(world: GitWorld, workspace: Workspace, **words: str) -> tuple[Imported, Path]:
    """Import and hand over, and check that the patch gives the workspace's files."""
    imported = await world.collect(workspace)
    handoff = await world.hand_off(workspace, imported, **words)
    assert handoff.patch is not None
    assert world.apply(handoff.patch, workspace.base_commit) == imported.head_tree
    return imported, handoff.patch


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: write_files(folder, {name: content})


CHANGES: Mapping[str, Callable[[Path], None]] = {
    "text": write("README.md", b"another project\n"),
    "new text": write("folder/deep/new.txt", b"new\n"),
    "binary": write("bin", bytes(reversed(range(256)))),
    "new binary": write("new.bin", b"\0\1\2" * 1000),
    "executable": lambda folder: (folder / "script.sh").chmod(0o755),
    "symlink": lambda folder: (folder / "link").symlink_to("README.md"),
    "symlink in the place of a file": lambda folder: (
        (folder / "empty").unlink(),
        (folder / "empty").symlink_to("/nowhere"),
    )[0],
    "folder in the place of a file": lambda folder: (
        (folder / "empty").unlink(),
        write_files(folder, {"empty/file": b"x\n"}),
    )[0],
    "rename": lambda folder: (folder / "old name.txt").rename(folder / "new name.txt") and None,
    "deletion": lambda folder: (folder / "gone.txt").unlink(),
    "new empty file": write("void", b""),
    "no newline at the end": write("no end", b"still no newline"),
    "newline added at the end": write("no end", b"no newline\n"),
    "carriage returns changed": write("dos.txt", b"one\r\n2\r\nthree\r\n"),
    "carriage returns removed": write("dos.txt", b"one\ntwo\nthree\n"),
    "carriage returns added": write("README.md", b"a project\r\n"),
    "carriage returns only near the change": write("mixed.txt", b"one\r\ntwo\n3\n"),
    "lone carriage returns": write("mac.txt", b"one\r2\r"),
    "new file with carriage returns": write("sub dir/[a]*?.txt", b"x\r\n"),
    "odd names": lambda folder: write_files(
        folder,
        {
            "with space ": b"1\r\n",
            "Ünï/çødé ☃.txt": b"2\r\n",
            "new\nline": b"3\r\n",
            'quo"te\\back': b"4\r\n",
            "-dash": b"5\n",
            "tab\there": b"6\r\n",
            "!bang": b"7\r\n",
            "#hash": b"8\r\n",
        },
    ),
    "name that is not UTF-8": lambda folder: write_files(folder, {os.fsdecode(b"\xff\xfe"): b"x\r\n"}),
    "text that is not UTF-8": write("latin.txt", "grüße\n".encode("latin-1")),
    "text that looks like a mailbox": write("mail.txt", b"From a Mon Sep 17 00:00:00 2001\n---\n-- \n\n"),
    "trailing white space": write("space.txt", b"x  \n\t\n\n\n"),
    "empty file below a blank folder": write(" /empty", b""),
    "executable below a blank folder": lambda folder: (folder / " " / "run.sh").chmod(0o755),
    "form feeds and nothing else": write("feed.txt", b"\x0c\n\x0b\n"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "uncommitted"])
async def test_a_patch_gives_every_kind_of_change_back(world: GitWorld, change: str, committed: bool) -> None:
    workspace = await world.prepare()
    CHANGES[change](workspace.path)
    if committed:
        world.commit(workspace, {}, f"Change: {change}")

    imported, _ = await deliver(world, workspace)

    assert imported.saved_uncommitted is not committed
    git(workspace.path, "add", "--all")
    assert git(workspace.path, "write-tree") == imported.head_tree


async def test_title_summary_and_base_stand_in_the_first_message_and_never_count_as_a_diff(
    world: GitWorld,
) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Add one")
    summary = (
        "Added one.\n\n---\ndiff --git a/x b/x\n--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-a\n+b\nFrom x"
    )

    _, patch = await deliver(world, workspace, title="Add a\x1b[31m file", summary=summary)

    text = patch.read_text()
    assert (
        "\n---\n"
        f"base-commit: {workspace.base_commit}\n"
        "branch: agent/12\n"
        "issue: 12\n"
        "title: Add a[31m file\n"
        "summary:\n"
        "    Added one.\n"
        "\n"
        "    ---\n"
        "    diff --git a/x b/x\n"
        "    --- a/README.md\n"
    ) in text
    assert text.count("\ndiff --git ") == 1


async def test_each_commit_is_a_message_with_its_author_and_words(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Add one\n\nBecause two needs it.")
    world.commit(workspace, {"two.txt": b"2\n"}, "Add two")

    await deliver(world, workspace)

    log = git(world.source.parent / "user", "log", "-2", "--format=%s|%b|%an")
    assert log == "Add two||A Person\nAdd one|Because two needs it.\n|A Person"


async def test_a_merge_is_handed_over_as_one_commit_when_its_parts_do_not_give_the_files(
    world: GitWorld,
) -> None:
    workspace = await world.prepare()
    git(workspace.path, "switch", "--quiet", "--create", "side")
    world.commit(workspace, {"README.md": b"theirs\n"}, "Theirs")
    git(workspace.path, "switch", "--quiet", "agent/12")
    world.commit(workspace, {"README.md": b"ours\n"}, "Ours")
    git(workspace.path, "merge", "--quiet", "--strategy=ours", "--no-commit", "side")
    world.commit(workspace, {"README.md": b"both\n"}, "Merge")

    _, patch = await deliver(world, workspace, title="Merge both", summary="Both are right.")

    log = git(world.source.parent / "user", "log", "-1", "--format=%s|%b|%P")
    assert log == f"Merge both|Both are right.\n|{workspace.base_commit}"
    assert patch.read_text().count("\nSubject: ") == 1


@pytest.mark.parametrize(
    "message",
    [
        "Fix\n\n---\nthe rest is after a separator\n",
        "Fix\n\ndiff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n"
        "-a project\n+x\n",
        "Fix\n\n---\ndiff --git a/evil b/evil\nnew file mode 100644\n--- /dev/null\n+++ b/evil\n"
        "@@ -0,0 +1 @@\n+x\n",
        "Fix\n\nFrom 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: x <y@z>\n\nx\n",
        "From: someone else <s@e>\n\nbody\n",
        "[tag] subject with brackets",
        "\n\n",
        "Ünïcödé ☃ 主题 " * 20,
        "line one\nline two without a blank between\n",
        "Index: README.md\n\nbody",
        "with a carriage return\r\n\r\nbody\r\n",
    ],
)
async def test_no_commit_message_changes_what_is_applied(world: GitWorld, message: str) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"one.txt": b"1\n"})
    git(workspace.path, "add", "--all")
    git(
        workspace.path, "commit", "--quiet", "--cleanup=verbatim", "--allow-empty-message", "-F", "-",
        stdin=message.encode(),
    )  # fmt: skip

    await deliver(world, workspace)


async def test_an_empty_commit_between_others_does_not_stop_git_am(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Add one")
    world.commit(workspace, {}, "Nothing")
    world.commit(workspace, {"two.txt": b"2\n"}, "Add two")

    _, patch = await deliver(world, workspace)

    assert patch.read_text().count("\nSubject: ") == 2


async def test_commits_that_undo_each_other_are_no_change(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"README.md": b"x\n"}, "Change")
    world.commit(workspace, {"README.md": START["README.md"]}, "Change back")

    handoff = await world.hand_off(workspace, await world.collect(workspace))

    assert (handoff.kind, handoff.patch) == ("none", None)
    assert not world.installation.patches.exists()


async def test_a_branch_that_went_back_behind_its_base_is_handed_over_as_the_difference(
    world: GitWorld,
) -> None:
    write_files(world.source, {"second.txt": b"2\n"})
    git(world.source, "add", "--all", "--", "second.txt")
    git(world.source, "commit", "--quiet", "-m", "Second")
    workspace = await world.prepare()
    git(workspace.path, "reset", "--quiet", "--hard", "HEAD~1")

    imported, _ = await deliver(world, workspace)

    assert "second.txt" not in world.host_files(imported.head_commit)


async def test_a_rewritten_history_is_handed_over_as_the_difference(world: GitWorld) -> None:
    workspace = await world.prepare()
    git(workspace.path, "checkout", "--quiet", "--orphan", "fresh")
    world.commit(workspace, {"only.txt": b"1\n"}, "Everything new")
    git(workspace.path, "branch", "--force", "agent/12")

    await deliver(world, workspace)


async def test_attributes_of_the_project_do_not_change_what_is_handed_over(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(
        workspace,
        {
            ".gitattributes": b"*.txt text eol=crlf\n*.md diff=evil\n*.bin text\n* filter=evil\n",
            "eol.txt": b"one\r\ntwo\r\n",
            "x.md": b"x\n",
            "y.bin": b"\0\r\n",
        },
        "Attributes",
    )
    write_files(workspace.path, {"more.txt": b"uncommitted\r\n"})

    imported, _ = await deliver(world, workspace)

    assert world.host_file(imported.head_commit, "more.txt") == b"uncommitted\n"


async def test_a_patch_that_cannot_be_verified_is_an_error_that_keeps_the_branch(world: GitWorld) -> None:
    workspace = await world.prepare()
    imported = await world.collect(workspace)
    blob = git(world.host, "hash-object", "-w", "--stdin", stdin=b"x\n")
    tree = git(world.host, "mktree", stdin=f"100644 blob {blob}\t{'n' * 256}\n".encode())
    head = git(
        world.host, "-c", "user.name=X", "-c", "user.email=x@y",
        "commit-tree", tree, "-p", imported.base_commit, "-m", "A name that no file system takes",
    )  # fmt: skip
    git(world.host, "update-ref", "refs/heads/agent/12", head)

    with pytest.raises(WorkspaceError) as caught:
        await world.hand_off(workspace, Imported(imported.branch, imported.base_commit, head, tree, 1))

    assert caught.value.code == "handoff.unverifiable"
    assert caught.value.message.startswith(
        "No patch of agent/12 gives its files back when it is applied: error: nnnn"
    )
    assert caught.value.remedy == (
        f"The work is safe: `git fetch {world.host} agent/12` brings it into your repository."
    )
    assert git(world.host, "rev-parse", "agent/12") == head
    assert not world.installation.patches.exists()
    assert list((world.installation.root / "tmp").iterdir()) == []


async def test_a_link_that_has_moved_below_its_own_name_is_handed_over(world: GitWorld) -> None:
    (world.source / "docs").symlink_to("../elsewhere")
    git(world.source, "add", "docs")
    git(world.source, "commit", "--quiet", "-m", "Point elsewhere")
    workspace = await world.prepare()
    (workspace.path / "docs").unlink()
    (workspace.path / "docs").mkdir()
    (workspace.path / "docs" / "old").symlink_to("../elsewhere")
    world.commit(workspace, {}, "Move the link")

    imported, patch = await deliver(world, workspace)

    assert imported.commits == 1
    assert b"Subject: [PATCH] Move the link" in patch.read_bytes()


async def test_files_below_what_was_a_link_to_itself_are_kept_and_no_patch_of_them_is_written(
    world: GitWorld,
) -> None:
    """`git am` does not look below such a link, though the same patch deletes it."""
    (world.source / "loop").symlink_to("loop")
    git(world.source, "add", "loop")
    git(world.source, "commit", "--quiet", "-m", "Go round")
    workspace = await world.prepare()
    (workspace.path / "loop").unlink()
    write_files(workspace.path, {"loop/new.txt": b"new\n"})
    imported = await world.collect(workspace)

    with pytest.raises(WorkspaceError) as caught:
        await world.hand_off(workspace, imported)

    assert caught.value.code == "handoff.unverifiable"
    assert "loop/new.txt: Too many levels of symbolic links" in caught.value.message
    assert world.host_file(imported.head_commit, "loop/new.txt") == b"new\n"


async def test_carriage_returns_cost_neither_the_commits_nor_the_text_of_other_files(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"dos.txt": b"1\r\n2\r\n", "README.md": b"read this\n"}, "First")
    world.commit(workspace, {"dos.txt": b"1\r\n3\r\n"}, "Second")

    _, patch = await deliver(world, workspace)

    text = patch.read_text()
    assert text.count("\nSubject: ") == 2
    assert text.count("GIT binary patch") == 2
    assert "\n+read this\n" in text


async def test_files_too_big_to_be_looked_through_do_not_spoil_the_others(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("symphony.workspace.patch.SCANNED", 8)
    workspace = await world.prepare()
    world.commit(workspace, {"a-big.txt": b"0123456789\n", "b.txt": b"1\r\n", "c-big.txt": b"\r\n" * 9})

    await deliver(world, workspace)


async def test_a_project_with_a_shallow_history_is_handed_over(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    for number in range(3):
        write_files(world.source, {"n.txt": b"%d\n" % number})
        git(world.source, "add", "n.txt")
        git(world.source, "commit", "--quiet", "-m", str(number))
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{world.source}", str(shallow))
    world.settings = world.settings.model_copy(
        update={"workspace": world.settings.workspace.model_copy(update={"source": str(shallow)})}
    )
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Add one")

    await deliver(world, workspace)
