"""Issues as files [CONTRACT 3]."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from symphony.core.editing import IssueText, TextReading
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

    async def text(self, issue_id: str) -> IssueText:
        """Return the whole text of the issue's file, also of one that cannot be read as an issue.

        Raises:
            TrackerError: `issue_not_found`, `issue_ambiguous`; `issue_unreadable` for what is no
                plain file, too large, or may not be opened.
        """
        ...

    async def check(self, issue_id: str, text: str) -> TextReading:
        """Say what the issue would be with this text; nothing is written.

        Raises:
            TrackerError: as of `text`.
        """
        ...

    async def save(self, issue_id: str, text: str, revision: str) -> Issue:
        """Replace the text that had this revision, durably; a repeat changes nothing.

        Raises:
            EditConflict: `edit_conflict`, with what the file says by now.
            IssueTextRefused: `invalid_issue_text`, with every fault.
            TrackerError: as of `text`, and `id_taken`, `tracker_busy`, `tracker_write_failed`.
        """
        ...
