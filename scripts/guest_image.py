"""The guest images of the microVM tests: a minimal Debian root, and symphony's own image with the agents.

Called by `scripts/test` and `scripts/demo`. Each is made once, below `.lab` of the repository.
"""

import hashlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import lab_needs
from environment import ROOT, say, step

CACHE: Final = ROOT / ".lab" / "images"
LIBRARY: Final = ROOT / ".lab" / "library"
SUITE: Final = "bookworm"
PACKAGES: Final = ("ca-certificates", "git", "procps", "python3", "ripgrep", "socat")
# what a guest never reads, and what would only make the image slow to hand over
LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def guest_image() -> Path:
    """Return the image's root as a folder that belongs to root, or, for a user, as a tar archive."""
    definition = repr((SUITE, PACKAGES, LEFT_OUT, "an open home"))
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
    if draft.is_dir():  # machines read it as users of their own, and a guest writes to its home
        for folder in (draft, draft / "root"):
            folder.chmod(0o755)
    draft.replace(target)
    for old in CACHE.iterdir():
        if old != target and old.name.startswith("debian-"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    return target


def agents_image() -> Path:
    """Return the root of the image with the real agents, made as `symphony image build` makes it.

    Raises:
        ImageError: it could not be made.
    """
    from symphony.sandbox.images.build import Means, Progress, build_image
    from symphony.sandbox.images.definition import DEFAULT, FOLDER, plan_image, read_definition
    from symphony.sandbox.images.library import Library
    from symphony.sandbox.images.place import Place

    def tell(progress: Progress) -> None:
        if progress.doing:
            say(f"  {progress.stage}: {progress.doing} ({progress.seconds:.0f} s)")

    lab_needs.require(lab_needs.BUILDER, kernel=False)
    library = Library(Place(LIBRARY))
    plan = plan_image(read_definition(FOLDER / f"{DEFAULT}.toml"))
    if not library.has(plan.image_id):
        say("making the guest image with the real agents")
    built = build_image(library, plan, DEFAULT, Means(os.environ, tell, lambda: datetime.now(UTC)))
    library.prune(everything=False, dry_run=False)
    return built.rootfs
