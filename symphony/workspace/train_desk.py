"""The merge train as people see it, and its new beginning. Called by `symphony train`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.installation import Installation
from symphony.core.provenance import ISSUE
from symphony.core.settings import Settings
from symphony.core.text import one_line
from symphony.core.train import Passenger, TrainStopped, TrainView
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.refs import TRAIN_BASE
from symphony.workspace.train import MERGES_LOOKED_AT, WORK, GitTrain, Way

FIELDS = ("%H", "%ct", f"%(trailers:key={ISSUE},valueonly,separator=%x2C)", "%s")
FIELD = "\x1f"


class TrainDesk:
    """The train of one installation."""

    def __init__(self, home: Path, installation: Installation) -> None:
        """Take where relative paths start, and what symphony owns."""
        self._repository = HostRepository(installation.host_repository)
        self._train = GitTrain(home, self._repository)

    async def look(self, settings: Settings) -> TrainView:
        """Return how the train stands; nothing of it changes.

        Raises:
            WorkspaceError: `train.off`; `workspace.*`.
        """
        if settings.merge_train.branch is None:
            raise _off()
        try:
            way = await self._way(settings)
        except TrainStopped as stopped:
            return TrainView(settings.merge_train.branch, stopped=str(stopped))
        return await self._view(way)

    async def reset(self, settings: Settings) -> TrainView:
        """Move the train's branch to the base; return the train as it was.

        Raises:
            TrainStopped: `train.*`, and nothing was changed.
            WorkspaceError: `train.off`; `workspace.*`.
        """
        if settings.merge_train.branch is None:
            raise _off()
        way = await self._way(settings)
        view = await self._view(way)
        if not way.seen or way.seen == way.base_commit:
            return view
        await way.branch.check_free()
        if not await way.branch.move(way.base_commit, way.seen, "the merge train starts anew"):
            raise TrainStopped(
                f"The merge train {way.branch.name} has just moved, and was left as it is.",
                code="train.moved",
                remedy="Look at it with `symphony train` and reset it again.",
            )
        return view

    async def _way(self, settings: Settings) -> Way:
        return await self._train.find(settings, TRAIN_BASE)

    async def _view(self, way: Way) -> TrainView:
        stopped = ""
        try:
            await way.branch.check_free()
            await self._train.head(way)
        except TrainStopped as error:
            stopped = str(error)
        passengers = tuple(await self._passengers(way)) if way.seen else ()
        name = one_line(way.base.name)
        return TrainView(way.branch.name, way.seen, name, way.base_commit, passengers, stopped)

    async def _passengers(self, way: Way) -> Iterator[Passenger]:
        listing = await self._repository.git.run(
            "log", "--first-parent", "--merges", "--reverse", "-z", f"--max-count={MERGES_LOOKED_AT}",
            f"--format=%(trailers:key={WORK},valueonly,separator=%x2C){FIELD}{FIELD.join(FIELDS)}",
            way.seen, "--not", way.base_commit, "--",
        )  # fmt: skip
        lines = listing.decode("utf-8", "replace").split("\0")
        return (_passenger(*line.split(FIELD)[1:5]) for line in lines if line and line[0] != FIELD)


def _passenger(commit: str, seconds: str, issue_id: str, subject: str) -> Passenger:
    title = one_line(subject.removeprefix(f"Merge issue {issue_id}: "))
    return Passenger(one_line(issue_id), title, commit, datetime.fromtimestamp(int(seconds), UTC))


def _off() -> WorkspaceError:
    return WorkspaceError(
        "There is no merge train: merge_train.branch is null.",
        code="train.off",
        remedy="Set it in WORKFLOW.md, to symphony/train for one.",
    )
