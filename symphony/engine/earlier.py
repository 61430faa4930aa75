"""What is known of an issue's attempts before the next one."""

from symphony.core.ports import Earlier, Store


async def earlier_of(store: Store, issue_id: str) -> Earlier:
    """Return what a new attempt is told of the ended ones."""
    attempts = await store.attempts_of(issue_id)
    steering = await store.steering_of(issue_id)
    return Earlier(tuple(row for row in attempts if row.ended_at is not None), steering)
