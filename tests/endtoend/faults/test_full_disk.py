"""A disk that is full, under each thing that the daemon writes: it says so, waits, and loses nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.endtoend.faults.project import TEXT, FaultProject
from tests.support.mounts import fill, make_room, small_disk
from tests.support.project import BOUND_S

pytestmark = pytest.mark.timeout(240)

# what is on the small disk; where the agent is while it fills up; what a person is told meanwhile
PLACES = {
    "workspaces": (".symphony/workspaces", "committed", "disk is full|No space left"),
    "patches": (".symphony/patches", "worked", "disk is full"),
    "logs": (".symphony/logs", "prompted", "run log .* cannot be written"),
    "issues": ("issues", "worked", "disk is full|No space left"),
    "everything": (".symphony", "prompted", "no room left on the disk"),
}


@contextmanager
def on_small_disk(project: FaultProject, folder: str) -> Iterator[None]:
    with small_disk(project.root / folder):
        (project.root / "issues/Todo").mkdir(exist_ok=True)
        yield


@pytest.mark.parametrize("place", PLACES)
def test_a_disk_that_fills_up_is_told_of_and_the_work_goes_on_when_there_is_room(
    make_project, undisturbed, place
):
    folder, point, told = PLACES[place]
    project = make_project()
    with on_small_disk(project, folder):
        project.drop("1", TEXT)
        # a full disk under the logs stops no work: all would be over before anybody had looked
        points = (point, "done") if place == "logs" else (point,)
        for each in points:
            project.hold_at(each)
        with project.ready("--until-idle") as daemon:
            project.until(lambda: project.is_held_at(point), daemon)
            fill(project.root / folder)
            project.release(point)
            project.until(lambda: project.tells(told), daemon)
            make_room(project.root / folder)
            for each in points[1:]:
                project.release(each)
            status = daemon.wait(BOUND_S)
        assert project.end(status) == undisturbed


@pytest.mark.parametrize("place", ["workspaces", "everything"])
def test_a_disk_that_is_nearly_full_is_told_of_and_the_work_begins_when_there_is_room(
    make_project, undisturbed, place
):
    folder, _, _ = PLACES[place]
    project = make_project(retention={"min_free_mib": 4}, polling={"interval_ms": 200})
    (project.root / "issues/Todo/1.md").unlink()
    with small_disk(project.root / folder), project.ready() as daemon:
        fill(project.root / folder, leave_bytes=2 << 20)
        project.drop("1", TEXT)
        project.until(lambda: project.tells("waits for disk space"), daemon)
        make_room(project.root / folder)
        project.until(project.is_over, daemon)
        status = project.stop(daemon)
        assert project.end(status) == undisturbed
