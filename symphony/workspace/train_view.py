"""The merge train as people see it, and its new beginning from the base. Called by `train`."""

from collections.abc import Iterator
from datetime import UTC, datetime

from symphony.core.provenance import ISSUE
from symphony.core.settings import Settings
from symphony.core.text import one_line
from symphony.core.train import Passenger, TrainStopped, TrainView
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.refs import TRAIN_BASE
from symphony.workspace.refusals import train_moved, train_off
from symphony.workspace.train_branch import TrainBranch
from symphony.workspace.train_way import Way, Ways

WORK = "Symphony-Work"
"""The trailer of the commits by which work boards; its value is the commit that was imported."""
MERGES_LOOKED_AT = 10_000  # of a train's history; each is a piece of work
FIELDS = ("%H", "%ct", f"%(trailers:key={ISSUE},valueonly,separator=%x2C)", "%s")
FIELD = "\x1f"


class TrainViews:
    """Looks at one installation's train."""

    def __init__(self, repository: HostRepository, ways: Ways) -> None:
        self._repository = repository
        self._ways = ways

    async def look(self, settings: Settings) -> TrainView:
        """Return how the train stands; nothing of it changes.

        Raises:
            TrainStopped: `train.*`: that cannot be known.
            WorkspaceError: `train.off`; `workspace.*`.
        """
        _branch_of(settings)
        way, stopped = await self._ways.find(settings, TRAIN_BASE), ""
        try:
            await way.branch.check_free()
            await self._ways.head(way)
        except TrainStopped as error:
            stopped = str(error)
        passengers = tuple(await self._passengers(way)) if way.seen else ()
        name = one_line(way.base.name)
        return TrainView(way.branch.name, way.seen, name, way.base_commit, passengers, stopped)

    async def reset(self, seen: TrainView, settings: Settings) -> None:
        """Move the train's branch to the base, both as they were seen.

        Raises:
            TrainStopped: `train.*`, and nothing was changed.
            WorkspaceError: `train.off`; `workspace.*`.
        """
        branch = TrainBranch(await self._ways.source(settings), _branch_of(settings))
        await branch.open(settings.workspace.base)
        await branch.check_free()
        if branch.name != seen.branch or not await branch.move(
            seen.base_commit, seen.head, "the merge train starts anew"
        ):
            raise train_moved(branch.name)

    async def _passengers(self, way: Way) -> Iterator[Passenger]:
        listing = await self._repository.git.run(
            "log", "--first-parent", "--merges", "--reverse", "-z", f"--max-count={MERGES_LOOKED_AT}",
            f"--format=%(trailers:key={WORK},valueonly,separator=%x2C){FIELD}{FIELD.join(FIELDS)}",
            way.seen, "--not", way.base_commit, "--",
        )  # fmt: skip
        lines = listing.decode("utf-8", "replace").split("\0")
        return (_passenger(*line.split(FIELD)[1:5]) for line in lines if line and line[0] != FIELD)


def _branch_of(settings: Settings) -> str:
    if settings.merge_train.branch is None:
        raise train_off()
    return settings.merge_train.branch


def _passenger(commit: str, seconds: str, issue_id: str, subject: str) -> Passenger:
    title = one_line(subject.removeprefix(f"Merge issue {issue_id}: "))
    return Passenger(one_line(issue_id), title, commit, datetime.fromtimestamp(int(seconds), UTC))
