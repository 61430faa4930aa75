"""What goes wrong with guest images, in words."""

import errno
from pathlib import Path

from symphony.core.text import one_line
from symphony.sandbox.errors import SandboxError

SHOWN = 300  # characters of a program's own words
BUILD = "symphony image build"


class ImageError(SandboxError):
    """An image could not be built, found or used.

    Codes of what a workflow names: `sandbox.image_missing`, `sandbox.image_corrupt`, `sandbox.image_closed`.
    Codes of the library: `image.unknown`, `image.ambiguous`, `image.library_unusable`, `image.busy`.
    Codes of a build: `image.definition_invalid`, `image.architecture`, `image.tool_missing`,
    `image.network`, `image.unsigned`, `image.package_missing`, `image.disk_full`,
    `image.stage_timeout`, `image.stage_failed`, `image.base_unfit`.
    """

    code = "image.stage_failed"


def disk_full(folder: Path, doing: str) -> ImageError:
    """Return the error for a file system that had no room."""
    return ImageError(
        f"There is no space left in {folder} to {doing}.",
        code="image.disk_full",
        remedy="Free some with `symphony image prune`, or name a roomier folder in SYMPHONY_IMAGES.",
    )


def unusable(folder: Path, doing: str, error: OSError) -> ImageError:
    """Return the error for a library that the system refuses."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(folder, doing)
    return ImageError(
        f"The image library {folder} cannot {doing}: {(error.strerror or str(error)).lower()}.",
        code="image.library_unusable",
        remedy="Name a folder that you may write in SYMPHONY_IMAGES.",
    )


def stage_failed(stage: str, program: str, status: int, said: str, log: Path) -> ImageError:
    """Return the error for a stage whose program failed for a reason that nothing here knows."""
    words = one_line(said, SHOWN) or "it said nothing"
    return ImageError(
        f"The stage {stage} failed: {program} ended with status {status}: {words}",
        code="image.stage_failed",
        remedy=f"Read {log}, then run `{BUILD}` again: finished stages are kept.",
    )


def no_network(stage: str, program: str, said: str) -> ImageError:
    """Return the error for a stage that could not reach what it downloads from."""
    return ImageError(
        f"The stage {stage} could not download: {program} said: {one_line(said, SHOWN)}",
        code="image.network",
        remedy=f"Check the network and the proxy, then run `{BUILD}` again: finished stages are kept.",
    )
