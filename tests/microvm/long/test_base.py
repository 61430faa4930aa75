"""An image from a base image: made in a machine of the real engine, over the network, and booted.

The base is the tests' own image, a rootfs folder without curl and ssh, whose files are root's.
"""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.settings import SmolvmSettings
from symphony.sandbox.images.build import Built, Means, build_image
from symphony.sandbox.images.definition import FOLDER, plan_image, read_definition
from symphony.sandbox.images.library import open_library
from symphony.sandbox.smolvm.driver import SmolvmDriver
from tests.support.microvm import BOUND_S, open_place, spec_of

pytestmark = pytest.mark.timeout(1800)  # packages are installed under two layers of emulation
NAME = "from-a-base"
LABELS = {"installation": "base", "issue": "1", "attempt": "1.1"}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with open_place() as folder:
        yield folder


@pytest.fixture(scope="module")
def environ(place: Path) -> dict[str, str]:
    return {**os.environ, "SYMPHONY_IMAGES": str(place / "images")}


@pytest.fixture(scope="module")
def built(image: Path, environ: dict[str, str]) -> Built:
    minimal = read_definition(FOLDER / "symphony-minimal.toml")
    means = Means(environ, print, lambda: datetime.now(UTC), base=str(image))
    return build_image(open_library(environ), plan_image(minimal, base="the tests' image"), NAME, means)


async def test_it_boots_with_what_the_base_had_and_what_it_lacked(
    built: Built, image: Path, place: Path, environ: dict[str, str]
) -> None:
    assert not (image / "usr/bin/curl").exists()
    assert built.image.packages["curl"]
    workspace = place / "workspace"
    workspace.mkdir()
    spec = spec_of(workspace, LABELS, SmolvmSettings(image=NAME, cpus=1, mem_mib=512))
    async with SmolvmDriver(environ, place / "kit").open_sandbox(spec) as sandbox:
        script = "curl --version && ssh -V && rg --version && git --version && stat -c %U /root"
        ran = await sandbox.run(["sh", "-c", script], timeout_s=BOUND_S)

    assert (ran.exit_status, ran.stdout.decode().splitlines()[-1]) == (0, "root"), ran.stderr


def test_it_has_all_files_of_the_base(built: Built, image: Path) -> None:
    # far more than the 11 MiB that the engine lets a program in a machine say
    assert built.image.size_bytes > 100 << 20
    kept = ("usr", "etc", "var/lib/dpkg/info")
    for folder in kept:
        lost = {path.name for path in (image / folder).iterdir()} - {
            path.name for path in (built.rootfs / folder).iterdir()
        }
        assert not lost, folder


def test_the_machine_that_it_was_made_in_is_gone(built: Built, environ: dict[str, str]) -> None:
    listed = subprocess.run(
        ["smolvm", "machine", "ls", "--json"], env=environ, capture_output=True, timeout=BOUND_S, check=True
    )
    assert built.fresh
    assert b"symphony-image-" not in listed.stdout
