"""What is known of an issue's attempts before the next one, and of how good its work ever was."""

from symphony.core.best import BestState
from symphony.core.errors import SymphonyError
from symphony.core.ports import BestStates, Earlier, Store
from symphony.core.safety import SafetyRef


async def earlier_of(
    store: Store, issue_id: str, left: SafetyRef | None = None, best: BestState | None = None
) -> Earlier:
    """Return what a new attempt is told of the ended ones, what they `left`, and how good it ever was."""
    attempts = await store.attempts_of(issue_id)
    steering = await store.steering_of(issue_id)
    return Earlier(tuple(row for row in attempts if row.ended_at is not None), steering, left, best)


async def best_known(bests: BestStates, issue_id: str) -> BestState | None:
    """Return the best state of an issue; None when it has none, or when git cannot tell."""
    try:
        return await bests.of(issue_id)
    except SymphonyError:
        return None


async def sent_back(store: Store, issue_id: str) -> str | None:
    """Return the delivered commit that a reviewer has sent back since; None when there is none."""
    delivery = await store.handoff_of(issue_id)
    if delivery is None or delivery.handoff.head_commit is None:
        return None
    reviews = [request for request in await store.steering_of(issue_id) if request.is_review]
    since = any(request.attempt_id == delivery.attempt_id for request in reviews)
    return delivery.handoff.head_commit if since else None
