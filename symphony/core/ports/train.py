"""The merge train as the engine uses it [docs/merge-train.md]."""

from datetime import datetime
from typing import Protocol

from symphony.core.handoff import Imported
from symphony.core.settings import Settings
from symphony.core.train import TrainMerge, TrainView


class Train(Protocol):
    """The branch of the source repository that finished work is merged into.

    Nobody calls `board` while another does.
    """

    async def merge(
        self,
        issue_id: str,
        title: str,
        imported: Imported,
        settings: Settings,
        at: datetime,
        leaving: str = "",
    ) -> TrainMerge:
        """Merge a branch onto the train's head as it is now; nothing of the train changes.

        Args:
            issue_id: the work's.
            title: of the work, one line.
            imported: the branch, by which a boarding that was cut off is found again.
            settings: name the train and the base.
            at: the time that the merge's commit bears.
            leaving: the commit that boards, with the branch's files; the branch's own without one.

        Raises:
            TrainStopped: `train.*`: a person has to do something first.
            WorkspaceError: `workspace.*`.
        """
        ...

    async def board(self, merge: TrainMerge, settings: Settings) -> bool:
        """Move the train's branch to the merge, unless it has moved since; say whether it was moved.

        Raises:
            TrainStopped: `train.*`: a person has to do something first.
            WorkspaceError: `workspace.*`.
        """
        ...

    async def look(self, settings: Settings) -> TrainView:
        """Return how the train stands; nothing of it changes.

        Raises:
            TrainStopped: `train.*`: that cannot be known.
            WorkspaceError: `train.off`; `workspace.*`.
        """
        ...

    async def reset(self, seen: TrainView, settings: Settings) -> None:
        """Move the train's branch to the base, both as they were seen, and unless the branch has moved since.

        Raises:
            TrainStopped: `train.moved`, `train.*`, and nothing was changed.
            WorkspaceError: `train.off`; `workspace.*`.
        """
        ...
