"""Building an image with the real mmdebstrap, through kill -9 to a system that runs."""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command_line import ENVIRONMENT, Ran, argv, symphony

BUILD_BOUND_S = 900.0  # 20 s on an idle machine; the small download may be slow
DEFINITION = 'name = "tiny"\n[debian]\nsuite = "bookworm"\npackages = ["socat"]\n'

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="mmdebstrap is not on this machine"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a chroot into the image needs root"),
]


@dataclass(frozen=True)
class Workplace:
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "proxy" in name.lower() or "SSL" in name}
        return {**kept, "SYMPHONY_IMAGES": str(self.folder / "library"), "HOME": str(self.folder)}

    def image(self, *words: str) -> Ran:
        return symphony(self.folder, "image", *words, environment=self.environment)

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            argv("image", "build", "--definition", "tiny.toml"),
            cwd=self.folder,
            env={**ENVIRONMENT, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workplace, str]:
    """Kill a build in the middle, then let two go on at once."""
    workplace = Workplace(tmp_path_factory.mktemp("images"))
    (workplace.folder / "tiny.toml").write_text(DEFINITION)
    killed = workplace.start()
    assert killed.stdout is not None
    for line in killed.stdout:
        if "installing essential packages" in line:
            break
    killed.kill()
    killed.wait(60)
    killed.stdout.close()
    left = workplace.image("list", "--json")
    assert json.loads(left.out) == {"images": [], "damaged": []}
    both = [workplace.start(), workplace.start()]
    said = [process.communicate(timeout=BUILD_BOUND_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    return workplace, "".join(said)


def test_a_killed_build_leaves_no_image_and_no_work_behind(built: tuple[Workplace, str]) -> None:
    workplace, _ = built
    assert list((workplace.folder / "library" / "work").iterdir()) == []
    mounted = Path("/proc/self/mountinfo").read_text()
    assert str(workplace.folder) not in mounted


def test_of_two_builds_at_once_one_builds_and_the_other_finds_it(built: tuple[Workplace, str]) -> None:
    _, said = built
    assert said.count("Image tiny is ready") == 1
    assert said.count("Image tiny is there already: nothing to do") == 1
    assert said.count("[1/2] base") > 3
    assert said.count("[2/2] unpack") == 1


def test_the_system_of_the_image_runs(built: tuple[Workplace, str]) -> None:
    workplace, _ = built
    shown = json.loads(workplace.image("show", "tiny", "--json").out)
    ran = subprocess.run(
        ["chroot", shown["rootfs"], "/usr/bin/socat", "-V"], capture_output=True, text=True, check=True
    )
    assert "socat version 1.7" in ran.stdout
    assert shown["packages"]["socat"].startswith("1.7")
    assert shown["definition"]["debian"] == {"suite": "bookworm", "packages": ["socat"]}


def test_the_guest_keeps_the_host_s_sources_and_no_settings_of_the_build(
    built: tuple[Workplace, str],
) -> None:
    workplace, _ = built
    rootfs = Path(json.loads(workplace.image("show", "tiny", "--json").out)["rootfs"])
    assert not (rootfs / "etc/apt/apt.conf.d/99mmdebstrap").exists()
    sources = [*rootfs.glob("etc/apt/sources.list"), *rootfs.glob("etc/apt/sources.list.d/*")]
    assert any("bookworm" in file.read_text() for file in sources)
    assert not any("@" in file.read_text() for file in sources)


def test_list_and_show_say_it_for_people(built: tuple[Workplace, str]) -> None:
    workplace, _ = built
    listed = workplace.image("list").out.splitlines()
    assert listed[0].split() == ["NAME", "ID", "SIZE", "AGE"]
    assert listed[1].split()[0] == "tiny"
    assert "Debian bookworm" in workplace.image("show", "tiny").out


def test_a_build_that_is_asked_to_end_ends_and_takes_mmdebstrap_along(built: tuple[Workplace, str]) -> None:
    workplace, _ = built
    (workplace.folder / "tiny.toml").write_text(DEFINITION.replace("socat", "hello"))
    try:
        ended = workplace.start()
        assert ended.stdout is not None
        for line in ended.stdout:
            if "installing essential packages" in line:
                break
        ended.send_signal(signal.SIGTERM)
        ended.stdout.read()
        assert ended.wait(60) == 130
        ended.stdout.close()
        free = workplace.image("prune")  # it waits for whoever still holds the library
        assert free.status == 0
    finally:
        (workplace.folder / "tiny.toml").write_text(DEFINITION)
    assert not any((workplace.folder / "library" / "work").iterdir())
    assert "tiny" in workplace.image("list").out
