"""What a reviewer does with delivered work: comments in the patch, or giving it up."""

from collections.abc import Sequence
from typing import Protocol

from symphony.core.review import Comment


class Reviews(Protocol):
    """The patches that were handed over, as their reviewer sees them [CONTRACT 9.1, 9.4]."""

    async def comments(self, issue_id: str) -> tuple[Comment, ...]:
        """Return what a person has written into an issue's patch; nothing when it has none.

        Raises:
            WorkspaceError: `review.unreadable`, `workspace.*`.
        """
        ...

    async def clear(self, issue_id: str, read: Sequence[Comment]) -> None:
        """Take the comments that were read out of the patch, unless there are others by now.

        Raises:
            WorkspaceError: as of `comments`; the patch is as it was.
        """
        ...

    async def discard(self, issue_id: str) -> bool:
        """Delete an issue's patch and its review folder; the commits stay. Say whether there was one.

        Raises:
            WorkspaceError: it is still there, or a part of it.
        """
        ...
