"""Patches as their reviewer sees them, without a disk; implements `core.ports.Reviews`."""

import asyncio
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from symphony.core.keys import workspace_key
from symphony.core.ports import Workspace
from symphony.core.review import Comment
from symphony.workspace.marks import comments_in, marks_in, without_comments
from symphony.workspace.refusals import unread_note


class MemoryReviews:
    """All patches of one driver, in a mapping that a test may write comments into."""

    def __init__(self, folder: Path, patches: MutableMapping[Path, bytes]) -> None:
        self._folder = folder
        self._patches = patches
        self._own: dict[Path, tuple[str, ...]] = {}
        self._proposed: set[Path] = set()

    def put(self, patch: Path, mailbox: bytes) -> str:
        """Keep a new patch; return a sentence about comments in the one before, or nothing."""
        said = self._keep_unread(patch)
        self._own[patch] = marks_in(mailbox)
        self._patches[patch] = mailbox
        return said

    def propose(self, workspace: Workspace) -> str:
        """Let a review take the place of a patch; return a sentence about comments in that, or nothing."""
        patch = self._patch(workspace.issue_id)
        said = self._keep_unread(patch)
        self._patches.pop(patch, None)
        self._proposed.add(patch)
        return said

    def _keep_unread(self, patch: Path) -> str:
        before = self._patches.get(patch, b"")
        unread = comments_in(before, self._own.get(patch, ()))
        if not unread:
            return ""
        kept = patch.with_name(f"{patch.name}.unread-1")
        self._patches[kept] = before
        return unread_note(len(unread), kept)

    async def comments(self, issue_id: str) -> tuple[Comment, ...]:
        """Return what a person has written into an issue's patch."""
        await asyncio.sleep(0)
        patch = self._patch(issue_id)
        return comments_in(self._patches.get(patch, b""), self._own.get(patch, ()))

    async def clear(self, issue_id: str, read: Sequence[Comment]) -> None:
        """Take the comments that were read out of the patch, unless there are others by now."""
        patch = self._patch(issue_id)
        if read and await self.comments(issue_id) == tuple(read):
            self._patches[patch] = without_comments(self._patches[patch], self._own.get(patch, ()))

    async def discard(self, issue_id: str) -> bool:
        """Forget an issue's patch and review. Say whether there was one."""
        await asyncio.sleep(0)
        patch = self._patch(issue_id)
        there = patch in self._patches or patch in self._proposed
        self._patches.pop(patch, None)
        self._proposed.discard(patch)
        return there

    def _patch(self, issue_id: str) -> Path:
        return self._folder / f"agent_{workspace_key(issue_id)}.patch"
