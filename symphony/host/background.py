"""A thread that writes what it is handed, so that nobody waits for a disk or a terminal."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")

ITEM_COST = 256  # bytes that an item takes beside its content, roughly
BATCH = 500  # items written at once; one write for many lines is what makes a busy log cheap


class BackgroundWriter(Generic[Item]):
    """A bounded queue with its thread.

    The thread is a daemon: a disk that hangs cannot keep the process from ending.
    """

    def __init__(
        self, name: str, write: Callable[[Sequence[Item]], None], finish: Callable[[], None], *, room: int
    ) -> None:
        """Start the thread.

        Args:
            name: of the thread, for people who look at a process.
            write: called in the thread with items in order; what it raises is lost.
            finish: called in the thread after the last item.
            room: bytes that may wait.
        """
        self._write = write
        self._finish = finish
        self._room = room
        self._waiting = 0
        self._lock = threading.Lock()
        self._queue: SimpleQueue[tuple[Item, int] | None] = SimpleQueue()
        self._ended: Future[None] = Future()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def put(self, item: Item, size: int, *, always: bool = False) -> bool:
        """Hand over an item and return True, or return False at once when there is no room.

        An item of any size finds room in an empty queue, and with `always` in any.
        """
        cost = size + ITEM_COST
        with self._lock:
            if self._waiting and self._waiting + cost > self._room and not always:
                return False
            self._waiting += cost
        self._queue.put((item, cost))
        return True

    def close(self) -> "Future[None]":
        """Return a future that is done when all items are written and the thread ends."""
        self._queue.put(None)
        return self._ended

    def _run(self) -> None:
        closing = False
        while not closing:
            batch = [self._queue.get()]
            while len(batch) < BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except Empty:
                    break
            entries = [entry for entry in batch if entry is not None]
            closing = len(entries) < len(batch)
            if entries:
                self._write_all([item for item, _ in entries])
                with self._lock:
                    self._waiting -= sum(cost for _, cost in entries)
        with suppress(Exception):
            self._finish()
        if self._ended.set_running_or_notify_cancel():
            self._ended.set_result(None)

    def _write_all(self, items: Sequence[Item]) -> None:
        with suppress(Exception):  # a log that breaks must not stop what is logged
            self._write(items)
