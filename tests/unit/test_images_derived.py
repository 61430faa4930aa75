"""Images from a base image: what the engine is asked, over a stand-in for it that boots nothing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from symphony.sandbox.images import tools
from symphony.sandbox.images.definition import FOLDER, read_definition
from symphony.sandbox.images.derived import build_from_base
from symphony.sandbox.images.errors import ImageError
from symphony.sandbox.images.stages import system_packages

ENGINE = """#!/bin/sh
printf '%s\\n' "$2 $*" | head -n 1 >> {calls}
case "$2 $*" in
    exec*"exec tar"*) exec tar -c -f - -C {system} . ;;
    exec*) {install} ;;
    start*) {start} ;;
esac
"""

Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def run(*, start: str = "exit 0", install: str = "exit 0", base: str = "debian:bookworm") -> Path:
        (tmp_path / "logs").mkdir()
        (tmp_path / "system/var/lib/dpkg").mkdir(parents=True)
        (tmp_path / "system/var/lib/dpkg/status").write_text("Package: git\nVersion: 2\n")
        (tmp_path / "bin").mkdir()
        engine = tmp_path / "bin" / "smolvm"
        engine.write_text(
            ENGINE.format(calls=tmp_path / "calls", system=tmp_path / "system", install=install, start=start)
        )
        engine.chmod(0o755)
        watch = tools.Watch(tmp_path / "logs" / "log", lambda *_: None)
        watch.begin("base")
        debian = read_definition(FOLDER / "symphony-minimal.toml").debian
        environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        archive = tmp_path / "base.tar"
        build_from_base(base, debian, archive, watch, environ)
        return archive

    return run


def asked(tmp_path: Path) -> list[str]:
    return [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]


@pytest.mark.skipif(not shutil.which("tar"), reason="tar is not on this machine")
def test_its_files_come_out_of_the_machine_which_is_removed(build: Build, tmp_path: Path) -> None:
    archive = build()
    assert system_packages(archive) == {"git": "2"}
    assert asked(tmp_path) == ["create", "start", "exec", "exec", "delete"]
    created = (tmp_path / "calls").read_text().splitlines()[0]
    assert "--image debian:bookworm --net --block-private --cpus 2 --mem 2048" in created


def test_a_base_that_cannot_serve_is_refused_and_its_machine_removed(build: Build, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as failure:
        build(install="echo 'it has no glibc, which the agents need'; exit 90", base="alpine:3")
    assert failure.value.code == "image.base_unfit"
    assert str(failure.value) == (
        "The image alpine:3 cannot be a base: it has no glibc, which the agents need."
        " Name one of Debian, Ubuntu or Fedora in `--base`, or give `--minimal`, without agents."
    )
    assert asked(tmp_path)[-1] == "delete"


def test_packages_that_cannot_be_installed_are_a_matter_of_the_network(build: Build) -> None:
    with pytest.raises(ImageError) as failure:
        build(install="echo 'E: Failed to fetch it'; exit 91")
    assert failure.value.code == "image.network"


def test_a_machine_that_does_not_start_is_removed_too(build: Build, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as failure:
        build(start="echo 'KVM is gone' >&2; exit 1")
    assert failure.value.code == "image.stage_failed"
    assert "smolvm machine start ended with status 1: KVM is gone" in str(failure.value)
    assert asked(tmp_path) == ["create", "start", "delete"]
