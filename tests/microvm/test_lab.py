"""What the microVM tests stand on: a machine boots, with a kernel of its own, from the tests' image."""

import json
import os
import platform
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)  # a boot takes 8 s under emulation, and a minute on a busy machine
CALL_BOUND_S = 120.0

Call = Callable[..., str]


@pytest.fixture
def call(engine: Path, state: Path) -> Call:
    def call(*words: str) -> str:
        argv = [str(engine), "--state-dir", str(state), *words]
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=CALL_BOUND_S, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return call


@pytest.fixture
def machine(call: Call) -> Iterator[str]:
    name = f"lab-{uuid.uuid4().hex[:8]}"
    yield name
    call("machine", "delete", "--name", name, "-f")


def test_a_bare_machine_has_a_kernel_of_its_own(call: Call, machine: str) -> None:
    # no command: without an image, `start` waits for one to end
    call("machine", "create", "--name", machine, "--cpus", "1", "--mem", "512")
    call("machine", "start", "--name", machine)

    kernel = call("machine", "exec", "--name", machine, "--", "uname", "-r").strip()

    assert kernel
    assert kernel != platform.release()


def test_a_machine_from_the_image_runs_python_and_git(call: Call, machine: str, image: Path) -> None:
    create = ["machine", "create", "--name", machine, "--image", str(image), "--cpus", "1", "--mem", "512"]
    call(*create, "--", "sleep", "infinity")
    call("machine", "start", "--name", machine)
    script = "import json, shutil; print(json.dumps([shutil.which(x) for x in ('git', 'rg', 'socat', 'ps')]))"

    found = json.loads(call("machine", "exec", "--name", machine, "--", "python3", "-c", script))
    git = call("machine", "exec", "--name", machine, "--", "git", "--version")

    assert all(found)
    assert git.startswith("git version")


def test_the_image_is_on_a_local_file_system(image: Path) -> None:
    assert (image / "usr/bin/git").is_file()
    assert os.statvfs(image).f_files > 0
