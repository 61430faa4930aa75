"""A daemon that may open no more files says so, loses nothing, and goes on when it may again."""

import resource

import pytest

from tests.support.project import BOUND_S

FEW = 64


def test_a_daemon_with_few_descriptors_delivers_like_any_other(make_project, undisturbed):
    project = make_project()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    prefix = ("sh", "-c", f'ulimit -n {FEW} && exec "$@"', "sh")
    assert hard == resource.RLIM_INFINITY or hard >= FEW
    with project.process("--until-idle", prefix=prefix) as daemon:
        status = daemon.wait(BOUND_S)
    assert project.end(status) == undisturbed


@pytest.mark.parametrize("point", ["session", "prompted", "worked"])
def test_a_daemon_that_runs_out_of_descriptors_says_so_and_goes_on_when_it_has_some(
    make_project, undisturbed, point
):
    project = make_project()
    project.hold_at(point)
    with project.ready("--until-idle") as daemon:
        project.until(lambda: project.is_held_at(point), daemon)
        soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (0, hard))
        project.release(point)
        project.until(lambda: "Too many open files" in project.told_in_files(), daemon)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))
        status = daemon.wait(BOUND_S)
    assert project.end(status) == undisturbed
