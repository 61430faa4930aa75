"""Who tells people that something needs them."""

from typing import Protocol

from symphony.core.notice import Notice
from symphony.core.settings import NotifySettings


class Notifier(Protocol):
    """Tells one kind of target."""

    async def tell(self, target: NotifySettings, notice: Notice) -> None:
        """Tell the target, in bounded time.

        Raises:
            NoticeFailed: it was not told.
        """
        ...
