"""A delivered patch comes into the user's repository as a whole, or not at all; real git, real commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from symphony.host.lock_file import take_lock
from tests.support.delivered import LINES, Delivered, said
from tests.support.git_project import git, write_files


@pytest.fixture
def world(tmp_path: Path) -> Delivered:
    return Delivered(tmp_path)


async def test_the_current_branch_gets_the_commits_and_the_files(world: Delivered):
    tree = await world.deliver({"new.txt": b"new\n"}, {"README.md": b"another\n"})
    ran = world.apply()
    head = git(world.source, "rev-parse", "HEAD")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == f"2 commits of issue 12 on main: {world.start[:12]}..{head[:12]}\n"
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree
    assert (world.source / "new.txt").read_bytes() == b"new\n"
    assert git(world.source, "status", "--porcelain") == ""
    assert git(world.source, "log", "-2", "--format=%s <%cn>") == "Work 1 <A Person>\nWork 0 <A Person>"
    assert git(world.source, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


async def test_a_branch_of_its_own_leaves_files_and_branch_as_they_are(world: Delivered):
    tree = await world.deliver()
    (world.source / "README.md").write_bytes(b"in the middle of something\n")
    ran = world.apply("--branch", "review/12")
    assert ran.status == 0
    assert ran.out == (
        f"1 commit of issue 12 on the new branch review/12, which starts from {world.start[:12]}.\n"
        "    git switch review/12\n"
    )
    assert git(world.source, "rev-parse", "review/12^{tree}") == tree
    assert git(world.source, "rev-parse", "HEAD") == world.start
    assert (world.source / "README.md").read_bytes() == b"in the middle of something\n"
    assert not (world.source / "new.txt").exists()


async def test_it_tells_scripts_in_json(world: Delivered):
    await world.deliver()
    answer: dict[str, Any] = json.loads(world.apply("--json").out)
    head = git(world.source, "rev-parse", "HEAD")
    assert answer == {
        "issue_id": "12", "branch": "main", "onto": world.start, "head": head, "commits": 1, "created": False,
    }  # fmt: skip


async def test_changes_that_are_not_committed_stop_it(world: Delivered):
    await world.deliver()
    for name in ("README.md", "lines.txt"):
        (world.source / name).write_bytes(b"mine\n")
    before = world.picture()
    ran = world.apply()
    assert ran.status == 1
    assert said(ran) == (
        f"symphony: {world.source} has changes that are not committed: README.md, lines.txt. "
        "Commit or stash them first, or give `--branch NAME`, which leaves your files alone."
    )
    assert world.picture() == before


@pytest.mark.parametrize("three_way", [False, True])
async def test_a_conflict_changes_nothing_and_names_the_files(world: Delivered, three_way: bool):
    await world.deliver({"new.txt": b"new\n"}, {"README.md": b"theirs\n"})
    write_files(world.source, {"README.md": b"ours\n"})
    git(world.source, "commit", "--quiet", "-am", "Mine")
    before = world.picture()
    ran = world.apply(*(["--three-way"] if three_way else []))
    remedy = (
        "Retry the issue, so that its agent works on what is there now; or apply it by hand."
        if three_way
        else "Try --three-way, with which git merges what it can; or retry the issue."
    )
    assert ran.status == 1
    assert said(ran) == (
        "symphony: The patch does not apply to main, and nothing was changed. "
        f"In conflict: README.md. {remedy}"
    )
    assert world.picture() == before
    assert not (world.source / "new.txt").exists()


@pytest.mark.parametrize("content", [b"mine\n", b"", b"new\n"])
@pytest.mark.parametrize("ignored", [False, True])
async def test_a_file_that_git_does_not_know_is_never_touched(
    world: Delivered, content: bytes, ignored: bool
):
    await world.deliver()
    (world.source / "new.txt").write_bytes(content)
    if ignored:
        (world.source / ".git/info/exclude").write_text("new.txt\n")
    before = world.picture()
    ran = world.apply()
    assert ran.status == 1
    assert said(ran) == (
        f"symphony: {world.source} has files that no commit has, where the patch adds some: new.txt."
        " Move them out of the way, or give `--branch NAME`, which leaves your files alone."
    )
    assert world.picture() == before
    assert (world.source / "new.txt").read_bytes() == content


async def test_ignored_files_in_a_folder_where_the_patch_adds_a_file_are_never_touched(world: Delivered):
    await world.deliver()
    (world.source / "new.txt").mkdir()
    (world.source / "new.txt" / "mine").write_bytes(b"mine\n")
    (world.source / ".git/info/exclude").write_text("mine\n")
    before = world.picture()
    ran = world.apply()
    assert ran.status == 1
    assert "could not be brought to" in said(ran)
    assert world.picture() == before
    assert (world.source / "new.txt" / "mine").read_bytes() == b"mine\n"


async def test_three_way_merges_what_the_plain_way_refuses(world: Delivered):
    await world.deliver({"lines.txt": LINES.replace(b"line 20\n", b"line twenty\n")})
    write_files(world.source, {"lines.txt": LINES.replace(b"line 18\n", b"line eighteen\n")})
    git(world.source, "commit", "--quiet", "-am", "Mine")
    assert world.apply().status == 1
    assert world.apply("--three-way").status == 0
    merged = (world.source / "lines.txt").read_bytes()
    assert b"line eighteen\nline 19\nline twenty\n" in merged


async def test_work_that_is_there_already_is_not_put_there_twice(world: Delivered):
    await world.deliver()
    assert world.apply().status == 0
    head = git(world.source, "rev-parse", "HEAD")
    again = world.apply("--three-way")
    assert (again.status, again.out) == (0, "main has the changes of issue 12 already.\n")
    assert git(world.source, "rev-parse", "HEAD") == head


async def test_a_branch_that_exists_is_left_alone(world: Delivered):
    await world.deliver()
    git(world.source, "branch", "taken")
    ran = world.apply("--branch", "taken")
    assert ran.status == 1
    assert said(ran) == (
        "symphony: There is a branch taken already. "
        "Give --branch another name, or delete it: `git branch -D taken`."
    )
    assert git(world.source, "rev-parse", "taken") == world.start


async def test_a_merge_that_is_not_finished_stops_it(world: Delivered):
    await world.deliver()
    (world.source / ".git" / "MERGE_HEAD").write_text(f"{world.start}\n")
    ran = world.apply()
    assert ran.status == 1
    assert said(ran) == (
        f"symphony: {world.source} is in the middle of a merge. "
        "Finish or abort it first, or give `--branch NAME`, which leaves your files alone."
    )


async def test_a_source_that_is_elsewhere_is_not_touched(world: Delivered):
    await world.deliver()
    (world.source / "WORKFLOW.md").write_text(
        "---\nworkspace: {source: 'https://forge.example/a.git'}\nsandbox: local\n---\n"
    )
    ran = world.apply()
    assert ran.status == 1
    assert said(ran) == (
        "symphony: workspace.source https://forge.example/a.git is not a folder on this machine. "
        "Apply the patch in a clone of it with `git am`."
    )


def test_an_issue_without_a_patch_says_so(world: Delivered):
    ran = world.apply()
    patch = world.installation.patch("12")
    assert ran.status == 1
    assert said(ran) == (
        f"symphony: Issue 12 has no patch: {patch} does not exist. "
        "`symphony show 12` says where its work stands."
    )


async def test_two_at_once_do_not_meet(world: Delivered):
    await world.deliver()
    held = take_lock(world.installation.root / "apply.lock", 0o600)
    assert held is not None
    ran = world.apply()
    assert ran.status == 1
    assert said(ran) == "symphony: Another `symphony apply` is at work here. Wait for its end."


async def test_a_detached_head_goes_forward_as_well(world: Delivered):
    tree = await world.deliver()
    git(world.source, "checkout", "--quiet", "--detach")
    ran = world.apply()
    assert ran.out.startswith(f"1 commit of issue 12 on {world.start[:12]}: ")
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree
    assert git(world.source, "rev-parse", "main") == world.start


async def test_commits_are_signed_when_the_user_signs_theirs(world: Delivered, tmp_path: Path):
    await world.deliver()
    signer = tmp_path / "signer"
    signer.write_text(
        "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\n"
        "echo '-----BEGIN PGP SIGNATURE-----'\necho\necho scripted\necho '-----END PGP SIGNATURE-----'\n"
    )
    signer.chmod(0o755)
    git(world.source, "config", "commit.gpgSign", "true")
    git(world.source, "config", "gpg.program", str(signer))
    assert world.apply().status == 0
    assert "gpgsig -----BEGIN PGP SIGNATURE-----" in git(world.source, "cat-file", "commit", "HEAD")


async def test_a_source_with_a_shallow_history_takes_it_too(world: Delivered, tmp_path: Path):
    tree = await world.deliver()
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", world.source.as_uri(), str(shallow))
    git(shallow, "config", "user.name", "A Person")
    git(shallow, "config", "user.email", "person@example.org")
    (world.source / "WORKFLOW.md").write_text(f"---\nworkspace: {{source: {shallow}}}\nsandbox: local\n---\n")
    assert world.apply().status == 0
    assert git(shallow, "rev-parse", "HEAD^{tree}") == tree
