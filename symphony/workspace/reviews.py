"""Patches that were handed over, as their reviewer sees them; implements `core.ports.Reviews`."""

import asyncio
import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from symphony.core.installation import Installation
from symphony.core.keys import workspace_key
from symphony.core.review import Comment
from symphony.host.durable import write_durably, write_new
from symphony.workspace.errors import explain_disk
from symphony.workspace.marks import comments_in, without_comments
from symphony.workspace.patch import PATCH_LIMIT
from symphony.workspace.refusals import commented_too_large, unread_note
from symphony.workspace.review import delete_patch, read_review

COMMENTED_LIMIT = 2 * PATCH_LIMIT  # bytes; a patch with what a person wrote into it


class GitReviews:
    """All patches of one installation."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def comments(self, issue_id: str) -> tuple[Comment, ...]:
        """Return what a person has written into an issue's patch; nothing when it has none.

        Raises:
            WorkspaceError: `review.unreadable`, `review.too_large`, `workspace.*`.
        """
        return await self.comments_of(workspace_key(issue_id))

    async def comments_of(self, key: str) -> tuple[Comment, ...]:
        """Return the comments in the patch of the issue with this key.

        Raises:
            WorkspaceError: as of `comments`.
        """
        return await asyncio.to_thread(lambda: self._read(key)[2])

    async def clear(self, issue_id: str, read: Sequence[Comment]) -> None:
        """Take the comments that were read out of the patch, unless there are others by now.

        Raises:
            WorkspaceError: as of `comments`; the patch is as it was.
        """
        await asyncio.to_thread(self._clear, workspace_key(issue_id), tuple(read))

    async def discard(self, issue_id: str) -> bool:
        """Delete an issue's patch and its review folder. Say whether there was one.

        Raises:
            WorkspaceError: it is still there, or a part of it.
        """
        key = workspace_key(issue_id)
        places = (self._installation.patch(key), self._installation.review(key))
        there = await asyncio.to_thread(lambda: any(map(os.path.lexists, places)))
        await asyncio.to_thread(delete_patch, places[0])
        return there

    async def keep_unread(self, issue_id: str) -> str:
        """Keep a copy of a patch with comments that nobody has read; return a sentence about it, or nothing.

        Raises:
            WorkspaceError: `review.*`, `workspace.*`.
        """
        return await asyncio.to_thread(self._keep_unread, workspace_key(issue_id))

    def _read(self, key: str) -> tuple[bytes, tuple[str, ...], tuple[Comment, ...]]:
        """Return the patch, the marked lines of its own, and the comments."""
        patch = self._installation.patch(key)
        with explain_disk(f"read {patch}"):
            try:
                with patch.open("rb") as file:
                    mailbox = file.read(COMMENTED_LIMIT + 1)
            except FileNotFoundError:
                return b"", (), ()
        if len(mailbox) > COMMENTED_LIMIT:
            raise commented_too_large(patch, COMMENTED_LIMIT)
        review = read_review(self._installation, key)
        own = review.marks if review else ()
        return mailbox, own, comments_in(mailbox, own)

    def _clear(self, key: str, read: tuple[Comment, ...]) -> None:
        mailbox, own, comments = self._read(key)
        if comments and comments == read:
            patch = self._installation.patch(key)
            with explain_disk(f"write {patch}"):
                write_durably(patch, without_comments(mailbox, own))

    def _keep_unread(self, key: str) -> str:
        mailbox, _, comments = self._read(key)
        if not comments:
            return ""
        patch = self._installation.patch(key)
        with explain_disk(f"write beside {patch}"):
            return unread_note(len(comments), _copy_beside(patch, mailbox))


def _copy_beside(patch: Path, mailbox: bytes) -> Path:
    """Write a copy under the first name that is free or has it already."""
    for number in count(1):
        path = patch.with_name(f"{patch.name}.unread-{number}")
        try:
            write_new(path, mailbox)
        except FileExistsError:
            if path.read_bytes() != mailbox:
                continue
        break
    return path
