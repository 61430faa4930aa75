"""The real `gh` and `glab`, for the tests of pull requests: found, or installed where that is allowed.

Called by `scripts/test`. Debian has `glab` from 13 on; on an older one the package of 13 is unpacked
below `.forges` of the repository, and nothing of the system changes.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from environment import ROOT, say, step
from lab_needs import install, may_install, missing

HOME: Final = ROOT / ".forges"
PROGRAMS: Final = {"gh": "gh", "openssl": "openssl"}  # openssl makes the local server's certificate
GLAB: Final = HOME / "usr" / "bin" / "glab"
SUITE: Final = "trixie"
KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BOUND_S: Final = 60.0


def bring_forge_programs() -> None:
    """Install what is missing; what cannot be had is said, and its tests are skipped, or fail in CI."""
    packages = missing(PROGRAMS, kernel=False)
    if packages and may_install():
        install(packages)
    if shutil.which("glab") or GLAB.exists() or shutil.which("apt-get") is None:
        return
    repository = debian()
    if repository is None or not KEYS.exists():
        say("the tests with glab are left out: apt knows no archive of Debian's; install glab by hand")
        return
    unpack_glab(repository)


def debian() -> str | None:
    """Return the archive of Debian that this machine's apt uses."""
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Identifier: Packages"]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=BOUND_S, check=False)
    return next((line.split()[0] for line in ran.stdout.splitlines() if line.endswith(" Debian")), None)


def unpack_glab(repository: str) -> None:
    """Bring the package by apt, with lists of its own, and unpack it."""
    draft = HOME.with_name(f"{HOME.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "parts"):
        (draft / folder).mkdir(parents=True)
    (draft / "sources.list").write_text(f"deb [signed-by={KEYS}] {repository} {SUITE} main\n")
    options = [
        *("-o", f"Dir::Etc::SourceList={draft / 'sources.list'}"),
        *("-o", f"Dir::Etc::SourceParts={draft / 'parts'}"),
        *("-o", f"Dir::State::Lists={draft / 'lists'}"),
        *("-o", f"Dir::Cache={draft / 'cache'}"),
        *("-o", f"Dir::Cache::archives={draft / 'cache' / 'archives'}"),
        *("-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1"),
    ]
    step(f"reading Debian {SUITE}'s list of packages", ["apt-get", "-qq", *options, "update"])
    # apt-get download writes into the folder where it starts
    fetch = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(draft), "apt-get", "-qq", *options]
    step("bringing glab", [*fetch, "download", "glab"])
    (package,) = draft.glob("glab_*.deb")
    step("unpacking glab", ["dpkg-deb", "--extract", str(package), str(draft / "root")])
    shutil.rmtree(HOME, ignore_errors=True)
    (draft / "root").replace(HOME)
    shutil.rmtree(draft, ignore_errors=True)
