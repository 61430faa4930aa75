"""Which files of a pushed branch do not merge with the base that its remote has now [CONTRACT 9.5].

No file is checked out and no branch is moved. Called by the watch of pull requests.
"""

import asyncio
from pathlib import Path

from symphony.core.keys import workspace_key
from symphony.core.settings import Settings
from symphony.workspace.branch import check_branch
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.preflight import Preflights
from symphony.workspace.refs import now_ref
from symphony.workspace.remote import open_remote
from symphony.workspace.source import Source


class GitConflicts:
    """Tries merges of one installation's branches with the bases of their remote."""

    def __init__(self, home: Path, repository: HostRepository) -> None:
        """Work in the repository that only the host writes; `home` is where relative paths start."""
        self._home = home
        self._repository = repository

    async def of(self, issue_id: str, base: str, head: str, settings: Settings) -> tuple[str, ...]:
        """Return the files in conflict; nothing when there is none, or when it cannot be tried."""
        try:
            source = await asyncio.to_thread(Source, settings.workspace.source, self._home)
            remote = await open_remote(source, settings.handoff.remote)
            await self._repository.open()
            ref, target = f"refs/heads/{check_branch(base)}", now_ref(workspace_key(issue_id))
            commit = await self._repository.fetch(remote.git, remote.url, ref, target)
            return (await Preflights(self._repository, source).merge(base, commit, head)).conflicts
        except WorkspaceError:
            return ()
