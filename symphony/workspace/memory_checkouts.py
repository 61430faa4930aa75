"""Clean checkouts without a disk. Called by `memory` alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from symphony.core.handoff import Imported
from symphony.core.ports import Sandbox
from symphony.core.train import TrainMerge


class MemoryCheckouts:
    """The checkouts of one workspace; a `core.ports.Checkouts`."""

    def __init__(
        self,
        folder: Path,
        places: dict[Path, dict[str, bytes]],
        files_of: Callable[[str], Mapping[str, bytes]],
    ) -> None:
        """Take where they lie, all files by folder, and what tells the files of a commit."""
        self.folder = folder
        self._places = places
        self._files_of = files_of
        self._numbers = count(1)

    @asynccontextmanager
    async def checkout(self, imported: Imported, sandbox: Sandbox) -> AsyncIterator[Path]:
        """Hold the files of an imported commit under a path of their own."""
        await sandbox.lend(self.folder)
        await asyncio.sleep(0)
        path = self.folder / str(next(self._numbers))
        self._places[path] = dict(self._files_of(imported.head_commit))
        try:
            yield path
        finally:
            del self._places[path]

    async def show(self, merge: TrainMerge, sandbox: Sandbox) -> bool:  # noqa: ARG002  the port's signature
        """Say that there is no git to take it."""
        await asyncio.sleep(0)
        return False
