"""The daemon is killed while work boards the merge train, and it boards exactly once."""

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
