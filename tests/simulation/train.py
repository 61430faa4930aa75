"""The merge train as one process holds it, and the witness of what boards.

The branch itself outlives the process; other people move it, and it may stand still for a reason of theirs.
"""

from datetime import datetime
from typing import Any, Final

from symphony.core.handoff import Imported
from symphony.core.settings import Settings
from symphony.core.train import TrainMerge, TrainStopped, TrainView
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.memory_history import MemoryCommit
from symphony.workspace.memory_train import MemoryTrain
from tests.simulation.faults import Faults, Life
from tests.simulation.ledger import Ledger

BRANCH: Final = "train"
SHARED: Final = "shared.txt"
"""The file that several agents write to, each something of its own."""
CHECKED_OUT: Final = "train.checked_out"
BASE_CONFLICT: Final = "train.base_conflict"
NOT_ABOARD: Final = "It did not board the merge train"


class TrainYard:
    """The train's branch as people handle it.

    Attributes:
        stopped: the code for which the train stands still; empty when it does not.
        moves: how often somebody else than symphony moved the branch.
    """

    def __init__(self, workspaces: Any) -> None:
        self.stopped = ""
        self.moves = 0
        self.train: MemoryTrain = workspaces.train
        self._workspaces = workspaces

    def move(self, how: str) -> None:
        """Move the branch as a person does; without a branch nothing happens."""
        head, history = self.train.heads.get(BRANCH), self._workspaces._history
        if head is None:
            return
        self.moves += 1
        made = history.commits[head]
        name = SHARED if how == "clash" else f"person-{self.moves}.txt"
        match how:
            case "reset":
                self.train.heads[BRANCH] = self._workspaces._base
            case "back":
                self.train.heads[BRANCH] = made.parent or head
            case "delete":
                del self.train.heads[BRANCH]
            case _:
                files = {**made.files, name: f"of a person {self.moves}".encode()}
                self.train.heads[BRANCH] = history.add(MemoryCommit(files, "By hand", head))

    def theirs(self, name: str) -> bytes | None:
        """Return what a file holds on the train."""
        head = self.train.heads.get(BRANCH)
        return None if head is None else self._workspaces.files_of(head).get(name)


class SimulatedTrain:
    """One process's hold on the train; a `core.ports.Train`."""

    def __init__(self, yard: TrainYard, store: Any, life: Life, faults: Faults, ledger: Ledger) -> None:
        self._yard = yard
        self._train = yard.train
        self._store = store
        self._life = life
        self._faults = faults
        self._ledger = ledger
        self._made: dict[str, tuple[str, str, int]] = {}
        self._boards = ""

    async def merge(
        self,
        issue_id: str,
        title: str,
        imported: Imported,
        settings: Settings,
        at: datetime,
        leaving: str = "",
    ) -> TrainMerge:
        await self._reach()
        if self._faults.takes("merge"):
            raise WorkspaceError("git does not answer.", code="workspace.git_failed", remedy="")
        self._stand_still(CHECKED_OUT)
        moves = self._yard.moves
        merge = await self._train.merge(issue_id, title, imported, settings, at, leaving)
        if merge.aboard:
            self._found(issue_id, imported, merge)
            return merge
        self._stand_still(BASE_CONFLICT)
        self._made[merge.commit] = (issue_id, imported.head_commit, moves)
        return merge

    async def board(self, merge: TrainMerge, settings: Settings) -> bool:
        issue_id, work, moves = self._made[merge.commit]
        if self._boards:
            self._ledger.blame(f"one boards at a time: {issue_id} while {self._boards} does")
        self._boards = issue_id
        try:
            await self._reach()
            self._stand_still(CHECKED_OUT)
            if self._faults.takes("board"):
                raise TrainStopped("The branch is locked.", code="train.refused", remedy="")
            self._check_what_boards(issue_id, merge, settings)
            before = self._train.aboard(merge.branch)
            moved = await self._train.board(merge, settings)
            if not moved and moves == self._yard.moves:
                self._ledger.blame(f"one boards at a time: {issue_id} was overtaken by another")
            if moved:
                self._check_boarded(issue_id, merge, work, before)
        finally:
            self._boards = ""
        if self._faults.takes("boarded"):
            raise WorkspaceError("Whether it boarded is not known.", code="workspace.git_timeout", remedy="")
        return moved

    async def look(self, settings: Settings) -> TrainView:
        await self._reach()
        return await self._train.look(settings)

    async def reset(self, seen: TrainView, settings: Settings) -> None:
        await self._reach()
        self._stand_still(CHECKED_OUT)
        self._yard.moves += 1
        await self._train.reset(seen, settings)

    async def _reach(self) -> None:
        await self._faults.lag()
        self._life.check()

    def _stand_still(self, code: str) -> None:
        if self._yard.stopped == code:
            raise TrainStopped("The train stands still.", code=code, remedy="Let it go on.")

    def _found(self, issue_id: str, imported: Imported, merge: TrainMerge) -> None:
        if imported.head_commit not in self._train.aboard(merge.branch):
            self._ledger.blame(f"what is said to be aboard is: the work of issue {issue_id} is not")
        self._ledger.aboard.update(self._owed(issue_id))

    def _owed(self, issue_id: str) -> tuple[str, ...]:
        completion = self._store.disk.accepted.get(issue_id)
        return () if completion is None else (completion.attempt_id,)

    def _check_what_boards(self, issue_id: str, merge: TrainMerge, settings: Settings) -> None:
        if merge.conflicts or not merge.commit:
            self._ledger.blame(f"only what fits boards: issue {issue_id} is in conflict")
        if not self._owed(issue_id):
            self._ledger.blame(f"only what is done boards: issue {issue_id} is not")
        for check in settings.checks:
            if (merge.tree, check.run) not in self._ledger.checked:
                self._ledger.blame(
                    f"what boards was checked on the head that it was merged onto: {issue_id} was not"
                )

    def _check_boarded(self, issue_id: str, merge: TrainMerge, work: str, before: tuple[str, ...]) -> None:
        ledger, history = self._ledger, self._train._history
        if work in before:
            ledger.blame(f"work boards once: that of issue {issue_id} was aboard")
        line = {*history.since("", merge.commit)}
        for attempt_id in self._owed(issue_id):
            earlier = ledger.boardings.setdefault(attempt_id, [])
            if line.intersection(earlier):
                ledger.blame(f"each mark_done boards once: {attempt_id} has boarded")
            earlier.append(merge.commit)
            ledger.aboard.add(attempt_id)


def check_leaving(
    ledger: Ledger, issue_id: str, attempt_id: str | None, imported: Imported, settings: Settings
) -> None:
    """Hold what leaves against the train that it had to board first, by the settings it leaves with."""
    if attempt_id is None:
        return
    ledger.rode[attempt_id] = settings.merge_train.branch is not None and imported.changed
    if not ledger.rode[attempt_id] or attempt_id in ledger.aboard:
        return
    excused = any(note.startswith(NOT_ABOARD) for note in imported.notes)
    if not excused:
        ledger.blame(f"nothing is handed over past the merge train: {attempt_id} has not boarded")
    elif issue_id not in ledger.finished:
        ledger.blame(f"only what is finished already stays off the merge train: {attempt_id} is not")
