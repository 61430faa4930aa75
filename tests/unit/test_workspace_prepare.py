"""Making real workspaces: where they come from, what is refused, what a crash leaves."""

import asyncio
import errno
import os
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from symphony.core.installation import Installation
from symphony.core.settings import HooksSettings, Settings, WorkspaceSettings
from symphony.workspace.clone import MANY
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.folder import MAKING, REMOVING, hidden_name
from symphony.workspace.records import Record, Records
from symphony.workspace.source import Source
from symphony.workspace.workspaces import GitWorkspaces
from tests.support.git_project import GitWorld, git, make_issue, make_project, write_files
from tests.support.mounts import small_disk

BOUND_S = 30.0


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path)


def with_workspace(**values: object) -> Settings:
    return Settings(workspace=WorkspaceSettings.model_validate(values))


async def refusal(world: GitWorld, settings: Settings, issue_id: str = "12") -> WorkspaceError:
    with pytest.raises(WorkspaceError) as caught:
        await world.workspaces.prepare(make_issue(issue_id), settings, {})
    return caught.value


async def test_the_current_branch_of_the_source_is_the_base(world: GitWorld) -> None:
    git(world.source, "switch", "--quiet", "--create", "feature/tea")
    write_files(world.source, {"tea.txt": b"tea\n"})
    git(world.source, "add", "tea.txt")
    git(world.source, "commit", "--quiet", "-m", "Tea")

    workspace = await world.prepare()

    assert workspace.base == "feature/tea"
    assert workspace.base_commit == git(world.source, "rev-parse", "HEAD")
    assert (workspace.path / "tea.txt").exists()
    assert git(workspace.path, "branch", "--show-current") == "agent/12"
    assert git(workspace.path, "status", "--porcelain") == ""


async def test_the_configured_base_may_be_a_branch_a_tag_a_remote_branch_or_a_commit(world: GitWorld) -> None:
    first = git(world.source, "rev-parse", "HEAD")
    git(world.source, "tag", "--annotate", "v1", "-m", "One")
    git(world.source, "branch", "old")
    git(world.source, "update-ref", "refs/remotes/origin/upstream", "HEAD")
    write_files(world.source, {"later.txt": b"x\n"})
    git(world.source, "add", "later.txt")
    git(world.source, "commit", "--quiet", "-m", "Later")

    for number, base in enumerate(["old", "v1", "origin/upstream", "refs/heads/old", first, first[:10]]):
        workspace = await world.workspaces.prepare(make_issue(str(number)), with_workspace(base=base), {})
        assert (workspace.base, workspace.base_commit) == (base, first)
        assert not (workspace.path / "later.txt").exists()


async def test_a_branch_that_stands_for_another_is_a_base_by_its_own_name(world: GitWorld) -> None:
    git(world.source, "symbolic-ref", "refs/heads/trunk", "refs/heads/main")

    workspace = await world.workspaces.prepare(make_issue(), with_workspace(base="trunk"), {})

    assert (workspace.base, workspace.base_commit) == ("trunk", git(world.source, "rev-parse", "main"))


@pytest.mark.parametrize(
    "base",
    [
        "main~1",
        "main^",
        "main@{0}",
        "main@{upstream}",
        "old..main",
        "main^{tree}",
        "-main",
        "main ",
        "main\nold",
    ],
)
async def test_what_only_git_understands_as_a_revision_is_no_base(world: GitWorld, base: str) -> None:
    git(world.source, "branch", "old")
    git(world.source, "branch", "--quiet", "--set-upstream-to", "old")
    git(world.source, "commit", "--quiet", "--allow-empty", "-m", "Later")

    error = await refusal(world, with_workspace(base=base))

    assert error.code == "workspace.base_not_found"
    assert f" has no branch '{base}'. " in str(error)


@pytest.mark.parametrize("tagged", [True, False])
async def test_a_branch_with_a_name_as_long_as_a_ref_is_not_taken_for_what_was_named(
    world: GitWorld, tagged: bool
) -> None:
    first = git(world.source, "rev-parse", "HEAD")
    if tagged:
        git(world.source, "tag", "v1")
    git(world.source, "commit", "--quiet", "--allow-empty", "-m", "Later")
    git(world.source, "update-ref", "refs/heads/refs/heads/v1", "HEAD")

    if tagged:
        workspace = await world.workspaces.prepare(make_issue(), with_workspace(base="v1"), {})
        assert workspace.base_commit == first
    else:
        assert (await refusal(world, with_workspace(base="v1"))).code == "workspace.base_not_found"


async def test_a_first_commit_without_its_parents_is_no_base(world: GitWorld) -> None:
    error = await refusal(world, with_workspace(base="main^!"))

    assert error.code == "workspace.base_not_found"


async def test_a_branch_called_head_is_not_where_an_unborn_branch_starts(world: GitWorld) -> None:
    git(world.source, "update-ref", "refs/heads/HEAD", "HEAD")
    git(world.source, "switch", "--quiet", "--orphan", "unborn")

    error = await refusal(world, Settings())

    assert error.code == "workspace.base_not_found"
    assert "has no commit on its current branch" in error.message


async def test_the_base_of_a_source_on_this_machine_is_read_without_a_connection(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrapper = tmp_path / "bin/git"
    wrapper.parent.mkdir()
    real = shutil.which("git")
    wrapper.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")

    await world.prepare()
    await world.workspaces.prepare(make_issue("13"), with_workspace(base="main"), {})

    asked = (tmp_path / "asked").read_text()
    assert "rev-parse" in asked
    assert "ls-remote" not in asked


async def test_a_detached_head_is_a_base(world: GitWorld) -> None:
    git(world.source, "switch", "--quiet", "--detach")

    workspace = await world.prepare()

    assert workspace.base == workspace.base_commit[:12]
    assert git(workspace.path, "branch", "--show-current") == "agent/12"


async def test_a_linked_worktree_and_a_folder_below_are_sources(world: GitWorld, tmp_path: Path) -> None:
    git(world.source, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "deep").mkdir()

    for number, source in enumerate([tmp_path / "side", tmp_path / "side" / "deep"]):
        workspace = await world.workspaces.prepare(
            make_issue(str(number)), with_workspace(source=str(source)), {}
        )
        assert workspace.base == "side"


async def test_a_url_is_a_source(world: GitWorld) -> None:
    settings = with_workspace(source=f"file://{world.source}")

    workspace = await world.workspaces.prepare(make_issue(), settings, {})

    assert workspace.base == "main"


async def test_tags_come_along_because_builds_take_versions_from_them(world: GitWorld) -> None:
    git(world.source, "tag", "v1.2.3")

    workspace = await world.prepare()

    assert git(workspace.path, "describe", "--tags") == "v1.2.3"


async def test_the_users_name_commits_in_the_workspace(world: GitWorld) -> None:
    workspace = await world.prepare()

    assert git(workspace.path, "config", "user.name") == "A Person"
    assert git(workspace.path, "config", "user.email") == "person@example.org"


@pytest.mark.parametrize(
    "name", ['Ada "A" \\ Lovelace', "A # comment ; here", "[user]", "Ünï=cödé\ttab", "x\ny"]
)
async def test_a_name_is_taken_over_whatever_is_in_it(world: GitWorld, name: str) -> None:
    git(world.source, "config", "user.name", name)

    workspace = await world.prepare()

    assert git(workspace.path, "config", "user.name") == name
    assert git(workspace.path, "config", "user.email") == "person@example.org"


async def test_of_two_names_the_last_one_counts_as_with_git(world: GitWorld) -> None:
    git(world.source, "config", "--add", "user.name", "Another Person")

    workspace = await world.prepare()

    assert git(workspace.path, "config", "user.name") == "Another Person"


async def test_without_a_users_name_symphonys_agent_commits(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(world.source, "config", "--unset", "user.name")
    git(world.source, "config", "--unset", "user.email")

    workspace = await world.prepare()

    assert git(workspace.path, "config", "user.name") == "symphony agent"


async def test_a_source_that_does_not_exist_is_named(world: GitWorld, tmp_path: Path) -> None:
    error = await refusal(world, with_workspace(source=str(tmp_path / "nowhere")))

    assert error.code == "workspace.source_missing"
    assert str(error) == (
        f"workspace.source {tmp_path}/nowhere does not exist. "
        "Set workspace.source to the folder of a git repository."
    )


async def test_a_source_that_is_no_repository_is_named(world: GitWorld, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()

    error = await refusal(world, with_workspace(source=str(tmp_path / "plain")))

    assert error.code == "workspace.source_not_a_repository"
    assert str(error) == (
        f"workspace.source {tmp_path}/plain is not a git repository. "
        "Run `git init` there and make a first commit, or set workspace.source."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to another user")
async def test_a_source_of_another_user_is_not_read_before_it_is_trusted(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    stranger = make_project(tmp_path / "stranger")
    for path in (stranger, stranger / ".git"):
        os.chown(path, 65534, 65534)

    error = await refusal(world, with_workspace(source=str(stranger)))

    assert error.code == "workspace.source_not_trusted"
    assert error.message == (
        f"workspace.source {stranger} belongs to another user, so that git does not read it."
    )
    told = error.remedy.removeprefix("If you trust it: ")
    assert told == (
        f"git config --global --add safe.directory '{stranger}'"
        f" && git config --global --add safe.directory '{stranger}/.git'"
    )
    subprocess.run(["sh", "-c", told], check=True)
    assert await Source(str(stranger), tmp_path).own_git.line("rev-parse", "HEAD")
    assert (await world.workspaces.prepare(make_issue(), with_workspace(source=str(stranger)), {})).created


async def test_a_broken_source_is_not_taken_for_the_repository_around_it(world: GitWorld) -> None:
    inner = world.source / "inner"
    (inner / ".git").mkdir(parents=True)

    error = await refusal(world, with_workspace(source=str(inner)))

    assert error.code == "workspace.source_not_a_repository"
    assert error.message == f"workspace.source {inner} is not a git repository."


async def test_a_source_without_commits_is_named(world: GitWorld, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "empty")

    for base in (None, "main"):
        error = await refusal(world, with_workspace(source=str(tmp_path / "empty"), base=base))
        assert error.code == "workspace.source_empty"
        assert str(error) == (
            f"workspace.source {tmp_path}/empty has no commits yet. "
            "Make a first commit in it; an agent needs something to start from."
        )


async def test_a_base_that_does_not_exist_is_answered_with_the_nearest(world: GitWorld) -> None:
    for name in ("develop", "release"):
        git(world.source, "branch", name)

    error = await refusal(world, with_workspace(base="devlop"))

    assert error.code == "workspace.base_not_found"
    assert str(error) == (
        f"workspace.source {world.source} has no branch 'devlop'. Did you mean 'develop'? "
        "Set workspace.base to one of its branches: 'develop', 'main', 'release'."
    )


async def test_a_current_branch_without_commits_is_answered_with_the_others(world: GitWorld) -> None:
    git(world.source, "switch", "--quiet", "--orphan", "unborn")

    error = await refusal(world, Settings())

    assert error.code == "workspace.base_not_found"
    assert str(error) == (
        f"workspace.source {world.source} has no commit on its current branch. "
        "Set workspace.base to one of its branches: 'main'."
    )


async def test_a_url_that_cannot_be_read_is_shown_without_its_password(
    world: GitWorld, tmp_path: Path
) -> None:
    error = await refusal(world, with_workspace(source=f"file://me:secret@{tmp_path}/nowhere"))

    assert error.code == "workspace.source_unreadable"
    assert error.message.startswith(f"workspace.source file://{tmp_path}/nowhere cannot be read: ")
    assert error.remedy == "Check that `git ls-remote` works with it for the user that runs symphony."
    assert "secret" not in str(error)


async def test_a_folder_that_symphony_did_not_make_is_left_alone(world: GitWorld) -> None:
    place = world.installation.root / "workspaces" / "12"
    write_files(place, {"mine.txt": b"mine\n"})

    error = await refusal(world, Settings())

    assert error.code == "workspace.not_ours"
    assert str(error) == (
        f"{place} exists and was not made by this symphony. "
        "Look what is in it and move it away, then retry the issue."
    )
    assert (place / "mine.txt").exists()


async def test_a_symlink_in_the_place_of_a_new_workspace_is_refused(world: GitWorld, tmp_path: Path) -> None:
    place = world.installation.root / "workspaces" / "12"
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path)

    error = await refusal(world, Settings())

    assert error.code == "workspace.not_a_folder"
    assert place.is_symlink()


@pytest.mark.parametrize(
    "root", [".git/workspaces", ".symphony/host.git", ".symphony/host.git/objects", "README.md"]
)
async def test_a_root_inside_a_repository_or_that_is_a_file_is_refused(world: GitWorld, root: str) -> None:
    error = await refusal(world, with_workspace(root=world.source / root))

    assert error.code == "workspace.root_invalid"
    assert error.message.startswith(f"workspace.root {world.source / root} ")
    assert error.remedy == "Set workspace.root to a folder of its own."


async def test_ids_that_try_to_leave_the_root_stay_below_it(world: GitWorld) -> None:
    root = (world.installation.root / "workspaces").resolve()

    for issue_id in ("../../x", "/etc", "..", "a/b", "~", "-rf", "x\0y", "."):
        workspace = await world.prepare(issue_id)
        assert workspace.path.parent == root
        assert workspace.path.resolve() == workspace.path


async def test_a_misspelt_source_makes_nothing(world: GitWorld, tmp_path: Path) -> None:
    await refusal(world, with_workspace(source=str(tmp_path / "nowhere")))

    assert not world.host.exists()


async def test_what_a_dead_attempt_began_of_this_workspace_is_no_hindrance(world: GitWorld) -> None:
    workspace = await world.prepare("13")
    begun = hidden_name(workspace.path.parent, world.installation.root, MAKING, "12")
    write_files(begun, {".git/HEAD": b"nonsense", "half.txt": b"half\n"})

    workspace = await world.prepare()

    assert not (workspace.path / "half.txt").exists()
    assert not begun.exists()


@pytest.mark.parametrize("how", ["fails", "is given up"])
async def test_no_late_record_comes_over_that_of_the_next_attempt(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The record is written beside the clone, in a thread that nobody can stop."""
    writing, go_on = threading.Event(), threading.Event()
    write = Records.write

    def slow(records: Records, record: Record) -> None:
        writing.set()
        assert go_on.wait(BOUND_S)
        write(records, record)

    async def fail(*_: object) -> None:
        assert await asyncio.to_thread(writing.wait, BOUND_S)
        if how == "fails":
            raise WorkspaceError("The clone failed.", code="workspace.git_failed")
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write", slow)
        patch.setattr("symphony.workspace.making.fill_clone", fail)
        preparing = asyncio.create_task(world.prepare())
        assert await asyncio.to_thread(writing.wait, BOUND_S)
        if how == "is given up":
            preparing.cancel()
        ended, _ = await asyncio.wait({preparing}, timeout=1.0)
        go_on.set()
        await asyncio.wait({preparing}, timeout=BOUND_S)

    assert not ended
    assert preparing.cancelled() or preparing.exception()
    workspace = await world.prepare()
    assert await GitWorkspaces(world.installation).find("12", world.settings) == replace(
        workspace, created=False
    )


async def test_a_workspace_that_was_half_made_is_made_again(world: GitWorld) -> None:
    """The daemon died in after_create: the record does not say that the workspace is ready."""
    workspace = await world.prepare()
    record = world.installation.root / "workspace-records" / "12.json"
    record.write_text(record.read_text().replace('"ready": true', '"ready": false'))
    write_files(workspace.path, {"half.txt": b"half\n"})
    for purpose, key in ((MAKING, "12"), (REMOVING, "9")):
        write_files(hidden_name(workspace.path.parent, world.installation.root, purpose, key), {"x": b"x"})
    restarted = GitWorkspaces(world.installation)

    assert await restarted.find("12", world.settings) is None
    again = await restarted.prepare(make_issue(), world.settings, {})

    assert again.created
    assert not (again.path / "half.txt").exists()
    assert sorted(path.name for path in again.path.parent.iterdir()) == ["12"]


async def test_a_workspace_whose_record_cannot_be_written_is_not_left_for_somebody_elses(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = world.installation.root / "workspaces"

    def full(path: Path, content: bytes) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("symphony.workspace.records.write_durably", full)
        error = await refusal(world, Settings())

    assert error.code == "workspace.disk_full"
    assert [*place.iterdir()] == []
    assert (await world.prepare()).created


async def test_a_disk_that_fills_up_under_many_files_is_said_and_nothing_half_made_stays(
    tmp_path: Path,
) -> None:
    world = GitWorld(tmp_path, {f"{number}.txt": b"x\n" * 500 for number in range(2 * MANY)})
    root = tmp_path / "root"

    with small_disk(root, mib=6, files=4 * MANY):
        error = await refusal(world, with_workspace(root=root))
        left = [*root.iterdir()]

    assert error.code == "workspace.disk_full"
    assert str(error).endswith("the disk is full. Free some space; symphony tries again by itself.")
    assert left == []


async def test_many_files_are_all_written_and_git_finds_no_change_in_them(tmp_path: Path) -> None:
    files = {f"{number % 7}/{number}.txt": b"%d\n" % number for number in range(2 * MANY)}
    world = GitWorld(tmp_path, files)

    workspace = await world.prepare()

    assert {name: (workspace.path / name).read_bytes() for name in files} == files
    assert git(workspace.path, "status", "--porcelain") == ""


async def test_a_workspace_outlives_a_restart_and_a_new_root(world: GitWorld, tmp_path: Path) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"work.txt": b"work\n"})
    restarted = GitWorkspaces(Installation(world.installation.root))

    again = await restarted.prepare(make_issue(), with_workspace(root=tmp_path / "other"), {})

    assert (again.path, again.created) == (workspace.path, False)
    assert (again.path / "work.txt").exists()


async def test_the_lock_of_a_killed_git_does_not_stop_the_next_attempt(world: GitWorld) -> None:
    workspace = await world.prepare()
    (workspace.path / ".git" / "index.lock").touch()
    await world.prepare()
    write_files(workspace.path, {"work.txt": b"work\n"})
    git(workspace.path, "add", "work.txt")
    git(workspace.path, "commit", "--quiet", "-m", "Work")


async def test_no_lock_is_deleted_behind_a_link_that_a_guest_has_put(world: GitWorld, tmp_path: Path) -> None:
    workspace = await world.prepare()
    victim = tmp_path / "victim"
    (workspace.path / ".git").rename(victim)
    (victim / "index.lock").touch()
    (workspace.path / ".git").symlink_to(victim)
    await world.prepare()
    assert (victim / "index.lock").exists()


async def test_an_unreadable_record_is_never_guessed(world: GitWorld) -> None:
    await world.prepare()
    record = world.installation.root / "workspace-records" / "12.json"
    record.write_text("{")

    error = await refusal(world, Settings())

    assert error.code == "workspace.record_unreadable"
    assert error.message.startswith(f"{record} cannot be read: ")
    assert error.remedy == "Restore it from a backup; without it symphony does not touch the workspace."


async def test_after_create_runs_in_the_new_workspace_with_its_names(world: GitWorld) -> None:
    script = "env | sort > env.txt; pwd > where.txt"
    settings = Settings(hooks=HooksSettings(after_create=script))

    workspace = await world.workspaces.prepare(make_issue(), settings, {"SYMPHONY_ISSUE_ID": "12"})

    seen = (workspace.path / "env.txt").read_text()
    for line in (
        "SYMPHONY_ISSUE_ID=12",
        f"SYMPHONY_WORKSPACE={workspace.path}",
        "SYMPHONY_BRANCH=agent/12",
        f"SYMPHONY_BASE={workspace.base_commit}",
        f"SYMPHONY_REPO_DIR={world.source}",
    ):
        assert f"{line}\n" in seen
    assert (workspace.path / "where.txt").read_text() == f"{workspace.path}\n"


async def test_no_file_of_a_workspace_is_shared_with_the_hosts_repository(world: GitWorld) -> None:
    workspace = await world.prepare()

    shared = [path for path in workspace.path.rglob("*") if path.is_file() and path.stat().st_nlink > 1]

    assert shared == []
    host = {(path.stat().st_dev, path.stat().st_ino) for path in world.host.rglob("*")}
    assert not host & {(path.stat().st_dev, path.stat().st_ino) for path in workspace.path.rglob("*")}
