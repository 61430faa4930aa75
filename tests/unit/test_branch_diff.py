"""What a branch changes is read with real git, from the host's repository, and bounded."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.branch import LINE_LIMIT, FileDiff, LineKind, parse_diff, unquoted
from symphony.workspace import branch_diff
from tests.support.git_project import GitWorld, git

FILES = {
    "README.md": b"a project\n",
    "old.txt": b"one\ntwo\nthree\nfour\nfive\nsix\n",
    "gone.txt": b"gone\n",
    "run.sh": b"#!/bin/sh\n",
    "picture.bin": bytes(range(256)),
}


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, FILES)


def lines(file: FileDiff) -> list[tuple[str, str]]:
    return [(line.kind.value, line.text) for line in file.lines if line.kind is not LineKind.PLACE]


async def test_a_branch_is_shown_file_by_file(world: GitWorld) -> None:
    workspace = await world.prepare()
    git(workspace.path, "mv", "old.txt", "new name.txt")
    git(workspace.path, "rm", "--quiet", "gone.txt")
    (workspace.path / "run.sh").chmod(0o755)
    (workspace.path / "link").symlink_to("README.md")
    head = world.commit(
        workspace,
        {"README.md": b"a project\nwith a line\n", "picture.bin": b"\0\1", "caf\u00e9/a\tb.txt": b"x"},
    )
    await world.collect(workspace)

    diff = await world.workspaces.branch_diff("12", None)

    assert diff is not None
    assert (diff.branch, diff.base_commit, diff.head_commit) == ("agent/12", workspace.base_commit, head)
    assert (diff.commits, diff.changed, diff.complete) == (1, 7, True)
    by_path = {file.path: file for file in diff.files}
    assert {path: file.note for path, file in by_path.items()} == {
        "README.md": "",
        "caf\u00e9/a b.txt": "new file",
        "gone.txt": "deleted",
        "link": "new symbolic link",
        "new name.txt": "renamed from old.txt",
        "picture.bin": "binary",
        "run.sh": "mode 100644 to 100755",
    }
    assert lines(by_path["README.md"]) == [("same", "a project"), ("added", "with a line")]
    assert (by_path["README.md"].added, by_path["README.md"].removed) == (1, 0)
    assert lines(by_path["gone.txt"]) == [("removed", "gone")]
    assert lines(by_path["caf\u00e9/a b.txt"]) == [("added", "x")]


async def test_a_branch_stays_visible_when_its_workspace_is_gone(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    await world.collect(workspace)
    await world.workspaces.remove(workspace, world.settings, {})

    diff = await world.workspaces.branch_diff("12", None)

    assert diff is not None
    assert [file.path for file in diff.files] == ["one.txt"]


async def test_there_is_nothing_to_show_before_the_first_import(world: GitWorld) -> None:
    assert await world.workspaces.branch_diff("12", None) is None
    assert not world.host.exists()
    await world.prepare()
    assert await world.workspaces.branch_diff("12", None) is None
    assert await world.workspaces.branch_diff("another", "../../etc") is None


async def test_what_an_agent_sets_for_git_has_no_say(world: GitWorld, tmp_path: Path) -> None:
    workspace = await world.prepare()
    ran = tmp_path / "ran"
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    for name in ("diff.external", "diff.x.textconv", "diff.x.command", "core.pager", "core.fsmonitor"):
        git(workspace.path, "config", name, str(program))
    world.commit(workspace, {".gitattributes": b"* diff=x\n", "a.txt": b"a\n"})
    await world.collect(workspace)
    ran.unlink(missing_ok=True)

    diff = await world.workspaces.branch_diff("12", None)

    assert diff is not None
    assert {file.path for file in diff.files} == {".gitattributes", "a.txt"}
    assert not ran.exists()


async def test_a_large_difference_is_cut_and_said_to_be(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branch_diff, "SHOWN_BYTES", 4_096)
    workspace = await world.prepare()
    world.commit(workspace, {f"{number}.txt": b"line of text\n" * 100 for number in range(9)})
    await world.collect(workspace)

    diff = await world.workspaces.branch_diff("12", None)

    assert diff is not None
    assert (diff.complete, diff.changed) == (False, 9)
    assert 0 < len(diff.files) < 9


async def test_a_git_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "programs" / "git"
    slow.parent.mkdir()
    slow.write_text(
        '#!/bin/sh\ncase "$*" in *quotePath*diff-tree*) exec sleep 600;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(branch_diff, "DIFF_BOUND_S", 0.1)
    world = GitWorld(tmp_path, FILES)
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    await world.collect(workspace)

    diff = await world.workspaces.branch_diff("12", None)

    assert diff is not None
    assert (diff.files, diff.complete) == ((), False)


def test_a_line_in_a_file_that_looks_like_a_header_is_a_line() -> None:
    text = (
        "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n"
        "--- a/y\n+++ b/y\n+diff --git a/z b/z\n \n\\ No newline at end of file\n"
    )
    (file,) = parse_diff(text)
    assert lines(file) == [
        ("removed", "-- a/y"), ("added", "++ b/y"), ("added", "diff --git a/z b/z"), ("same", ""),
    ]  # fmt: skip


def test_very_long_lines_and_files_are_cut_and_counted() -> None:
    body = "".join(f"+{'x' * 10_000}\n" for _ in range(3_000))
    (file,) = parse_diff(f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,3000 @@\n{body}")
    assert (file.added, len(file.lines), file.left_out) == (3_000, 2_000, 1_001)
    assert max(len(line.text) for line in file.lines) == LINE_LIMIT


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_diff(text)
    parse_diff(f"diff --git a/x b/x\n{text}")
    parse_diff(f"diff --git {text}\n@@ -1 +1 @@\n{text}")


@pytest.mark.parametrize(
    ("shown", "path"),
    [
        ('"a\\tb"', "a\tb"),
        ('"\\303\\251"', "\u00e9"),
        ('"a\\"b\\\\"', 'a"b\\'),
        ("plain", "plain"),
        ('"', '"'),
    ],
)
def test_a_quoted_path_is_read_as_git_means_it(shown: str, path: str) -> None:
    assert unquoted(shown) == path
