"""What is known of an issue's attempts before the next one."""

from symphony.core.ports import Earlier, Store
from symphony.core.safety import SafetyRef


async def earlier_of(store: Store, issue_id: str, left: SafetyRef | None = None) -> Earlier:
    """Return what a new attempt is told of the ended ones, and of what they `left` in the workspace."""
    attempts = await store.attempts_of(issue_id)
    steering = await store.steering_of(issue_id)
    return Earlier(tuple(row for row in attempts if row.ended_at is not None), steering, left)
