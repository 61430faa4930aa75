"""The long tests of machines: kill -9 at every step, other settings, other users, a full disk.

`scripts/test tests/microvm/long` runs them in the lab, where they take some minutes; where machines
boot they are part of the suite.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from symphony.sandbox.guest.kit import write_guest_kit
from symphony.sandbox.images.source import ImageSource
from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.sandbox.smolvm.engine import PATIENCE
from symphony.sandbox.smolvm.machines import list_machines
from symphony.sandbox.smolvm.plan import plan_machine
from tests.microvm.test_life import FIX, LOOK_S, Place
from tests.support.microvm import BOUND_S, IMAGE, SETTINGS, in_guest, spec_of

pytestmark = pytest.mark.timeout(900)


def until(condition: Callable[[], Any], what: str) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline, f"it never came true: {what}"
        time.sleep(LOOK_S)


@pytest.mark.parametrize(
    "step", ["creating the machine", "booting the machine", "in a turn", "importing the branch"]
)
def test_a_daemon_killed_at_any_step_leaves_no_machine_and_its_work_is_delivered_once(
    place: Path, step: str
) -> None:
    project = Place(place / "project")
    project.drop("1", FIX)
    reached: dict[str, Callable[[], Any]] = {
        "creating the machine": lambda: "starting the sandbox" in project.phases("1"),
        "booting the machine": lambda: [row for row in project.machines() if row["pid"]],
        "in a turn": lambda: "in a turn" in project.phases("1"),
        "importing the branch": lambda: "importing the branch" in project.phases("1"),
    }
    with project.daemon() as daemon:
        until(reached[step], step)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(BOUND_S)

    ran = project.run("--until-idle")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert project.machines() == []
    project.assert_delivered("1", place)


async def test_other_settings_get_a_new_machine_and_what_was_left_is_removed(place: Path) -> None:
    driver = SmolvmDriver(os.environ, place / "kit")
    workspace = place / "workspace"
    workspace.mkdir()
    labels = {"installation": str(place), "issue": "1", "attempt": "1.1"}
    dead = SmolvmDriver(os.environ, place / "kit")
    opened = dead.open_sandbox(spec_of(workspace, labels))
    old = await opened.__aenter__()
    settings = SETTINGS.model_copy(update={"mem_mib": 640})

    async with driver.open_sandbox(spec_of(workspace, {**labels, "attempt": "1.2"}, settings)) as sandbox:
        rows = await list_machines(await driver.engine(None), {"installation": str(place)})
        memory = in_guest(sandbox.machine.name, "grep", "MemTotal", "/proc/meminfo").stdout

    assert [row.name for row in rows] == [sandbox.machine.name]
    assert rows[0].name != old.machine.name
    assert int(memory.split()[1]) > 512 * 1024
    await opened.__aexit__(None, None, None)


async def test_a_full_guest_disk_is_the_programs_error_and_the_workspace_is_unharmed(place: Path) -> None:
    workspace = place / "workspace"
    workspace.mkdir()
    (workspace / "kept.txt").write_text("kept\n")
    labels = {"installation": str(place), "issue": "1", "attempt": "1.1"}
    async with SmolvmDriver(os.environ, place / "kit").open_sandbox(spec_of(workspace, labels)) as sandbox:
        filling = "dd if=/dev/zero of=/dev/shm/fill bs=1M; rm -f /dev/shm/fill; cat kept.txt"
        filled = await sandbox.run(["sh", "-c", filling], timeout_s=BOUND_S)
    assert b"No space left on device" in filled.stderr
    assert filled.stdout == b"kept\n"


def test_a_machine_of_an_ordinary_user_writes_its_workspace_as_that_user(place: Path) -> None:
    if os.geteuid() != 0 or "SYMPHONY_LAB" not in os.environ:
        pytest.skip("opens /dev/kvm to another user: only in the lab; as a user every other test shows it")
    uid = 1234
    workspace, home = place / "workspace", place / "home"
    for folder in (workspace, home):
        folder.mkdir()
        os.chown(folder, uid, uid)
    Path("/dev/kvm").chmod(0o666)  # as udev does for the user of a desktop
    spec = spec_of(workspace, {"installation": str(place), "issue": "1", "attempt": "1.1"})
    image = ImageSource(("--image", IMAGE), "", Path(IMAGE))
    machine = plan_machine("of-a-user", spec, image, write_guest_kit(place / "kit"))

    def as_user(*words: str) -> str:
        ran = subprocess.run(
            ["smolvm", *words],
            user=uid,
            group=uid,
            extra_groups=[],
            env={"PATH": os.environ["PATH"], "HOME": str(home), **PATIENCE},
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    as_user(*machine.create_arguments())
    try:
        as_user("machine", "start", "--name", "of-a-user")
        words = f"cd {workspace} && git init -q . && echo made > made && id -u"
        said = as_user("machine", "exec", "--name", "of-a-user", "--", "sh", "-c", words)
    finally:
        as_user("machine", "delete", "--name", "of-a-user", "--force")

    assert said.strip() == "0"
    assert (workspace / "made").stat().st_uid == uid
