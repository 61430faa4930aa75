"""The host's own folder for what is needed for a moment; what a dead process left in it is deleted."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from symphony.workspace.errors import explain_disk
from symphony.workspace.folder import delete_folder


class Scratch:
    """Folders that last as long as a block."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._opening = asyncio.Lock()
        self._cleared = False

    @asynccontextmanager
    async def open(self, purpose: str) -> AsyncIterator[Path]:
        """Hold an empty folder; it is deleted on leaving.

        Raises:
            WorkspaceError: on entering, `workspace.disk_full` and others.
        """
        async with self._opening:
            folder = await asyncio.to_thread(self._make, purpose, clear=not self._cleared)
            self._cleared = True
        try:
            yield folder
        finally:
            await asyncio.to_thread(delete_folder, folder)

    def _make(self, purpose: str, *, clear: bool) -> Path:
        with explain_disk(f"make a folder in {self._root}"):
            if clear:
                delete_folder(self._root)
            self._root.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=self._root))
