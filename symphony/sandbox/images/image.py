"""One image as it is written down beside its files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

FORMAT = 1
RECORD, ROOTFS = "image.json", "rootfs"
ID_DIGITS = 64
SHORT = 12  # digits that are shown and are enough to name one


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What one stage brought.

    Attributes:
        seconds: that it took when it was built.
        size_bytes: of its archive.
        sha256: of its archive.
        packages: version by name.
    """

    name: str
    key: str
    seconds: float
    size_bytes: int
    sha256: str
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image.

    Attributes:
        id: 64 hexadecimal digits, from what it was made of.
        name: of its definition.
        created: aware UTC.
        size_bytes: of its files, as the disk holds them.
        base: what its system is from.
        definition: as it was read.
    """

    id: str
    name: str
    created: datetime
    size_bytes: int
    architecture: str
    base: str
    definition: Mapping[str, Any]
    stages: tuple[StageRecord, ...]

    @property
    def short(self) -> str:
        """Enough of the id to name it."""
        return self.id[:SHORT]

    @property
    def packages(self) -> dict[str, str]:
        """All packages that stages brought, version by name."""
        return {name: version for stage in self.stages for name, version in stage.packages.items()}


def render_image(image: Image) -> dict[str, Any]:
    """Return the image as JSON has it."""
    return {"format": FORMAT, **asdict(image), "created": image.created.isoformat(timespec="seconds")}


def parse_image(text: str) -> Image:
    """Read what `render_image` gave.

    Raises:
        ValueError: it is not that; the text says what is wrong.
    """
    try:
        table = json.loads(text)
        if table["format"] != FORMAT:
            raise ValueError(f"format {table['format']} is not known")
        return Image(
            id=str(table["id"]),
            name=str(table["name"]),
            created=datetime.fromisoformat(table["created"]),
            size_bytes=int(table["size_bytes"]),
            architecture=str(table["architecture"]),
            base=str(table["base"]),
            definition=dict(table["definition"]),
            stages=tuple(StageRecord(**stage) for stage in table["stages"]),
        )
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise ValueError("it is not the record of an image") from error


def rootfs_of(folder: Path) -> Path:
    """Return where the files of the image in this folder are."""
    return folder / ROOTFS
