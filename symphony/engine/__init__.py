"""The one task that owns the scheduling state, and the life of one attempt."""
