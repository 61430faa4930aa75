"""What is saved of a workspace before something touches it, whatever state an agent left it in."""

import os
import shlex
import shutil
import subprocess
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from symphony.core.ports import Workspace
from symphony.core.safety import SafetyRef
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.guest_files import GuestFile, GuestFolder, GuestLink
from symphony.workspace.safety import KEPT
from symphony.workspace.workspaces import GitWorkspaces
from tests.support.git_project import GitWorld, git, make_issue, write_files
from tests.support.mounts import small_disk

AT = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
EVERY_BYTE = bytes(range(256)) + b"\r\nno end"


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, {"README.md": b"a project\n", "data.txt": b"data\n", ".gitignore": b"built/\n"})


async def save(world: GitWorld, workspace: Workspace, minutes: int = 0) -> SafetyRef:
    saved = await world.workspaces.save(
        workspace, f"Before attempt {minutes}.", AT + timedelta(minutes=minutes)
    )
    assert saved is not None
    return saved


def parents(world: GitWorld, saved: SafetyRef) -> list[str]:
    return git(world.host, "log", "-1", "--format=%P", saved.name).split()


def message(world: GitWorld, saved: SafetyRef) -> str:
    return git(world.host, "log", "-1", "--format=%B", saved.name)


def holds(world: GitWorld, saved: SafetyRef, commit: str) -> bool:
    return commit in git(world.host, "rev-list", saved.name).split()


async def test_the_bytes_modes_and_links_of_all_files_that_git_does_not_ignore_are_saved(
    world: GitWorld,
) -> None:
    workspace = await world.prepare()
    write_files(
        workspace.path,
        {"bytes.bin": EVERY_BYTE, "a/b/c.txt": b"deep\n", "built/x.o": b"x", "run": b"#!/bin/sh\n"},
    )
    (workspace.path / "run").chmod(0o755)
    (workspace.path / "link").symlink_to("/etc/passwd")
    (workspace.path / "data.txt").unlink()

    saved = await save(world, workspace)

    assert world.host_files(saved.name) == [
        ".gitignore", "README.md", "a/b/c.txt", "bytes.bin", "link", "run",
    ]  # fmt: skip
    assert world.host_file(saved.name, "bytes.bin") == EVERY_BYTE
    assert world.host_file(saved.name, "link") == b"/etc/passwd"
    assert git(world.host, "ls-tree", saved.name, "run").startswith("100755")
    assert parents(world, saved) == [workspace.base_commit]


async def test_the_message_says_when_and_why_and_how_many_are_kept(world: GitWorld) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"new.txt": b"new\n"})

    saved = await save(world, workspace)

    assert git(world.host, "log", "-1", "--format=%cI", saved.name) == "2026-05-06T07:08:09+00:00"
    assert message(world, saved).strip() == (
        "Before attempt 0.\n\n"
        "symphony saved the workspace of issue 12, on\n"
        "agent/12, before anything touched it. The first parent was checked\n"
        "out; further ones hold what was staged, and commits that no imported branch holds.\n"
        "The newest 20 such refs of an issue are kept."
    )


async def test_the_command_brings_it_into_a_persons_repository(world: GitWorld) -> None:
    workspace = await world.prepare()
    commit = world.commit(workspace, {"one.txt": b"1\n"})
    write_files(workspace.path, {"bytes.bin": EVERY_BYTE})
    saved = await save(world, workspace)

    said = subprocess.run(saved.command, shell=True, cwd=world.source, capture_output=True, check=False)

    assert said.returncode == 0, said.stderr
    git(world.source, "switch", "--quiet", saved.branch)
    assert (world.source / "bytes.bin").read_bytes() == EVERY_BYTE
    assert (world.source / "one.txt").read_bytes() == b"1\n"
    assert git(world.source, "rev-parse", "HEAD^1") == commit


async def test_the_command_is_one_even_where_the_path_has_blanks(tmp_path: Path) -> None:
    saved = SafetyRef("refs/symphony/safety/12/3", Path("/a b/host.git"), "0" * 40, AT, "Why.")

    assert shlex.split(saved.command) == [
        "git", "fetch", "/a b/host.git", "refs/symphony/safety/12/3:refs/heads/saved/12/3",
    ]  # fmt: skip


async def test_what_was_staged_and_is_in_no_file_any_more_is_saved(world: GitWorld) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"gone.txt": b"staged, then deleted\n", "data.txt": b"staged\n"})
    git(workspace.path, "add", "--all")
    (workspace.path / "gone.txt").unlink()
    write_files(workspace.path, {"data.txt": b"data\n"})

    saved = await save(world, workspace)

    assert world.host_file(saved.name, "data.txt") == b"data\n"
    checked_out, staged = parents(world, saved)
    assert checked_out == workspace.base_commit
    assert world.host_file(staged, "gone.txt") == b"staged, then deleted\n"
    assert world.host_file(staged, "data.txt") == b"staged\n"
    assert (await save(world, workspace, 1)) == saved


@pytest.mark.parametrize("version", ["2", "3", "4"])
async def test_every_version_of_an_index_is_read(world: GitWorld, version: str) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"a/long/name.txt": b"1\n", "a/long/name.txt.b": b"2\n", "z": b"z\n"})
    git(workspace.path, "add", "--all")
    git(workspace.path, "update-index", "--index-version", version)
    write_files(workspace.path, {"later.txt": b"later\n"})
    git(workspace.path, "add", "--intent-to-add", "later.txt")
    for name in ("a/long/name.txt", "a/long/name.txt.b", "z", "later.txt"):
        (workspace.path / name).unlink()

    saved = await save(world, workspace)

    staged = parents(world, saved)[1]
    assert world.host_file(staged, "a/long/name.txt.b") == b"2\n"
    assert set(world.host_files(staged)) - set(world.host_files(workspace.base_commit)) == {
        "a/long/name.txt", "a/long/name.txt.b", "z",
    }  # fmt: skip


@pytest.mark.parametrize(
    "index", [b"", b"DIRC", b"DIRC\0\0\0\2\0\0\0\7", b"DIRC\0\0\0\4\0\0\0\1" + b"\xff" * 99]
)
async def test_a_broken_index_does_not_keep_the_files_from_being_saved(world: GitWorld, index: bytes) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"new.txt": b"new\n"})
    (workspace.path / ".git" / "index").write_bytes(index)

    saved = await save(world, workspace)

    assert world.host_file(saved.name, "new.txt") == b"new\n"


async def test_other_branches_a_detached_head_and_all_stashes_are_saved(world: GitWorld) -> None:
    workspace = await world.prepare()
    stashed = []
    for content in (b"first\n", b"second\n"):
        write_files(workspace.path, {"data.txt": content})
        git(workspace.path, "stash", "--quiet")
        stashed.append(git(workspace.path, "rev-parse", "stash"))
    git(workspace.path, "switch", "--quiet", "--create", "idea")
    idea = world.commit(workspace, {"idea.txt": b"idea\n"})
    git(workspace.path, "switch", "--quiet", "--detach", "agent/12")
    detached = world.commit(workspace, {"detached.txt": b"detached\n"})
    git(workspace.path, "pack-refs", "--all")

    saved = await save(world, workspace)

    assert parents(world, saved)[0] == detached
    for commit in (*stashed, idea, detached):
        assert holds(world, saved, commit)


async def test_commits_that_an_agent_packed_are_saved(world: GitWorld) -> None:
    workspace = await world.prepare()
    commit = world.commit(workspace, {"one.txt": b"1\n"})
    git(workspace.path, "gc", "--quiet", "--prune=now")
    assert not list((workspace.path / ".git/objects").glob("[0-9a-f][0-9a-f]"))

    assert holds(world, await save(world, workspace), commit)

    later = world.commit(workspace, {"two.txt": b"2\n"})
    assert holds(world, await save(world, workspace, 1), later)


async def test_a_clone_with_a_pack_is_not_read_again_and_again(world: GitWorld, tmp_path: Path) -> None:
    for number in range(120):
        write_files(world.source, {f"f{number}.txt": b"%d\n" % number})
    git(world.source, "add", "--all")
    git(world.source, "commit", "--quiet", "-m", "Many")
    workspace = await world.prepare()
    (pack,) = (workspace.path / ".git/objects/pack").glob("*.pack")
    commit = world.commit(workspace, {"one.txt": b"1\n"})
    pack.chmod(0o600)
    pack.write_bytes(b"not looked at")

    assert holds(world, await save(world, workspace), commit)


async def test_a_second_saving_needs_only_what_is_new(world: GitWorld) -> None:
    workspace = await world.prepare()
    first = world.commit(workspace, {"one.txt": b"1\n"})
    await save(world, workspace)
    second = world.commit(workspace, {"two.txt": b"2\n"})

    saved = await save(world, workspace, 1)

    assert saved.name == "refs/symphony/safety/12/2"
    assert holds(world, saved, first)
    assert holds(world, saved, second)


async def test_the_newest_refs_of_an_issue_are_kept_and_no_other_issues_are_touched(world: GitWorld) -> None:
    other = await world.prepare("1")
    write_files(other.path, {"new.txt": b"other\n"})
    await save(world, other)
    workspace = await world.prepare()
    for number in range(KEPT + 3):
        write_files(workspace.path, {"new.txt": b"%d\n" % number})
        await save(world, workspace, number)

    names = git(world.host, "for-each-ref", "--format=%(refname)", "refs/symphony/safety").split()
    kept = {int(name.rpartition("/")[2]) for name in names if "/12/" in name}

    assert kept == set(range(4, KEPT + 4))
    assert "refs/symphony/safety/1/1" in names
    newest = await GitWorkspaces(world.installation).newest_safety("12")
    assert newest is not None
    assert newest.name == f"refs/symphony/safety/12/{KEPT + 3}"


async def test_asking_for_the_newest_writes_nothing(world: GitWorld) -> None:
    assert await world.workspaces.newest_safety("12") is None
    assert not world.host.exists()


def no_git(workspace: Workspace) -> None:
    shutil.rmtree(workspace.path / ".git")


def no_head(workspace: Workspace) -> None:
    (workspace.path / ".git/HEAD").unlink()


def empty_head(workspace: Workspace) -> None:
    (workspace.path / ".git/HEAD").write_bytes(b"")


def wild_head(workspace: Workspace) -> None:
    (workspace.path / ".git/HEAD").write_bytes(b"ref: ../../../../etc/passwd\xff\n")


def missing_commit(workspace: Workspace) -> None:
    (workspace.path / ".git/refs/heads/agent/12").write_text(f"{'5' * 40}\n")


def rubbish_refs(workspace: Workspace) -> None:
    (workspace.path / ".git/packed-refs").write_bytes(os.urandom(500))
    (workspace.path / ".git/refs/heads/x").mkdir(parents=True)
    (workspace.path / ".git/refs/heads/loop").symlink_to("../heads")
    (workspace.path / ".git/refs/heads/pipe").unlink(missing_ok=True)
    os.mkfifo(workspace.path / ".git/refs/heads/pipe")


def rubbish_objects(workspace: Workspace) -> None:
    for path in (workspace.path / ".git/objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"rubbish")


def git_is_a_file(workspace: Workspace) -> None:
    no_git(workspace)
    (workspace.path / ".git").write_text("gitdir: /\n")


def git_is_a_link(workspace: Workspace) -> None:
    no_git(workspace)
    (workspace.path / ".git").symlink_to("/")


@pytest.mark.parametrize(
    "damage",
    [
        no_git, no_head, empty_head, wild_head, missing_commit, rubbish_refs, rubbish_objects,
        git_is_a_file, git_is_a_link,
    ],
)  # fmt: skip
async def test_a_damaged_git_folder_still_gives_its_files(world: GitWorld, damage) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    write_files(workspace.path, {"new.txt": b"new\n"})
    damage(workspace)

    saved = await save(world, workspace)

    assert world.host_file(saved.name, "new.txt") == b"new\n"
    assert world.host_file(saved.name, "one.txt") == b"1\n"
    git(world.host, "fsck", "--strict")


async def test_the_commit_before_one_that_was_lost_with_the_power_is_saved(world: GitWorld) -> None:
    workspace = await world.prepare()
    first = world.commit(workspace, {"one.txt": b"1\n"})
    last = world.commit(workspace, {"two.txt": b"2\n"})
    path = workspace.path / ".git/objects" / last[:2] / last[2:]
    path.chmod(0o600)
    path.write_bytes(b"")

    saved = await save(world, workspace)

    assert parents(world, saved) == [first]
    assert world.host_file(saved.name, "two.txt") == b"2\n"
    assert "Commits in it could not all be read: 1 of its objects cannot be read." in message(world, saved)


async def test_one_broken_branch_does_not_keep_the_others_from_being_saved(world: GitWorld) -> None:
    workspace = await world.prepare()
    git(workspace.path, "switch", "--quiet", "--create", "broken")
    broken = world.commit(workspace, {"broken.txt": EVERY_BYTE})
    blob = git(workspace.path, "rev-parse", f"{broken}:broken.txt")
    git(workspace.path, "switch", "--quiet", "agent/12")
    good = world.commit(workspace, {"good.txt": b"good\n"})
    (workspace.path / ".git/objects" / blob[:2] / blob[2:]).unlink()

    saved = await save(world, workspace)

    assert parents(world, saved)[0] == good
    assert not holds(world, saved, broken)
    assert "Commits in it could not all be read" in message(world, saved)


async def test_objects_that_fail_gits_checks_are_refused_and_the_files_are_saved(world: GitWorld) -> None:
    workspace = await world.prepare()
    blob = git(workspace.path, "hash-object", "-w", "--stdin", stdin=b"[core]\n\tfsmonitor = evil\n")
    config = git(workspace.path, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    raw = b"40000 .git\0" + bytes.fromhex(config)
    tree = git(workspace.path, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)
    commit = git(workspace.path, "commit-tree", tree, "-p", "HEAD", "-m", "A tree with a .git folder")
    git(workspace.path, "update-ref", "refs/heads/agent/12", commit)
    write_files(workspace.path, {"work.txt": b"work\n"})

    saved = await save(world, workspace)

    assert world.host_file(saved.name, "work.txt") == b"work\n"
    assert not holds(world, saved, commit)
    assert "hasDotgit" in message(world, saved)


async def test_an_object_that_would_need_gigabytes_is_not_looked_at(world: GitWorld) -> None:
    workspace = await world.prepare()
    commit = world.commit(workspace, {"one.txt": b"1\n"})
    bomb = zlib.compress(b"commit 99999999999\0" + b"\0" * 1000)
    path = workspace.path / ".git/objects" / commit[:2] / commit[2:]
    path.chmod(0o600)
    path.write_bytes(bomb)

    saved = await save(world, workspace)

    assert world.host_file(saved.name, "one.txt") == b"1\n"
    assert not holds(world, saved, commit)


async def test_an_alternate_brings_nothing_of_the_hosts_in(world: GitWorld, tmp_path: Path) -> None:
    private = tmp_path / "private"
    git(tmp_path, "init", "--quiet", str(private))
    blob = git(private, "hash-object", "-w", "--stdin", stdin=b"secret\n")
    tree = git(private, "mktree", stdin=f"100644 blob {blob}\tsecret\n".encode())
    workspace = await world.prepare()
    alternates = workspace.path / ".git/objects/info/alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{private}/.git/objects\n")
    commit = git(workspace.path, "commit-tree", tree, "-p", "HEAD", "-m", "Points outside")
    git(workspace.path, "update-ref", "refs/heads/outside", commit)
    write_files(workspace.path, {"work.txt": b"work\n"})

    saved = await save(world, workspace)

    assert not holds(world, saved, commit)
    assert blob not in git(world.host, "cat-file", "--batch-all-objects", "--batch-check")


async def test_a_file_that_cannot_be_read_is_named_and_the_others_are_saved(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = GuestFolder.read

    def refuse(self: GuestFolder, path: bytes) -> GuestFile | GuestLink | None:
        if path in (b"closed.txt", b"data.txt"):
            raise PermissionError(13, "Permission denied")
        return read(self, path)

    workspace = await world.prepare()
    write_files(workspace.path, {"closed.txt": b"closed\n", "new.txt": b"new\n"})
    (workspace.path / "data.txt").touch()
    monkeypatch.setattr(GuestFolder, "read", refuse)

    saved = await save(world, workspace)

    assert world.host_file(saved.name, "new.txt") == b"new\n"
    assert world.host_file(saved.name, "data.txt") == b"data\n"
    assert "Files that could not be read, 2 in all: closed.txt, data.txt." in message(world, saved)


async def test_a_folder_that_git_cannot_look_into_is_named_and_never_silently_left_out(
    world: GitWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root can look everywhere, so that git's own words come from a program in front of it."""
    words = "warning: could not open directory 'shut/': Permission denied"
    wrapper = tmp_path / "bin/git"
    real = shutil.which("git")
    said = f'#!/bin/sh\ncase " $* " in *" ls-files "*) echo "{words}" >&2;; esac\nexec {real} "$@"\n'
    write_files(tmp_path, {"bin/git": said.encode()})
    wrapper.chmod(0o755)
    workspace = await world.prepare()
    write_files(workspace.path, {"new.txt": b"new\n"})
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")

    saved = await save(world, workspace)
    with pytest.raises(WorkspaceError) as caught:
        await world.workspaces.collect(workspace, None)

    assert "Files that could not be read, 1 in all: shut." in message(world, saved)
    assert str(caught.value) == (
        f"The folder shut in {workspace.path} cannot be read: Permission denied. "
        "Make it readable or delete it; nothing is handed over without it."
    )


def inventory(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


async def test_nothing_in_the_workspace_is_touched_and_nothing_is_left_beside_it(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"})
    write_files(workspace.path, {"new.txt": b"new\n", ".git/index.lock": b"", "built/x.o": b"x"})
    before = inventory(workspace.path)

    await save(world, workspace)

    assert inventory(workspace.path) == before
    assert list((world.installation.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("commits", [False, True])
async def test_a_full_disk_is_said_and_the_workspace_and_the_refs_stay_as_they_are(
    world: GitWorld, commits: bool
) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"new.txt": b"new\n"})
    await save(world, workspace)
    files = {"big.bin": os.urandom(8 << 20)}
    if commits:
        world.commit(workspace, files)
    else:
        write_files(workspace.path, files)
    before = inventory(workspace.path)
    scratch = world.installation.root / "tmp"

    with small_disk(scratch, mib=4), pytest.raises(WorkspaceError) as caught:
        await save(world, workspace, 1)

    assert caught.value.code == "workspace.disk_full"
    assert str(caught.value).endswith("the disk is full. Free some space; symphony tries again by itself.")
    assert inventory(workspace.path) == before
    assert git(world.host, "for-each-ref", "--format=%(refname)", "refs/symphony/safety") == (
        "refs/symphony/safety/12/1"
    )
    assert (await save(world, workspace, 1)).name == "refs/symphony/safety/12/2"


async def test_a_host_repository_without_room_is_said(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"big.bin": os.urandom(4 << 20)})
    pack = world.host / "objects" / "pack"

    with small_disk(pack, mib=1), pytest.raises(WorkspaceError) as caught:
        await save(world, workspace)

    assert caught.value.code == "workspace.disk_full"


async def test_a_workspace_made_by_an_older_symphony_is_saved(world: GitWorld) -> None:
    workspace = await world.prepare()
    commit = world.commit(workspace, {"one.txt": b"1\n"})
    record = world.installation.root / "workspace-records" / "12.json"
    kept = [line for line in record.read_text().splitlines() if '"packs"' not in line]
    record.write_text("\n".join(kept).replace('"ready": true,', '"ready": true'))
    git(workspace.path, "gc", "--quiet")
    restarted = GitWorkspaces(world.installation)

    saved = await restarted.save(workspace, "Before attempt 2.", AT)

    assert saved is not None
    assert holds(world, saved, commit)
    found = await restarted.prepare(make_issue(), world.settings, {})
    assert (found.path, found.created) == (workspace.path, False)
