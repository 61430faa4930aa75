"""What `smolvm.image` and `smolvm.from` name, as the engine takes it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from symphony.core.settings import SmolvmSettings
from symphony.sandbox.errors import SandboxError


@dataclass(frozen=True, slots=True)
class ImageSource:
    """An image as the engine takes it.

    Attributes:
        arguments: of `machine create`.
        digest: changes when the image does.
        path: on this host; None for what a registry has.
    """

    arguments: tuple[str, ...]
    digest: str
    path: Path | None


def resolve_image(settings: SmolvmSettings, environ: Mapping[str, str]) -> ImageSource:
    """Return the source that the settings name.

    Raises:
        SandboxError: `sandbox.image_missing`.
    """
    text = settings.from_ or settings.image or environ.get("SYMPHONY_TEST_IMAGE", "")
    path = Path(text).expanduser()
    if not text or not path.exists():
        raise SandboxError(f"There is no image {text}.", code="sandbox.image_missing")
    digest = hashlib.sha256(f"{path}{path.stat().st_mtime_ns}".encode()).hexdigest()
    return ImageSource(("--from" if settings.from_ else "--image", str(path)), digest, path)
