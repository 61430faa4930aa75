"""A clock that jumps while the daemon runs or is down, and a machine that sleeps for an hour."""

import signal

import pytest

from tests.support.project import BOUND_S

HOUR_S = 3600.0
JUMPS = {"forward": HOUR_S, "back": -HOUR_S}


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
@pytest.mark.parametrize("point", ["prompted", "done"])
def test_a_clock_that_jumps_in_a_turn_changes_nothing(make_project, undisturbed, point, jump):
    project = make_project()
    clock = project.clock()
    project.hold_at(point)
    with project.ready("--until-idle", environment=clock.variables) as daemon:
        project.until(lambda: project.is_held_at(point), daemon)
        clock.set_wrong(seconds=jump)
        project.release(point)
        status = daemon.wait(BOUND_S)
    assert project.end(status) == undisturbed
    assert len(project.ends()) == 1


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_jumps_while_the_daemon_is_down_delays_no_work(make_project, undisturbed, jump):
    project = make_project(agent={"max_retry_backoff_ms": 10_000})
    clock = project.clock()
    project.kill_at("prompted")
    with project.ready(environment=clock.variables) as daemon:
        project.until(lambda: project.state_now()["retrying"], daemon)
        daemon.kill()
        daemon.wait(BOUND_S)
    clock.set_wrong(seconds=jump)
    assert project.end(project.finish(**clock.variables)) == undisturbed


@pytest.mark.parametrize("point", ["session", "prompted", "worked", "done"])
def test_a_daemon_that_wakes_after_an_hour_ends_what_it_had_begun(make_project, undisturbed, point):
    project = make_project()
    clock = project.clock()
    project.hold_at(point)
    with project.ready("--until-idle", environment=clock.variables) as daemon:
        project.until(lambda: project.is_held_at(point), daemon)
        awake = project.hour_of_daemon()
        daemon.send_signal(signal.SIGSTOP)
        clock.suspend(seconds=HOUR_S)
        daemon.send_signal(signal.SIGCONT)
        project.until(lambda: project.hour_of_daemon() > awake, daemon)
        project.release(point)
        status = daemon.wait(BOUND_S)
    assert project.end(status) == undisturbed
    assert [end["outcome"] for end in project.ends()] == ["delivered"]
