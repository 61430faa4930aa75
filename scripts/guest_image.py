"""The guest image of the microVM tests: a minimal Debian root with what agents use.

Called by `scripts/test` and `scripts/demo`. Made once by mmdebstrap, below `.lab` of the repository.
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

import lab_needs
from environment import ROOT, step

CACHE: Final = ROOT / ".lab" / "images"
SUITE: Final = "bookworm"
PACKAGES: Final = ("ca-certificates", "git", "procps", "python3", "ripgrep", "socat")
# what a guest never reads, and what would only make the image slow to hand over
LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def guest_image() -> Path:
    """Return the image's root as a folder that belongs to root, or, for a user, as a tar archive."""
    definition = repr((SUITE, PACKAGES, LEFT_OUT))
    target = CACHE / f"debian-{hashlib.sha256(definition.encode()).hexdigest()[:16]}"
    if os.geteuid() != 0:
        target = target.with_suffix(".tar")
    if target.exists():
        return target
    lab_needs.require(lab_needs.BUILDER, kernel=False)
    CACHE.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{os.getpid()}-{target.name}")
    argv = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    argv += ["--format=directory" if os.geteuid() == 0 else "--format=tar"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    argv += ['--aptopt=Apt::Install-Recommends "false"', SUITE, str(draft)]
    step("making the guest image of the microVM tests", argv)
    if draft.is_dir():
        draft.chmod(0o755)
    draft.replace(target)
    for old in CACHE.iterdir():
        if old != target and old.name.startswith("debian-"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    return target
