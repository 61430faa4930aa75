"""Which attempts have worked on an issue, for the trailers of its commits."""

from symphony.core.ports import Store
from symphony.core.provenance import Origin, Provenance


async def provenance_of(store: Store, issue_id: str) -> Provenance:
    """Return the attempts of an issue, the oldest first.

    Raises:
        StoreError: whatever the store says.
    """
    rows = await store.attempts_of(issue_id)
    return Provenance(
        issue_id, tuple(Origin(row.number, row.adapter, row.model, row.started_at) for row in rows)
    )
