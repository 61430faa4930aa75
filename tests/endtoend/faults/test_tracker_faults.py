"""An issues folder that may not be written, that reports more than the system keeps, or nothing."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.endtoend.faults.project import TEXT
from tests.support.mounts import mount, small_disk
from tests.support.project import BOUND_S

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
NEVER_POLLS = {"interval_ms": 3_600_000}  # what is found then was not found by looking at everything
POLLS = {"interval_ms": 200}
REFUSE = 'echo 0 > /proc/sys/user/{limit} && exec "$@"'  # in a user namespace of its own


def bound_by_modes() -> tuple[str, ...]:
    """Return what starts a program that may not write where the modes say no, even for root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root writes everywhere, and this machine has no `setpriv`")
    return ("setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override")


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write in a folder and in those inside it."""
    folders = [folder, *(path for path in folder.iterdir() if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    yield
    for path in folders:
        path.chmod(0o755)


def test_an_issues_folder_that_turns_read_only_is_told_of_and_the_work_is_delivered_later(
    make_project, undisturbed
):
    project = make_project()
    project.hold_at("worked")
    with project.ready("--until-idle", prefix=bound_by_modes()) as daemon:
        project.until(lambda: project.is_held_at("worked"), daemon)
        with read_only(project.root / "issues"):
            project.release("worked")
            project.until(lambda: project.tells("Permission denied"), daemon)
            assert project.state_of("1") == "Todo"
        status = daemon.wait(BOUND_S)
    assert project.end(status) == undisturbed
    assert project.turns() == 1


def test_an_issue_is_found_at_once_though_more_happened_than_the_system_keeps(make_project, undisturbed):
    project = make_project(polling=NEVER_POLLS)
    (project.root / "issues/Todo/1.md").unlink()
    noise = project.root / "issues/Todo/.noise"
    with project.ready() as daemon:
        project.until(lambda: project.state_now()["status"] not in ("working", "starting"), daemon)
        daemon.send_signal(signal.SIGSTOP)
        for _ in range(int(QUEUE.read_text()) // 3 + 1000):  # made, closed and deleted
            noise.touch()
            noise.unlink()
        project.drop("1", TEXT)
        daemon.send_signal(signal.SIGCONT)
        project.until(project.is_over, daemon)
        status = project.stop(daemon)
    assert project.end(status) == undisturbed


def without_inotify(limit: str) -> tuple[str, ...]:
    """Return what starts a program that the system refuses this of inotify."""
    prefix = ("unshare", "--user", "--map-root-user", "sh", "-c", REFUSE.format(limit=limit), "sh")
    tried = shutil.which("unshare") and subprocess.run(
        [*prefix, "true"], capture_output=True, timeout=BOUND_S
    )
    if not tried or tried.returncode != 0:
        pytest.skip("this machine gives no user namespace, in which alone inotify is refused")
    return prefix


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_an_issue_is_found_by_looking_where_the_system_reports_nothing(make_project, undisturbed, limit):
    project = make_project(polling=POLLS)
    (project.root / "issues/Todo/1.md").unlink()
    with project.ready(prefix=without_inotify(limit)) as daemon:
        project.drop("1", TEXT)
        project.until(project.is_over, daemon)
        status = project.stop(daemon)
    assert project.end(status) == undisturbed


def test_an_issue_that_appears_below_an_overlay_is_found_by_the_look_of_every_ten_minutes(
    make_project, undisturbed, tmp_path
):
    project = make_project(polling=POLLS)
    layers = tmp_path / "layers"
    with small_disk(layers):
        for name in ("lower/Todo", "upper", "work"):
            (layers / name).mkdir(parents=True)
        options = f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work"
        mount("-t", "overlay", "overlay", "-o", options, str(project.root / "issues"))
        try:
            clock = project.clock()
            with project.ready(environment=clock.variables) as daemon:
                project.until(lambda: project.state_now()["status"] not in ("working", "starting"), daemon)
                (layers / "lower/Todo/1.md").write_text(TEXT)
                clock.suspend(seconds=601)
                project.until(project.is_over, daemon)
                status = project.stop(daemon)
            assert project.end(status) == undisturbed
        finally:
            subprocess.run(["umount", "--lazy", str(project.root / "issues")], check=True, timeout=BOUND_S)
