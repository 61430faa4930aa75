"""The merge train as the engine uses it [docs/merge-train.md]."""

from datetime import datetime
from typing import Protocol

from symphony.core.handoff import Imported
from symphony.core.settings import Settings
from symphony.core.train import TrainMerge


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
