"""The daemon is killed while work boards the merge train, and it boards exactly once."""

import os
import shutil
import signal

import pytest

from tests.endtoend.faults.project import FaultProject
from tests.support.project import BOUND_S, git

TRAIN = "symphony/train"
POINTS = tuple(
    f"{action}:{moment}"
    for action in ("board_train", "move_issue", "hand_off")
    for moment in ("intended", "performed", "fulfilled")
)


@pytest.fixture
def project(make_project):
    """A project whose finished work boards."""
    project = make_project()
    project.configure(**project.sections, **RIDES)
    return project


RIDES = {"merge_train": {"branch": TRAIN}, "checks": [{"name": "both", "run": "test -e two.txt"}]}


def aboard(project: FaultProject) -> list[str]:
    return git(project.root, "log", "--first-parent", "--format=%s", f"main..{TRAIN}").splitlines()


@pytest.mark.parametrize("point", POINTS)
def test_work_boards_once_when_the_daemon_is_killed_around_it(project, undisturbed, point):
    with project.process("--until-idle", environment={"SYMPHONY_FAULT_KILL": point}) as daemon:
        assert daemon.wait(BOUND_S) == -signal.SIGKILL, project.said()
    assert project.end(project.finish()) == undisturbed
    assert aboard(project) == ["Merge issue 1: Add two files"]
    assert project.turns() == 1


@pytest.mark.parametrize("point", ["board_train:performed", "board_train:fulfilled"])
def test_work_is_found_aboard_when_others_have_boarded_after_it(project, undisturbed, point):
    with project.process("--until-idle", environment={"SYMPHONY_FAULT_KILL": point}) as daemon:
        assert daemon.wait(BOUND_S) == -signal.SIGKILL, project.said()
    other = git(project.root, "commit-tree", f"{TRAIN}^{{tree}}", "-p", TRAIN, "-m", "By a person")
    git(project.root, "update-ref", f"refs/heads/{TRAIN}", other)
    assert project.end(project.finish()) == undisturbed
    assert aboard(project) == ["By a person", "Merge issue 1: Add two files"]


# stands before git on PATH: what moves the train is killed the first time, before or after it has
KILLS = """#!/bin/sh
case "$*" in
*update-ref*refs/heads/symphony/train*)
    if mkdir {folder}/met 2>/dev/null; then
        [ {when} = before ] || {git} "$@"
        kill -KILL $$
    fi
    ;;
esac
exec {git} "$@"
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_work_boards_once_when_the_git_that_moves_the_train_is_killed(project, undisturbed, when):
    folder = project.place / "wrapped"
    folder.mkdir()
    (folder / "git").write_text(KILLS.format(folder=folder, when=when, git=shutil.which("git")))
    (folder / "git").chmod(0o755)
    status = project.finish(PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert project.end(status) == undisturbed
    assert (folder / "met").exists()
    assert [end["outcome"] for end in project.ends()] == ["workspace.git_failed", "delivered"]
    assert aboard(project) == ["Merge issue 1: Add two files"]


def test_a_lock_on_the_train_is_said_and_the_work_boards_once_it_is_gone(project, undisturbed):
    lock = project.root / ".git" / "refs" / "heads" / "symphony" / "train.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with project.ready() as daemon:
        project.until(lambda: project.tells(r"git does not move symphony/train: .*train\.lock"), daemon)
        lock.unlink()
        project.until(project.is_over, daemon)
        status = project.stop(daemon)
    assert project.end(status) == undisturbed
    assert aboard(project) == ["Merge issue 1: Add two files"]
