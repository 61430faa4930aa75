"""The exchange of a store without a disk, for the engine's tests."""

from symphony.store.exchange import NothingToRestore


class MemoryExchange:
    """Knows the names that it was told.

    Attributes:
        staged: the names of prepared copies.
        chosen: the one that was taken.
    """

    def __init__(self) -> None:
        self.staged: set[str] = set()
        self.chosen: str | None = None

    async def choose(self, name: str) -> None:
        """Take a prepared copy.

        Raises:
            NothingToRestore: there is none of this name.
        """
        if name not in self.staged:
            raise NothingToRestore(f"No copy of the name {name} is prepared beside the store.")
        self.chosen = name
