"""Images from a base image: what the engine is asked, over a stand-in for it that boots nothing."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from symphony.sandbox.images import tools
from symphony.sandbox.images.definition import FOLDER, read_definition
from symphony.sandbox.images.derived import build_from_base, install_script
from symphony.sandbox.images.errors import ImageError
from symphony.sandbox.images.stages import system_packages
from tests.support.microvm import open_place

ENGINE = """#!/bin/sh
printf '%s\\n' "$2 $*" | head -n 1 >> {calls}
case "$2 $*" in
    create*) shift 5; [ ! -d "$1" ] || cp -a "$1" {shown} ;;
    cp*) exec tar -c -f "$4" -C {system} . ;;
    exec*"exec tar"*) {pack} ;;
    exec*) {install} ;;
    start*) {start} ;;
esac
"""

Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def run(
        *,
        start: str = "exit 0",
        install: str = "exit 0",
        pack: str = "exit 0",
        base: str = "debian:bookworm",
        work: Path | None = None,
    ) -> Path:
        (tmp_path / "logs").mkdir()
        (tmp_path / "system/var/lib/dpkg").mkdir(parents=True)
        (tmp_path / "system/var/lib/dpkg/status").write_text("Package: git\nVersion: 2\n")
        (tmp_path / "bin").mkdir()
        engine = tmp_path / "bin" / "smolvm"
        engine.write_text(
            ENGINE.format(
                calls=tmp_path / "calls",
                shown=tmp_path / "shown",
                system=tmp_path / "system",
                install=install,
                start=start,
                pack=pack,
            )
        )
        engine.chmod(0o755)
        watch = tools.Watch(tmp_path / "logs" / "log", lambda *_: None)
        watch.begin("base")
        debian = read_definition(FOLDER / "symphony-minimal.toml").debian
        environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        archive = tmp_path / "base.tar"
        build_from_base(base, debian, archive, work or tmp_path / "work", watch, environ)
        return archive

    return run


def asked(tmp_path: Path) -> list[str]:
    return [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]


@pytest.mark.skipif(not shutil.which("tar"), reason="tar is not on this machine")
def test_its_files_come_out_of_the_machine_which_is_removed(build: Build, tmp_path: Path) -> None:
    archive = build()
    assert system_packages(archive) == {"git": "2"}
    assert asked(tmp_path) == ["create", "start", "exec", "exec", "cp", "delete"]
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


def test_a_system_that_cannot_be_packed_is_told_in_tars_words(build: Build, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as failure:
        build(pack="echo 'tar: ./etc/shadow: Cannot open: Permission denied' >&2; exit 2")
    assert "tar in the machine ended with status 2: tar: ./etc/shadow" in str(failure.value)
    assert asked(tmp_path)[-1] == "delete"


def test_a_package_that_the_base_does_not_know_is_no_matter_of_the_network(build: Build) -> None:
    with pytest.raises(ImageError) as failure:
        build(install="echo 'E: Unable to locate package ripgrep'; exit 91")
    assert failure.value.code == "image.package_missing"
    assert "lacks a package of the image: E: Unable to locate package ripgrep" in str(failure.value)


def test_roots_machine_reads_a_copy_of_a_folder_in_which_nothing_is_closed_to_its_user(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    (base / "root").mkdir(parents=True)
    (base / "root").chmod(0o700)
    (base / "etc").mkdir()
    (base / "etc/shadow").touch(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with open_place() as work:
        build(base=str(base), work=work)

    shown = tmp_path / "shown"
    assert stat.S_IMODE((shown / "etc/shadow").stat().st_mode) == 0o644
    assert stat.S_IMODE((shown / "root").stat().st_mode) == 0o755
    assert stat.S_IMODE((base / "etc/shadow").stat().st_mode) == 0o600


def test_a_users_machine_reads_the_folder_itself(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    build(base=str(base))
    assert f"--image {base} --net" in (tmp_path / "calls").read_text().splitlines()[0]


def test_a_rootfs_archive_is_unpacked_for_the_machine(build: Build, tmp_path: Path) -> None:
    (tmp_path / "base/etc").mkdir(parents=True)
    (tmp_path / "base/etc/shadow").touch(0o600)
    subprocess.run(["tar", "-c", "-z", "-f", "base.tar.gz", "-C", "base", "./etc"], cwd=tmp_path, check=True)
    with open_place() as work:
        build(base=str(tmp_path / "base.tar.gz"), work=work)
    assert stat.S_IMODE((tmp_path / "shown/etc/shadow").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("there", "installed"),
    [
        (("bash", "curl", "git", "pgrep", "python3", "socat", "ssh"), "ripgrep gcc"),
        (("bash", "curl", "git", "pgrep", "python3", "rg", "socat", "ssh"), "gcc"),
        (("bash", "curl", "git", "pgrep", "python3", "rg", "socat", "ssh", "gcc"), ""),
    ],
)
def test_what_the_base_lacks_is_installed_and_nothing_else(
    tmp_path: Path, there: tuple[str, ...], installed: str
) -> None:
    debian = read_definition(FOLDER / "symphony-minimal.toml").debian
    packages = (*(package for package in debian.packages if package != "ca-certificates"), "gcc")
    for name in (*there, "rm", "grep"):
        program(tmp_path / name, "exit 0")
    program(tmp_path / "tar", "echo tar (GNU tar) 1.34")
    program(tmp_path / "dpkg", f'[ "$2" != gcc ] || [ -e {tmp_path}/gcc ]')
    program(tmp_path / "apt-get", f'[ "$1" != install ] || echo "$*" > {tmp_path}/installed')

    script = install_script(debian.model_copy(update={"packages": packages}), with_agents=False)
    sh = shutil.which("sh")
    assert sh is not None
    ran = subprocess.run([sh, "-c", script], env={"PATH": str(tmp_path)}, check=False, timeout=30)

    assert ran.returncode == 0
    said = tmp_path / "installed"
    words = said.read_text().split("unsafe-io ")[1].strip() if said.exists() else ""
    assert words == installed


@pytest.mark.parametrize(
    ("there", "status"), [("/lib64/ld-linux-x86-64.so.2", 0), ("/lib/ld-linux-aarch64.so.1", 0), ("", 90)]
)
def test_glibc_is_found_where_each_processor_has_it(tmp_path: Path, there: str, status: int) -> None:
    # ls fails when one of the two folders has no loader in it
    program(tmp_path / "ls", f"echo {there}; exit 2" if there else "exit 2")
    program(tmp_path / "tar", "echo tar (GNU tar) 1.34")
    program(tmp_path / "grep", "exit 0")
    debian = read_definition(FOLDER / "symphony-minimal.toml").debian
    script = install_script(debian.model_copy(update={"packages": ()}), with_agents=True)
    sh = shutil.which("sh")
    assert sh is not None
    ran = subprocess.run([sh, "-c", script], env={"PATH": str(tmp_path)}, check=False, timeout=30)
    assert ran.returncode == status


def program(path: Path, body: str) -> None:
    """Write a program of the shell."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
