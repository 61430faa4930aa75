"""What a reviewer does without a daemon: work is sent back, or given up, under the daemon's lock."""

from symphony.cli.place import Place
from symphony.core.decide import decide
from symphony.core.event import CompletionWithdrawn, Event, WorkRejected
from symphony.core.issue import Issue
from symphony.core.scheduler import SchedulerState
from symphony.core.steering import SteeringRequest
from symphony.engine.discarding import discard_patch, discard_workspace
from symphony.engine.rejecting import Rejecting
from symphony.host.clock import SystemClock
from symphony.store.sqlite import SqliteStore
from symphony.tracker.local import LocalTracker
from symphony.workspace.workspaces import GitWorkspaces


async def reject_work(
    place: Place,
    store: SqliteStore,
    state: SchedulerState,
    tracker: LocalTracker,
    issue_id: str,
    words: str,
    to_state: str | None,
) -> Issue:
    """Send an issue's delivered work back; its agent goes on when symphony runs.

    Raises:
        SymphonyError: as of `Rejecting`.
    """
    workspaces = GitWorkspaces(place.installation)
    rejecting = Rejecting(store, SystemClock(), workspaces)

    async def tell(review: SteeringRequest) -> None:
        await _apply(store, state, WorkRejected(review))

    rejection = await rejecting.look(state, issue_id, words, to_state)
    return await rejecting.carry_out(rejection, tell, tracker.move)


async def discard_work(place: Place, store: SqliteStore, state: SchedulerState, issue_id: str) -> None:
    """Give up the undelivered work in an issue's workspace; without one, the patch of what was delivered.

    Raises:
        SymphonyError: as of `discard_workspace` and `discard_patch`.
    """
    settings, clock = place.workflow.settings, SystemClock()
    workspaces = GitWorkspaces(place.installation)
    workspace = await workspaces.find(issue_id, settings)
    if workspace is None:
        await discard_patch(issue_id, store=store, clock=clock, workspaces=workspaces)
        return
    completion = state.record(issue_id).completion
    await discard_workspace(
        workspace, completion, settings, {}, store=store, clock=clock, workspaces=workspaces
    )
    if completion is not None:
        await _apply(store, state, CompletionWithdrawn(issue_id, completion.attempt_id))


async def _apply(store: SqliteStore, state: SchedulerState, event: Event) -> None:
    await store.apply(decide(state, event, SystemClock().now()).changes)
