"""The people that `notify:` names, as one process reaches them."""

from symphony.core.notice import Notice, NoticeFailed, Telling, target_name
from symphony.core.settings import NotifySettings
from tests.simulation.drivers import SimulatedStore
from tests.simulation.faults import Faults, Life
from tests.simulation.ledger import Ledger


class SimulatedNotifier:
    """Tells them slowly, and not at all when told so; a `core.ports.Notifier`."""

    def __init__(self, faults: Faults, life: Life, ledger: Ledger, store: SimulatedStore) -> None:
        self._faults = faults
        self._life = life
        self._ledger = ledger
        self._store = store

    async def tell(self, target: NotifySettings, notice: Notice) -> None:
        """Tell them, or fail."""
        await self._faults.lag()
        self._life.check()
        if self._faults.takes("notify"):
            raise NoticeFailed("nobody answers")
        known = Telling(target_name(target), notice.need.key) in self._store.disk.told
        if known and not self._life.disk_was_full:  # else it could not be forgotten with its target
            self._ledger.blame(f"people are told once of each thing: {notice.need.key} again")
