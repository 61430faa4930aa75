"""Best states without a disk. Called by `memory` alone."""

import asyncio
from pathlib import Path

from symphony.core.best import BestState, Checked
from symphony.core.keys import workspace_key
from symphony.workspace.best import better_of
from symphony.workspace.refs import best_ref


class MemoryBestStates:
    """A `core.ports.BestStates`."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._states: dict[str, BestState] = {}

    async def of(self, issue_id: str) -> BestState | None:
        """Return the best state of an issue; None when it has none."""
        await asyncio.sleep(0)
        return self._states.get(workspace_key(issue_id))

    async def keep(self, issue_id: str, checked: Checked) -> BestState:
        """Note work that checks fail on, and keep it if none was better."""
        await asyncio.sleep(0)
        key = workspace_key(issue_id)
        self._states[key] = better_of(best_ref(key), self._repository, self._states.get(key), checked)
        return self._states[key]

    async def forget(self, issue_id: str) -> None:
        """Let go of an issue's best state; repeating it does nothing."""
        await asyncio.sleep(0)
        self._states.pop(workspace_key(issue_id), None)
