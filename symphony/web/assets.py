"""Style sheets and scripts: read once, served under names that change with their content.

A page can so be told to keep them for ever, and knows each script's digest for its integrity.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from symphony.web.vendor import missing_files

FOLDER: Final = Path(__file__).resolve().parent / "static"
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the pages.

    Attributes:
        url: with a digest of the content in it.
        integrity: for the tag that loads it.
    """

    url: str
    integrity: str
    content_type: str
    content: bytes

    @classmethod
    def of(cls, name: str, content: bytes) -> "Asset":
        """Return the asset of a file's content."""
        digest = hashlib.sha384(content).digest()
        url = f"/static/{digest.hex()[:12]}/{name}"
        return cls(url, f"sha384-{base64.b64encode(digest).decode()}", TYPES[Path(name).suffix], content)


@dataclass(frozen=True, slots=True)
class Assets:
    """All files of the pages, by name.

    Attributes:
        missing: scripts of others that were not fetched; pages then work as plain forms.
    """

    by_name: Mapping[str, Asset]
    missing: frozenset[str]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> "Assets":
        """Read the folder."""
        names = sorted(path for path in folder.rglob("*") if path.suffix in TYPES)
        found = {path.relative_to(folder).as_posix(): path for path in names}
        return cls(
            {name: Asset.of(name, path.read_bytes()) for name, path in found.items()},
            missing_files(folder / "vendor"),
        )

    def add_to(self, app: web.Application) -> None:
        """Give the application a path for each file."""
        by_url = {asset.url: asset for asset in self.by_name.values()}

        async def serve(request: web.Request) -> web.Response:
            asset = by_url.get(request.path)
            if asset is None:
                raise web.HTTPNotFound
            headers = {"Cache-Control": FOREVER}
            return web.Response(
                body=asset.content, content_type=asset.content_type, charset="utf-8", headers=headers
            )

        app.router.add_get("/static/{digest}/{name:.+}", serve)
