"""A patch whose taking over is ended in its middle: all of it, or nothing, whoever is killed; real git."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import BOUND_S, ENVIRONMENT, Ran, argv
from tests.support.delivered import Delivered, said
from tests.support.git_project import git, make_project, write_files

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

    def cut_off(self) -> None:
        """Let the work be half applied, with nothing at work any more."""
        self.stop_with(KILL_BOTH)
        assert self.apply().status == -signal.SIGKILL
        self.go_on()
        (self.source / ".git" / "index.lock").unlink()

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
        f"symphony: {world.source} is half way between two commits, since a `symphony apply` was ended in its"
        f" middle, and git's lock {lock} is still there. If no git is at work there, delete it;"
        " then `symphony apply` takes back what is half done."
    )
    lock.unlink()
    ran = world.apply()
    assert (ran.status, ran.err) == (0, "")
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree
    assert git(world.source, "status", "--porcelain") == ""
    assert git(world.source, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert list((world.installation.root / "half-applied").iterdir()) == []


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda source: write_files(source, {name: content})


def replace_by_folder(name: str) -> Callable[[Path], object]:
    def do(source: Path) -> None:
        (source / name).unlink(missing_ok=True)
        write_files(source, {f"{name}/mine": b"mine\n"})

    return do


def replace_folder_by_file(source: Path) -> None:
    shutil.rmtree(source / "slow")
    (source / "slow").write_bytes(b"mine\n")


def replace_folder_by_link(source: Path) -> None:
    (source / "slow").rename(source.parent / "elsewhere")
    (source / "slow").symlink_to(source.parent / "elsewhere")


def stage(name: str) -> Callable[[Path], object]:
    def do(source: Path) -> None:
        now = (source / name).read_bytes()
        (source / name).write_bytes(b"staged\n")
        git(source, "add", name)
        (source / name).write_bytes(now)

    return do


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("README.md", write("README.md", b"what a person wrote\n")),
        ("added/new.txt", write("added/new.txt", b"what a person wrote\n")),
        ("added/new.txt", write("added/new.txt", b"ne")),
        ("README.md", write("README.md", b"")),
        ("README.md", lambda source: (source / "README.md").chmod(0o755)),
        ("README.md", stage("README.md")),
        ("added/new.txt", stage("added/new.txt")),
        ("gone.txt", replace_by_folder("gone.txt")),
        ("README.md", replace_by_folder("README.md")),
        ("slow/z.slow", replace_folder_by_file),
        ("slow/z.slow", replace_folder_by_link),
    ],
    ids=[
        "a changed file", "an added file", "the begin of a version", "an emptied file", "a mode",
        "a staged change", "a staged addition", "a folder for a deleted file", "a folder for a file",
        "a file for a folder", "a link for a folder",
    ],
)  # fmt: skip
async def test_what_a_person_changed_since_is_never_taken_back(
    world: CutOff, name: str, change: Callable[[Path], object]
):
    await world.deliver_changes()
    world.cut_off()
    change(world.source)
    files, staged = world.files(), git(world.source, "ls-files", "--stage")
    ran = world.apply()
    assert ran.status == 1
    assert said(ran) == (
        f"symphony: {world.source} is half way between two commits, since a `symphony apply` was ended in its"
        f" middle, and there are changes of yours in it: {name}. Keep them elsewhere and undo them here"
        " (`git restore`, or delete what is new); then `symphony apply` takes back the rest."
    )
    assert (world.files(), git(world.source, "ls-files", "--stage")) == (files, staged)


async def test_a_change_elsewhere_stays_while_the_rest_is_taken_back(world: CutOff):
    await world.deliver_changes()
    world.cut_off()
    (world.source / "mine.txt").write_bytes(b"what a person wrote\n")
    ran = world.apply()
    assert "has changes that are not committed: mine.txt." in said(ran)
    assert git(world.source, "status", "--porcelain") == " M mine.txt"
    assert (world.source / "mine.txt").read_bytes() == b"what a person wrote\n"


@pytest.mark.parametrize("moves", [("reset", "--hard"), ("stash",)])
async def test_a_branch_with_a_later_story_is_left_as_it_is(world: CutOff, moves: tuple[str, ...]):
    """The way that a person tidies up, and then the work that looks like the patch's."""
    tree = await world.deliver_changes()
    world.cut_off()
    git(world.source, *moves)
    git(world.source, "clean", "--quiet", "-fd", "added")
    write_files(world.source, {"added/new.txt": CHANGES["added/new.txt"]})
    git(world.source, "add", "added/new.txt")
    assert "has changes that are not committed: added/new.txt." in said(world.apply())
    assert (world.source / "added/new.txt").exists()
    git(world.source, "rm", "--quiet", "--force", "added/new.txt")
    assert world.apply().status == 0
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree


async def test_a_lock_of_another_git_stays(world: CutOff):
    await world.deliver_changes()
    lock = world.source / ".git" / "index.lock"
    lock.write_bytes(b"")
    ran = world.apply()
    assert ran.status == 1
    assert "index.lock': File exists" in said(ran)
    assert lock.exists()
    assert git(world.source, "rev-parse", "HEAD") == world.start


async def test_a_hook_that_is_killed_after_the_branch_has_moved_undoes_nothing(world: CutOff):
    tree = await world.deliver_changes()
    hook = world.source / ".git" / "hooks" / "post-merge"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{KILL_GIT}\n")
    hook.chmod(0o755)
    ran = world.apply()
    assert (ran.status, ran.err) == (0, "")
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree


async def test_git_that_is_killed_while_it_moves_the_branch_changes_nothing(world: CutOff):
    tree = await world.deliver_changes()
    before, files = world.picture(), world.files()
    hook = world.source / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f'#!/bin/sh\ngrep -q refs/heads/main || exit 0\n[ "$1" = prepared ] && {KILL_GIT}\nexit 0\n'
    )
    hook.chmod(0o755)
    ran = world.apply()
    assert ran.status == 1
    assert "and nothing was changed: `git merge` failed" in said(ran)
    assert (world.picture(), world.files()) == (before, files)
    hook.unlink()
    assert world.apply().status == 0
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree


async def test_a_change_in_a_submodule_stays(world: CutOff, tmp_path: Path):
    other = make_project(tmp_path / "other", {"s.txt": b"at first\n"})
    git(world.source, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")
    git(world.source, "commit", "--quiet", "-m", "Add a submodule")
    git(world.source, "config", "submodule.recurse", "true")
    git(world.source, "config", "submodule.sub.ignore", "dirty")
    await world.deliver_changes()
    (world.source / "sub/s.txt").write_bytes(b"mine\n")
    world.stop_with(KILL_GIT)
    assert world.apply().status == 1
    assert git(world.source, "status", "--porcelain") == ""
    assert (world.source / "sub/s.txt").read_bytes() == b"mine\n"


async def test_a_source_below_the_top_that_the_patch_deletes_comes_back(world: CutOff):
    (world.source / "WORKFLOW.md").write_text("---\nworkspace: {source: slow}\nsandbox: local\n---\n")
    git(world.source, "commit", "--quiet", "-am", "Work in a folder")
    workspace = await world.prepare()
    (workspace.path / "slow/z.slow").unlink()
    world.commit(workspace, {"z.slow": b"as it shall be\n"}, "Work")
    await world.hand_off(workspace, await world.collect(workspace))
    before, files = world.picture(), world.files()
    world.stop_with(KILL_GIT)
    ran = world.apply()
    assert ran.status == 1
    assert "and nothing was changed: `git merge` failed" in said(ran)
    assert (world.picture(), world.files()) == (before, files)


async def test_what_was_cut_off_in_one_checkout_is_kept_while_another_is_worked_in(world: CutOff):
    await world.deliver_changes()
    world.cut_off()
    linked = world.source.parent / "linked"
    git(world.source, "worktree", "add", "--quiet", "-b", "other", str(linked), world.start)
    workflow = world.source / "WORKFLOW.md"
    here = workflow.read_bytes()
    workflow.write_text(f"---\nworkspace: {{source: {linked}}}\nsandbox: local\n---\n")
    assert world.apply().status == 0
    workflow.write_bytes(here)
    assert world.apply().status == 0
    assert git(world.source, "status", "--porcelain") == ""
    assert git(world.source, "rev-parse", "HEAD^{tree}") == git(linked, "rev-parse", "HEAD^{tree}")


async def test_what_a_filter_hides_from_git_stays(world: CutOff):
    git(world.source, "config", "filter.strip.clean", "grep -v OUTPUT")
    write_files(world.source, {".gitattributes": b"*.slow filter=stop\nREADME.md filter=strip\n"})
    git(world.source, "commit", "--quiet", "-am", "Strip outputs")
    await world.deliver_changes()
    world.cut_off()
    with_output = CHANGES["README.md"] + b"OUTPUT\n"
    (world.source / "README.md").write_bytes(with_output)
    assert "there are changes of yours in it: README.md." in said(world.apply())
    assert (world.source / "README.md").read_bytes() == with_output


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
        f"symphony: {world.source} is half way between two commits, since a `symphony apply` was ended in its"
        " middle, and could not be brought back:"
        f" `git checkout-index` failed in {world.source}: "
    )
    assert said(ran).endswith(
        "smudge filter stop failed Mend what git names; then `symphony apply` takes back what is half done."
    )
    (world.source / ".git" / "index.lock").unlink(missing_ok=True)
    git(world.source, "config", "--remove-section", "filter.stop")
    assert world.apply().status == 0
    assert git(world.source, "rev-parse", "HEAD^{tree}") == tree
    assert git(world.source, "status", "--porcelain") == ""


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
