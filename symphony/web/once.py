"""What a form asks for is carried through in bounded sight, and once however often it is sent."""

import asyncio
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Generic, TypeVar

from symphony.web.begun import result_of

KEPT: Final = 256  # results; a form is sent again within seconds, by a double click or a reload
BOUND_S: Final = 30.0  # a person waits no longer; the work itself goes on
T = TypeVar("T")


class Once(Generic[T]):
    """Remembers what became of the latest forms."""

    def __init__(self, *, kept: int = KEPT, bound_s: float = BOUND_S) -> None:
        self._kept = kept
        self._bound_s = bound_s
        self._begun: OrderedDict[bytes, asyncio.Task[T]] = OrderedDict()

    async def run(self, key: Hashable | None, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do the work, or return what it gave before for this key; a failure may be tried again.

        Without a key it is done each time.

        Raises:
            Refusal: 504 when it takes too long, 503 when the daemon stops meanwhile.
        Cancellation: the work goes on, for whoever sends the form again.
        """
        name = digest_of(key)
        begun = self._begun.get(name)
        if begun is None:
            begun = self._begun[name] = asyncio.create_task(work())
            begun.add_done_callback(lambda ended: self._forget(name, ended, again=key is not None))
        self._begun.move_to_end(name)
        while len(self._begun) > self._kept and next(iter(self._begun.values())).done():
            self._begun.popitem(last=False)
        return await result_of(begun, self._bound_s, "Look at the board before you send it again.")

    def _forget(self, name: bytes, ended: asyncio.Task[T], *, again: bool) -> None:
        if not again or ended.cancelled() or ended.exception() is not None:
            self._begun.pop(name, None)

    def close(self) -> None:
        """End what is still under way."""
        for task in tuple(self._begun.values()):
            task.cancel()


def digest_of(key: Hashable | None) -> bytes:
    """Return a short name for a form, which may be megabytes; one of its own for None."""
    if key is None:
        return uuid.uuid4().bytes
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).digest()
