"""The merge train without a disk: files merged as wholes. Called by `memory` and by tests."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from symphony.core.handoff import Imported
from symphony.core.settings import Settings
from symphony.core.train import Passenger, TrainMerge, TrainStopped, TrainView
from symphony.workspace.memory_history import MemoryCommit, MemoryHistory
from symphony.workspace.refusals import train_moved, train_off

BASE = "main"


class MemoryTrain:
    """Implements `core.ports.Train`; the base never moves.

    Attributes:
        heads: each train's branch with the commit that it stands at.
        stopped: why nothing can board; empty when the next piece of work can.
    """

    def __init__(self, history: MemoryHistory, base: str) -> None:
        self.heads: dict[str, str] = {}
        self.stopped = ""
        self._history = history
        self._base = base
        self._work: dict[str, str] = {}
        self._passengers: dict[str, Passenger] = {}

    def aboard(self, branch: str) -> tuple[str, ...]:
        """Return the work that was imported and is on a train, in its order."""
        head = self.heads.get(branch, self._base)
        line = [*self._history.since(self._base, head)][::-1]
        return tuple(self._work[commit] for commit in line if commit in self._work)

    async def merge(
        self,
        issue_id: str,
        title: str,
        imported: Imported,
        settings: Settings,
        at: datetime,
        leaving: str = "",
    ) -> TrainMerge:
        """Merge a branch onto the train's head.

        Raises:
            TrainStopped: as told.
        """
        await asyncio.sleep(0)
        if self.stopped:
            raise TrainStopped(self.stopped, code="train.stopped")
        branch, head = str(settings.merge_train.branch), leaving or imported.head_commit
        seen = self.heads.get(branch, "")
        onto = seen or self._base
        for place in self._history.since(self._base, onto):
            if self._work.get(place) == imported.head_commit:
                made = self._history.commits[place]
                return TrainMerge(branch, seen, str(made.parent), place, made.tree, aboard=True)
        base, ours, theirs = (self._files(commit) for commit in (self._base, onto, head))
        names = sorted({*base, *ours, *theirs})
        both = [name for name in names if base.get(name) not in (ours.get(name), theirs.get(name))]
        conflicts = tuple(name for name in both if ours.get(name) != theirs.get(name))
        if conflicts:
            return TrainMerge(branch, seen, onto, conflicts=conflicts)
        picked = {name: (ours if base.get(name) == theirs.get(name) else theirs).get(name) for name in names}
        files = {name: content for name, content in picked.items() if content is not None}
        made = MemoryCommit(files, f"Merge issue {issue_id}: {title} ({head})", onto)
        commit = self._history.add(made)
        self._work[commit] = imported.head_commit
        self._passengers[commit] = Passenger(issue_id, title, commit, at)
        return TrainMerge(branch, seen, onto, commit, made.tree, ref=commit)

    async def board(self, merge: TrainMerge, settings: Settings) -> bool:  # noqa: ARG002  the port's signature
        """Move the train to the merge, unless it has moved since."""
        await asyncio.sleep(0)
        if self.heads.get(merge.branch, "") != merge.seen:
            return False
        self.heads[merge.branch] = merge.commit
        return True

    async def look(self, settings: Settings) -> TrainView:
        """Return how the train stands.

        Raises:
            WorkspaceError: `train.off`.
        """
        await asyncio.sleep(0)
        if settings.merge_train.branch is None:
            raise train_off()
        branch = settings.merge_train.branch
        head = self.heads.get(branch, "")
        line = [*self._history.since(self._base, head)][::-1] if head else []
        aboard = tuple(self._passengers[commit] for commit in line if commit in self._passengers)
        return TrainView(branch, head, BASE, self._base, aboard, self.stopped)

    async def reset(self, seen: TrainView, settings: Settings) -> None:  # noqa: ARG002  the port's signature
        """Move the train to the base, unless it has moved since.

        Raises:
            TrainStopped: as told; `train.moved`.
        """
        await asyncio.sleep(0)
        if self.stopped:
            raise TrainStopped(self.stopped, code="train.stopped")
        if self.heads.get(seen.branch, "") != seen.head:
            raise train_moved(seen.branch)
        self.heads[seen.branch] = seen.base_commit

    def _files(self, commit: str) -> Mapping[str, bytes]:
        return self._history.commits[commit].files
