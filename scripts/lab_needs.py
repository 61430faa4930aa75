"""What the lab needs of this machine: found, installed where that is allowed, else named.

Called by laboratory.py before a lab starts, and by what builds guest images.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from environment import step
from lab_initramfs import find_kernel

UNAVAILABLE: Final = 125  # the status of a lab that could not run its command
PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# program → the package that brings it, on Debian and Ubuntu
PROGRAMS: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "mke2fs": "e2fsprogs",
    "modprobe": "kmod",
    "zstd": "zstd",
}
BUILDER: Final = {"mmdebstrap": "mmdebstrap"}  # for guest images
# for tests on the host
ON_THE_HOST: Final = {"socat": "socat", "busybox": "busybox-static", "mkfs.xfs": "xfsprogs"}
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def require(programs: dict[str, str] = PROGRAMS, *, kernel: bool = True) -> None:
    """Make sure of these programs and of a kernel that can be a lab's.

    Ends with status 125, and the command that helps, when something is missing and may not be installed.
    """
    packages = missing(programs, kernel=kernel)
    if packages and may_install():
        install(packages)
        packages = missing(programs, kernel=kernel)
    if packages:
        tell(_words(packages))
        raise SystemExit(UNAVAILABLE)


def bring_browser() -> None:
    """Install a browser for its tests where that is allowed; without one they are skipped, or fail in CI."""
    if any(shutil.which(program) for program in BROWSERS):
        return
    if may_install():
        install(["chromium"])
    else:
        print(f"the browser tests are left out: {_words(['chromium'])}", flush=True)


def bring_host_programs() -> None:
    """Install what tests on the host want where that is allowed; else they say what is missing."""
    packages = missing(ON_THE_HOST, kernel=False)
    if packages and may_install():
        install(packages)


def tell(line: str) -> None:
    """Say something about the lab, apart from what its command says."""
    print(f"lab: {line}", file=sys.stderr, flush=True)


def unavailable(*, lab: bool) -> str | None:
    """Return one line on what a guest image, and a lab if it takes one, lack and may not be installed."""
    packages = missing(PROGRAMS if lab else {}, kernel=lab) + missing(BUILDER, kernel=False)
    return _words(packages) if packages and not may_install() else None


def may_install() -> bool:
    """Say whether packages may be installed here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _words(packages: list[str]) -> str:
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    return f"this machine lacks {', '.join(packages)}; on Debian and Ubuntu, as root: {command}"


def missing(programs: dict[str, str], *, kernel: bool) -> list[str]:
    """Return the packages that bring what is not there."""
    packages = [package for program, package in programs.items() if not shutil.which(program, path=PATH)]
    if kernel and find_kernel() is None:
        packages.append(kernel_package())
    return packages


def install(packages: list[str]) -> None:
    """Install packages, saying so."""
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    # old lists name packages that their servers do not have any more
    step("reading the lists of packages", ["apt-get", "update", "-qq"])
    argv = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages]
    step(f"installing {', '.join(packages)}", argv)


def kernel_package() -> str:
    """Return the package with a kernel that has what a lab needs, for this distribution."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        release = ""
    return "linux-image-generic" if "ID=ubuntu" in release.splitlines() else "linux-image-amd64"


def memory_mib() -> int:
    """Return how much memory a lab gets: what is free here, within reason."""
    least, most, share = 3072, 10240, 0.6  # several guests of 512 MiB and their files; the rest is others'
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(min(most, max(least, int(line.split()[1]) / 1024 * share)))
    return least
