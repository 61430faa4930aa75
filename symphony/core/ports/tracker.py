"""Issues as files [CONTRACT 3]."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from symphony.core.issue import Issue, IssueDraft, IssueSet


class Tracker(Protocol):
    """Issues as files [CONTRACT 3]."""

    async def scan(self) -> IssueSet:
        """Look at every file, re-read the changed ones, and return what there is now."""
        ...

    async def refresh(self, paths: Collection[Path]) -> IssueSet:
        """Look only at these files or folders, as a watcher names them."""
        ...

    async def create(self, draft: IssueDraft, *, extra: Mapping[str, Any] | None = None) -> Issue:
        """Write a new issue file; `extra` are further keys of its front matter.

        Raises:
            TrackerError: `invalid_id`, `id_taken`, `unknown_state`, `invalid_title`, `issue_too_large`,
                `tracker_root_missing`, `tracker_busy`, `tracker_write_failed`.
        """
        ...

    async def move(self, issue_id: str, to_state: str, *, note: str | None = None) -> Issue:
        """Rename the issue's file into another state's folder, a note added first.

        Raises:
            TrackerError: `issue_not_found`, `issue_ambiguous`, `issue_unreadable`, `target_exists`,
                `unknown_state`, `tracker_busy`, `tracker_write_failed`.
        """
        ...
