"""Patience with those who guess the token: a few wrong ones from an address, then none for a while."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from symphony.core.text import counted
from symphony.web.errors import Refusal

TRIES: Final = 5  # wrong tokens from one address in a window: a person mistypes twice
WINDOW_S: Final = 60.0
ADDRESSES: Final = 1_000  # that are remembered, the latest


class Patience:
    """Wrong tokens by the address that they came from."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._wrong: OrderedDict[str, tuple[float, ...]] = OrderedDict()

    def check(self, address: str) -> None:
        """Return if this address may try a token.

        Raises:
            Refusal: 429 after too many wrong ones.
        """
        wrong = self._wrong.get(address, ())
        left = wrong[0] + WINDOW_S - self._monotonic() if len(wrong) >= TRIES else 0.0
        if left > 0:
            wait = max(1, round(left))
            raise Refusal(
                429,
                "too_many_tries",
                f"Wrong tokens came in too often; try again in {counted(wait, 'second')}.",
                headers={"Retry-After": str(wait)},
            )

    def wrong(self, address: str) -> None:
        """Remember a wrong token."""
        self._wrong[address] = (*self._wrong.get(address, ()), self._monotonic())[-TRIES:]
        self._wrong.move_to_end(address)
        while len(self._wrong) > ADDRESSES:
            self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        """Forget the wrong ones."""
        self._wrong.pop(address, None)
