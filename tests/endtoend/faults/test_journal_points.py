"""The daemon is killed at each point of its journal, and the next one brings the same end."""

import signal
from contextlib import suppress

import pytest

from tests.endtoend.faults.project import TEXT, names_in
from tests.support.project import BOUND_S

ACTIONS = ("prepare_workspace", "start_sandbox", "import_branch", "move_issue", "hand_off", "clean_up")
MOMENTS = ("intended", "performed", "fulfilled")
POINTS = tuple(f"{action}:{moment}" for action in ACTIONS for moment in MOMENTS)


def kill_at(project, point):
    with project.process("--until-idle", environment={"SYMPHONY_FAULT_KILL": point}) as daemon:
        assert daemon.wait(BOUND_S) == -signal.SIGKILL, project.said()


def test_these_are_all_the_points_that_a_run_passes(make_project):
    project = make_project()
    points = project.place / "points"
    assert project.finish(SYMPHONY_FAULT_POINTS=str(points)) == 0
    assert points.read_text().splitlines() == list(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_a_daemon_killed_at_a_point_of_its_journal_is_followed_by_one_that_brings_the_same_end(
    make_project, undisturbed, point
):
    project = make_project()
    kill_at(project, point)
    assert project.end(project.finish()) == undisturbed
    assert project.turns() <= 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("prepare_workspace:performed", "left_open:performed"),
        ("clean_up:intended", "left_open:performed"),
        ("clean_up:intended", "left_open:fulfilled"),
    ],
)
def test_a_daemon_killed_while_it_recovers_is_followed_by_one_that_brings_the_same_end(
    make_project, undisturbed, first, second
):
    project = make_project()
    kill_at(project, first)
    kill_at(project, second)
    assert project.end(project.finish()) == undisturbed


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_daemon_killed_while_it_discards_is_followed_by_one_that_has_discarded(make_project, moment):
    project = make_project()
    project.hold_at("committed")
    point = f"discard_workspace:{moment}"
    with project.ready(environment={"SYMPHONY_FAULT_KILL": point}) as daemon:
        project.until(lambda: project.is_held_at("committed"), daemon)
        project.ask("cancel")
        project.until(lambda: not project.state_now()["running"], daemon)
        with suppress(OSError):  # nobody is left to answer
            project.ask("discard")
        assert daemon.wait(BOUND_S) == -signal.SIGKILL, project.said()
    with project.ready() as daemon:
        project.until(lambda: names_in(project.root / ".symphony/workspaces") == (), daemon)
        status = project.stop(daemon)
    end = project.end(status)
    assert (end.status, end.state, end.text) == (0, "Todo", TEXT.encode())
    assert (end.workspaces, end.scratch, end.processes, end.intents) == ((), (), (), 0)
    assert (end.delivered, end.patches) == (0, 0)
