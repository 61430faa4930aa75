"""Where things lie that may go from the disk one day."""

from collections.abc import Mapping
from typing import Protocol

from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored


class Storage(Protocol):
    """One place on the disk; it says what is there and removes what it is told to.

    It never follows a symlink out of its folder, and removes nothing but what `look` has named.
    """

    @property
    def kind(self) -> Kind:
        """Of what lies here."""
        ...

    async def look(self, settings: Settings) -> tuple[Stored, ...]:
        """Return all that lies here, with what the room knows against removing it.

        Raises:
            SymphonyError: it cannot be looked at; nothing is removed here then.
        """
        ...

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:
        """Return what a close look finds against removing it, as a clause; empty for nothing.

        `delivery` is the latest handoff of the issue that it belongs to.
        """
        ...

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:
        """Delete it; repeating it does nothing. `environment` is of the hooks that run before.

        Raises:
            SymphonyError: it is still there, or a part of it.
        """
        ...
