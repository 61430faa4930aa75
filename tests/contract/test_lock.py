"""One daemon for an installation and for a tracker, whatever becomes of the first."""

import fcntl
import json
import os
import platform
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.installation import Installation
from symphony.host.lock import DaemonLock, DaemonRunning, LockError, hold, publish_daemon, read_daemon

STARTED = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
DAEMON = """
import subprocess, sys
from datetime import UTC, datetime
from pathlib import Path
from symphony.core.installation import Installation
from symphony.host.lock import DaemonLock, hold, publish_daemon

installation = Installation(Path(sys.argv[1]))
with hold(DaemonLock(installation, Path(sys.argv[2]), datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC))):
    publish_daemon(installation, "http://127.0.0.1:4000")
    child = subprocess.Popen(["sleep", "1000"])
    print(child.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "project" / ".symphony")


@pytest.fixture
def tracker_root(tmp_path: Path) -> Path:
    return tmp_path / "issues"


def lock_of(installation: Installation, tracker_root: Path) -> DaemonLock:
    return DaemonLock(installation, tracker_root, STARTED)


@contextmanager
def other_daemon(installation: Installation, tracker_root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon in another process that has started a child of its own."""
    argv = [sys.executable, "-c", DAEMON, str(installation.root), str(tracker_root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        child = int(daemon.stdout.readline())
        try:
            yield daemon
        finally:
            daemon.kill()
            os.kill(child, signal.SIGKILL)


def test_a_second_daemon_is_refused_and_told_of_the_first(
    installation: Installation, tracker_root: Path
) -> None:
    with other_daemon(installation, tracker_root) as first, pytest.raises(DaemonRunning) as refused:
        lock_of(installation, tracker_root).acquire()
    assert refused.value.code == "daemon_running"
    assert str(refused.value) == (
        f"a symphony daemon already runs for {installation.root}: process {first.pid}, "
        "since 2026-03-01 12:30:05 UTC, at http://127.0.0.1:4000. "
        f"Use that one, or end it with `kill {first.pid}` and start again."
    )


def test_a_daemon_of_another_folder_on_the_same_tracker_is_refused(
    installation: Installation, tracker_root: Path, tmp_path: Path
) -> None:
    elsewhere = Installation(tmp_path / "elsewhere" / ".symphony")
    with other_daemon(installation, tracker_root) as first, pytest.raises(DaemonRunning) as refused:
        lock_of(elsewhere, tracker_root).acquire()
    assert str(refused.value) == (
        f"a symphony daemon already runs on the issues in {tracker_root}: process {first.pid}, "
        "since 2026-03-01 12:30:05 UTC, at http://127.0.0.1:4000. "
        f"Use that one, or end it with `kill {first.pid}` and start again."
    )
    assert read_daemon(elsewhere) is None


def test_a_refused_daemon_leaves_the_first_one_as_it_was(
    installation: Installation, tracker_root: Path
) -> None:
    with other_daemon(installation, tracker_root) as first:
        with pytest.raises(DaemonRunning):
            lock_of(installation, tracker_root).acquire()
        found = read_daemon(installation)
    assert found is not None
    assert (found.pid, found.url) == (first.pid, "http://127.0.0.1:4000")


def test_two_locks_of_one_process_exclude_each_other(installation: Installation, tracker_root: Path) -> None:
    with hold(lock_of(installation, tracker_root)), pytest.raises(DaemonRunning) as refused:
        lock_of(installation, tracker_root).acquire()
    assert f"process {os.getpid()}, since 2026-03-01 12:30:05 UTC. Use" in str(refused.value)


def test_daemons_of_two_folders_and_trackers_run_side_by_side(tmp_path: Path) -> None:
    one = lock_of(Installation(tmp_path / "one"), tmp_path / "issues 1")
    two = lock_of(Installation(tmp_path / "two"), tmp_path / "issues 2")
    with hold(one), hold(two):
        assert (one.notes, two.notes) == ((), ())


def test_a_killed_daemon_is_no_obstacle_although_its_child_lives_on(
    installation: Installation, tracker_root: Path
) -> None:
    with other_daemon(installation, tracker_root) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert read_daemon(installation) is None
        assert installation.daemon_file.exists()
        with hold(lock_of(installation, tracker_root)):
            found = read_daemon(installation)
    assert found is not None
    assert (found.pid, found.url) == (os.getpid(), None)


@pytest.mark.parametrize(
    "stale",
    [
        "",
        "not JSON",
        "[1, 2]",
        '{"pid": "many"}',
        '{"pid": 1, "started_at": "2020-01-01T00:00:00+00:00", "tracker_root": "/", "installation": "/", '
        '"machine": "another"}',
        "x" * 100_000,
    ],
)
def test_what_a_stale_file_says_is_no_obstacle(
    installation: Installation, tracker_root: Path, stale: str
) -> None:
    installation.root.mkdir(parents=True)
    installation.lock_file.write_text(stale)
    installation.daemon_file.write_text(stale)
    assert read_daemon(installation) is None
    with hold(lock_of(installation, tracker_root)):
        found = read_daemon(installation)
    assert found is not None
    assert found.pid == os.getpid()


def test_what_a_running_daemon_says_can_be_read(installation: Installation, tracker_root: Path) -> None:
    with hold(lock_of(installation, tracker_root)):
        publish_daemon(installation, "http://127.0.0.1:4001")
        found = read_daemon(installation)
    assert found is not None
    assert found.started_at == STARTED
    assert found.tracker_root == tracker_root
    assert found.installation == installation.root
    assert found.machine == platform.node()
    assert found.url == "http://127.0.0.1:4001"


def test_what_is_published_is_for_its_user_alone(installation: Installation, tracker_root: Path) -> None:
    with hold(lock_of(installation, tracker_root)):
        publish_daemon(installation, "http://127.0.0.1:4001")
        publish_daemon(installation, "http://127.0.0.1:4002")
        assert stat.S_IMODE(installation.daemon_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(installation.lock_file.stat().st_mode) == 0o600
        assert json.loads(installation.daemon_file.read_text()) == {
            "pid": os.getpid(),
            "url": "http://127.0.0.1:4002",
        }
        assert sorted(file.name for file in installation.root.iterdir()) == ["daemon.json", "daemon.lock"]


def test_nobody_runs_where_nothing_is(installation: Installation) -> None:
    assert read_daemon(installation) is None
    assert not installation.root.exists()


def test_a_daemon_that_has_ended_leaves_no_trace_among_the_issues(
    installation: Installation, tracker_root: Path
) -> None:
    lock = lock_of(installation, tracker_root)
    with hold(lock):
        publish_daemon(installation, "http://127.0.0.1:4001")
        assert [file.name for file in tracker_root.iterdir()] == [".symphony.lock"]
    lock.release()
    assert list(tracker_root.iterdir()) == []
    assert not installation.daemon_file.exists()
    assert read_daemon(installation) is None


def test_a_lock_can_be_taken_again(installation: Installation, tracker_root: Path) -> None:
    lock = lock_of(installation, tracker_root)
    for _ in range(3):
        with hold(lock):
            assert read_daemon(installation) is not None


def test_a_lock_file_that_was_deleted_under_its_holder_does_not_fool_a_second_daemon(
    installation: Installation, tracker_root: Path
) -> None:
    with hold(lock_of(installation, tracker_root)):
        installation.lock_file.unlink()
        with pytest.raises(DaemonRunning, match="on the issues in"):
            lock_of(installation, tracker_root).acquire()


def test_a_command_that_looks_does_not_keep_a_daemon_from_starting(
    installation: Installation, tracker_root: Path
) -> None:
    installation.root.mkdir(parents=True)
    installation.lock_file.touch()
    looking = os.open(installation.lock_file, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    done = threading.Timer(0.0, os.close, [looking])
    done.start()
    with hold(lock_of(installation, tracker_root)):
        assert read_daemon(installation) is not None
    done.join()


def test_a_holder_that_has_not_said_who_it_is_is_reported(
    installation: Installation, tracker_root: Path
) -> None:
    installation.root.mkdir(parents=True)
    with installation.lock_file.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockError) as unknown:
            read_daemon(installation)
        with pytest.raises(DaemonRunning) as refused:
            lock_of(installation, tracker_root).acquire()
    assert unknown.value.code == "lock_unreadable"
    assert str(unknown.value) == (
        f"a daemon holds {installation.lock_file} but has not said which process it is. "
        "Wait a moment and try again; if it stays so, end that daemon and start it again."
    )
    assert str(refused.value) == (
        f"a symphony daemon already runs for {installation.root}, but it has not said which process it is. "
        "Wait a moment and try again."
    )


def test_a_holder_on_another_machine_is_named_with_it(installation: Installation, tracker_root: Path) -> None:
    installation.root.mkdir(parents=True)
    words = {
        "pid": 4711,
        "started_at": "2026-03-01T13:30:05+01:00",
        "tracker_root": str(tracker_root),
        "installation": str(installation.root),
        "machine": "far-away",
    }
    installation.lock_file.write_text(json.dumps(words))
    with installation.lock_file.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DaemonRunning) as refused:
            lock_of(installation, tracker_root).acquire()
    assert str(refused.value) == (
        f"a symphony daemon already runs for {installation.root}: process 4711 on the machine far-away, "
        "since 2026-03-01 12:30:05 UTC. "
        "Use that one, or end it with `kill 4711` on the machine far-away and start again."
    )


def test_an_installation_that_cannot_be_written_is_an_error(tmp_path: Path, tracker_root: Path) -> None:
    (tmp_path / "file").touch()
    installation = Installation(tmp_path / "file" / ".symphony")
    with pytest.raises(LockError) as failed:
        lock_of(installation, tracker_root).acquire()
    assert failed.value.code == "lock_failed"
    assert str(failed.value) == (
        f"{installation.lock_file} cannot be written: not a directory. "
        f"Make {installation.root} a folder that you may write to, with space left on its disk."
    )


def test_a_full_disk_is_an_error_and_nothing_stays_locked(
    installation: Installation, tracker_root: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(LockError, match=r"cannot be written: file too large\. Make"):
            lock_of(installation, tracker_root).acquire()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_daemon(installation) is None
    with hold(lock_of(installation, tracker_root)) as lock:
        assert lock.notes == ()


def test_a_lock_file_that_is_a_link_is_not_followed(installation: Installation, tracker_root: Path) -> None:
    installation.root.mkdir(parents=True)
    precious = installation.root.parent / "precious"
    precious.write_text("keep")
    installation.lock_file.symlink_to(precious)
    with pytest.raises(LockError, match="cannot be written: too many levels of symbolic links"):
        lock_of(installation, tracker_root).acquire()
    assert precious.read_text() == "keep"


def test_a_tracker_that_cannot_be_locked_is_noted(installation: Installation, tracker_root: Path) -> None:
    tracker_root.mkdir()
    (tracker_root / ".symphony.lock").mkdir()
    lock = lock_of(installation, tracker_root)
    with hold(lock):
        assert read_daemon(installation) is not None
    assert lock.notes == (
        f"{tracker_root} is not locked (is a directory): "
        "make sure that no daemon of another folder works on these issues.",
    )
    assert (tracker_root / ".symphony.lock").is_dir()
