"""A patch whose taking over is ended in its middle: all of it, or nothing, whoever is killed; real git."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.command_line import BOUND_S, ENVIRONMENT, Ran, argv
from tests.support.delivered import Delivered, said
from tests.support.git_project import git, write_files

LOOK_S = 0.02
CHANGES = {
    "README.md": b"another\n",
    "added/new.txt": b"new\n",
    "a name\nof two lines": b"changed\n",
    "slow/z.slow": b"as it shall be\n",
}
AT_FIRST = {
    ".gitattributes": b"*.slow filter=stop\n",
    "a name\nof two lines": b"at first\n",
    "gone.txt": b"to be deleted\n",
    "mine.txt": b"mine\n",
    "slow/z.slow": b"as it was\n",
    "tool": b"#!/bin/sh\n",
}
KILL_GIT = "kill -9 $PPID"
KILL_BOTH = "kill -9 $(ps -o ppid= -p $PPID) $PPID"


class CutOff(Delivered):
    """Work whose last file stops git while it writes the files, by a filter of the user's own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        write_files(self.source, AT_FIRST)
        (self.source / "link").symlink_to("mine.txt")
        git(self.source, "add", "--all")
        git(self.source, "commit", "--quiet", "-m", "Add files")
        self.start = git(self.source, "rev-parse", "HEAD")
        self.filter = folder / "filter"
        self.met = folder / "met"
        self.before = folder / "before"
        self.before.write_bytes(AT_FIRST["slow/z.slow"])

    async def deliver_changes(self) -> str:
        """Hand over work that changes, adds and deletes; return its tree."""
        workspace = await self.prepare()
        for name in ("gone.txt", "link"):
            (workspace.path / name).unlink()
        (workspace.path / "link").symlink_to("tool")
        (workspace.path / "tool").chmod(0o755)
        self.commit(workspace, CHANGES, "Work")
        imported = await self.collect(workspace)
        await self.hand_off(workspace, imported)
        return imported.head_tree

    def stop_with(self, command: str) -> None:
        """Let git run this where it is about to write the last file as it shall be."""
        self.filter.write_text(
            f"#!/bin/sh\ntouch {self.met}\ngrep shall || exec cat {self.before}\n{command}\n"
        )
        self.filter.chmod(0o755)
        git(self.source, "config", "filter.stop.smudge", str(self.filter))

    def go_on(self) -> None:
        """Let git write all files."""
        git(self.source, "config", "--unset", "filter.stop.smudge")

    def files(self) -> dict[str, bytes]:
        """Return the user's files."""
        return {
            str(path.relative_to(self.source)): path.read_bytes()
            for path in sorted(self.source.rglob("*"))
            if path.is_file() and not {".git", ".symphony"} & set(path.parts)
        }


@pytest.fixture
def world(tmp_path: Path) -> CutOff:
    return CutOff(tmp_path)


async def test_git_that_is_killed_in_the_middle_changes_nothing(world: CutOff):
    tree = await world.deliver_changes()
    before, files = world.picture(), world.files()
    world.stop_with(KILL_GIT)
    ran = world.apply()
    assert world.met.exists()
    assert ran.status == 1
    assert re.sub(r"to [0-9a-f]{12}", "to COMMIT", said(ran)) == (
        f"symphony: {world.source} could not be brought to COMMIT, and nothing was changed:"
        f" `git merge` failed in {world.source}: git was ended by SIGKILL and said nothing"
    )
    assert (world.picture(), world.files()) == (before, files)
    world.go_on()
    assert world.apply().status == 0
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree


async def test_what_was_left_when_both_were_killed_is_taken_back_at_the_next_apply(world: CutOff):
    tree = await world.deliver_changes()
    world.stop_with(KILL_BOTH)
    assert world.apply().status == -signal.SIGKILL
    assert git(world.source, "status", "--porcelain") != ""
    world.go_on()
    lock = world.source / ".git" / "index.lock"
    assert lock.exists()
    ran = world.apply()
    assert ran.status == 1
    assert said(ran) == (
        f"symphony: {world.source} is half way between two commits, since an earlier `symphony apply` was"
        f" ended in its middle, and git's lock {lock} is still there. If no git is at work there, delete it;"
        " then `symphony apply` takes back what is half done."
    )
    lock.unlink()
    ran = world.apply()
    assert (ran.status, ran.err) == (0, "")
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree
    assert git(world.source, "status", "--porcelain") == ""
    assert git(world.source, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


async def test_a_file_that_was_written_in_part_is_taken_back_as_well(world: CutOff):
    tree = await world.deliver_changes()
    world.stop_with(KILL_BOTH)
    world.apply()
    world.go_on()
    (world.source / ".git" / "index.lock").unlink()
    (world.source / "added/new.txt").write_bytes(b"ne")
    assert world.apply().status == 0
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree
    assert git(world.source, "status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["mine.txt", "README.md", "added/new.txt"])
async def test_what_a_person_changed_since_is_never_taken_back(world: CutOff, name: str):
    await world.deliver_changes()
    world.stop_with(KILL_BOTH)
    world.apply()
    world.go_on()
    (world.source / ".git" / "index.lock").unlink()
    (world.source / name).write_bytes(b"what a person wrote\n")
    files = world.files()
    ran = world.apply()
    assert ran.status == 1
    assert said(ran) == (
        f"symphony: {world.source} is half way between two commits, since an earlier `symphony apply` was"
        f" ended in its middle, and has changes of yours since: {name}. Keep them elsewhere and undo them"
        " here (`git restore`, or delete a new file); then `symphony apply` takes back the rest."
    )
    assert world.files() == files


async def test_a_change_that_git_was_told_not_to_see_stays(world: CutOff):
    await world.deliver_changes()
    git(world.source, "update-index", "--assume-unchanged", "mine.txt")
    (world.source / "mine.txt").write_bytes(b"my own settings\n")
    world.stop_with(KILL_GIT)
    assert world.apply().status == 1
    assert git(world.source, "status", "--porcelain") == ""
    assert (world.source / "mine.txt").read_bytes() == b"my own settings\n"


async def test_what_cannot_be_taken_back_now_is_so_later(world: CutOff):
    tree = await world.deliver_changes()
    world.stop_with(KILL_BOTH)
    world.apply()
    (world.source / ".git" / "index.lock").unlink()
    world.before.unlink()
    git(world.source, "config", "filter.stop.required", "true")
    git(world.source, "config", "filter.stop.clean", "cat")
    (world.source / "slow/z.slow").unlink(missing_ok=True)
    ran = world.apply()
    assert ran.status == 1
    assert said(ran).startswith(
        f"symphony: {world.source} is half way between two commits, and could not be brought back:"
        f" `git checkout` failed in {world.source}: "
    )
    assert said(ran).endswith(
        "smudge filter stop failed Mend what git names; then `symphony apply` takes back what is half done."
    )
    (world.source / ".git" / "index.lock").unlink(missing_ok=True)
    git(world.source, "config", "--remove-section", "filter.stop")
    assert world.apply().status == 0
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree
    assert git(world.source, "status", "--porcelain") == ""


async def test_changes_of_a_person_alone_are_not_taken_for_a_half_done_apply(world: CutOff):
    await world.deliver_changes()
    ahead = git(world.source, "commit-tree", "-p", world.start, "-m", "Ahead", f"{world.start}^{{tree}}")
    git(world.source, "update-ref", "refs/symphony/applied", ahead)
    (world.source / "README.md").write_bytes(b"mine\n")
    assert "has changes that are not committed: README.md." in said(world.apply())
    assert (world.source / "README.md").read_bytes() == b"mine\n"


async def test_a_person_who_ends_it_in_the_middle_finds_nothing_changed(world: CutOff):
    await world.deliver_changes()
    before, files = world.picture(), world.files()
    world.stop_with("sleep 600")
    process = subprocess.Popen(
        argv("apply", "12"), cwd=world.source, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    bound = time.monotonic() + BOUND_S
    while not world.met.exists() and time.monotonic() < bound:
        time.sleep(LOOK_S)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=BOUND_S)
    ran = Ran(process.returncode, out.decode(), err.decode())
    assert ran.status == 130, ran
    assert (world.picture(), world.files()) == (before, files)


async def test_git_that_fails_in_the_middle_leaves_nothing_half_done(world: CutOff):
    await world.deliver_changes()
    world.stop_with("exit 1")
    git(world.source, "config", "filter.stop.clean", "cat")
    git(world.source, "config", "filter.stop.required", "true")
    before, files = world.picture(), world.files()
    ran = world.apply()
    assert ran.status == 1
    assert "slow/z.slow: smudge filter stop failed" in said(ran)
    assert (world.picture(), world.files()) == (before, files)
