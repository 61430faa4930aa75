"""Tells people once of each thing that needs them, beside the scheduler and never in its way.

It looks at snapshots, decides with `core.notice`, and gives each target a queue of its own, so that
one that does not answer keeps no other waiting. What was told is durable before it counts; only a
daemon that dies between the two tells the same thing twice, and then with the same key.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from symphony.core.attention import Need
from symphony.core.errors import SymphonyError
from symphony.core.notice import (
    Notice,
    NoticeFailed,
    Telling,
    Told,
    notices_of,
    shortened,
    target_name,
    unsettled,
)
from symphony.core.ports import Clock, Notifier, Store
from symphony.core.problem import Problem
from symphony.core.settings import NotifySettings
from symphony.core.snapshot import Snapshot
from symphony.engine.beside import open_beside
from symphony.engine.ports import Log

LOOK_PAUSE: Final = timedelta(seconds=1)  # people read no faster, and a busy daemon changes all the time
FIRST_WAIT: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(minutes=5)
TRIES: Final = 12  # some 25 minutes with the waits above; then this one thing is given up
LAST_WORD_S: Final = 5.0  # for what became known just before the daemon ends


@dataclass
class Queue:
    """What one target is still to be told.

    Attributes:
        waiting: by key, the most urgent first.
        tries: failed ones, by key.
        failures: in a row.
        resting: whether it waits after a failure.
    """

    settings: NotifySettings
    waiting: dict[str, Need] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    resting: bool = False
    task: "asyncio.Task[None] | None" = None


@dataclass
class Notices:
    """Decides what is told, and has it told.

    Attributes:
        targets: asked for who is told now.
        snapshot: asked for what is now, if anyone is.
        url_of: an issue's id, or None for no single one, to the page on which a person can act.
        changed: called when `problems` says something else than before.
    """

    targets: Callable[[], tuple[NotifySettings, ...]]
    snapshot: Callable[[], Snapshot]
    store: Store
    clock: Clock
    log: Log
    notifiers: Mapping[str, Notifier]
    url_of: Callable[[str | None], str]
    changed: Callable[[], None]
    _told: Told = field(default_factory=Told)
    _queues: dict[str, Queue] = field(default_factory=dict)
    _failed: dict[Telling, str] = field(default_factory=dict)
    _unsaved: set[Telling] = field(default_factory=set)
    _closing: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def notice(self) -> None:
        """Know that something may have changed; quick, and callable at any rate."""
        self._news.set()

    def problems(self) -> tuple[Problem, ...]:
        """Return for each target that could not be told something why that is."""
        latest = {telling.target: reason for telling, reason in self._failed.items()}
        return tuple(
            Problem("notify.failed", f"notify ({label(self._queues[name].settings)})", reason)
            for name, reason in latest.items()
            if name in self._queues
        )

    async def load(self) -> None:
        """Know what was told by earlier runs.

        Raises:
            SymphonyError: the store cannot be read.
        """
        self._told = Told(await self.store.told())

    async def run(self) -> None:
        """Look whenever something changed, until cancelled; what the store refuses is tried again."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.look()
            except SymphonyError as error:
                self.log.error("notify.look_failed", code=error.code, reason=str(error))
                self._news.set()
            if self._unsaved:
                self._news.set()
            await self.clock.sleep_until(self.clock.now() + LOOK_PAUSE)

    async def look(self) -> None:
        """Forget what is gone, and give every target what it was not told yet."""
        targets = {target_name(target): target for target in self.targets()}
        if not (targets or self._queues or self._told.tellings):
            return
        snapshot, now = self.snapshot(), self.clock.now()
        needs = notices_of(snapshot)
        shown = shortened(needs)
        needed = {need.key for need in (*needs, *shown)}
        pending = unsettled(snapshot, self._told.tellings)
        self._told, gone = self._told.look(needed, pending, targets.keys(), now)
        if gone:  # what cannot be forgotten now is found, and not needed, by the next run
            self._unsaved.difference_update(gone)
            await self.store.keep_told((), gone)
        await self._save_again()
        failed = {
            each: why for each, why in self._failed.items() if each.key in needed and each.target in targets
        }
        if failed != self._failed:
            self._failed = failed
            self.changed()
        for name in self._queues.keys() - targets.keys():
            self._queues[name].waiting = {}
        for name, settings in targets.items():
            queue = self._queues.setdefault(name, Queue(settings))
            queue.settings = settings
            queue.waiting = {
                need.key: need for need in shown if Telling(name, need.key) not in self._told.tellings
            }
            queue.tries = {key: count for key, count in queue.tries.items() if key in queue.waiting}
            if queue.waiting and (queue.task is None or queue.task.done()):
                queue.task = asyncio.create_task(self._tell_all(name, queue), name=f"notify {name}")

    async def close(self) -> None:
        """Tell what is still to be told, in bounded time, and end."""
        self._closing = True
        try:
            await self._end(queue for queue in self._queues.values() if queue.resting)
            async with asyncio.timeout(LAST_WORD_S):
                await self.look()
                for queue in self._queues.values():
                    if queue.task is not None:
                        await asyncio.wait({queue.task})
        except (TimeoutError, SymphonyError) as error:
            self.log.warning("notify.not_finished", reason=str(error) or "it took too long")
        finally:
            await self._end(self._queues.values())

    @staticmethod
    async def _end(queues: Iterable[Queue]) -> None:
        tasks = {queue.task for queue in queues if queue.task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _tell_all(self, name: str, queue: Queue) -> None:
        while queue.waiting:
            key = min(queue.waiting, key=lambda each: queue.tries.get(each, 0))
            if await self._tell(Telling(name, key), queue, queue.waiting[key]):
                queue.failures = 0
            elif self._closing:
                return
            else:
                queue.failures += 1
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(queue.failures - 1, 16))
                queue.resting = True
                try:
                    await self.clock.sleep_until(self.clock.now() + wait)
                finally:
                    queue.resting = False

    async def _tell(self, telling: Telling, queue: Queue, need: Need) -> bool:
        """Tell one thing; say whether the target could be reached."""
        notice = Notice(need, self.clock.now(), self.url_of(need.issue_id))
        try:
            await self.notifiers[queue.settings.kind].tell(queue.settings, notice)
        except NoticeFailed as error:
            tries = queue.tries[telling.key] = queue.tries.get(telling.key, 0) + 1
            given_up = error.final or tries >= TRIES
            self.log.warning(
                "notify.failed",
                target=label(queue.settings),
                key=telling.key,
                tries=tries,
                given_up=given_up,
                reason=str(error),
            )
            self._failed[telling] = str(error)
            if given_up:
                await self._remember(telling, queue)
            self.changed()
            return error.final
        except Exception as error:
            self.log.error("notify.broke", target=label(queue.settings), error=repr(error), exc_info=error)
            self._failed[telling] = f"symphony itself failed: {error!r}. Its log has the details."
            await self._remember(telling, queue)
            self.changed()
            return True
        await self._remember(telling, queue)
        self.log.info("notify.told", target=label(queue.settings), key=telling.key)
        if self._failed.pop(telling, None) is not None:
            self.changed()
        return True

    async def _remember(self, telling: Telling, queue: Queue) -> None:
        self._told = self._told.of(telling)
        queue.waiting.pop(telling.key, None)
        queue.tries.pop(telling.key, None)
        try:
            await self.store.keep_told((telling,), ())
        except SymphonyError as error:  # after a restart it would be told again, which is the lesser evil
            self.log.error("notify.not_stored", code=error.code, reason=str(error))
            self._unsaved.add(telling)
            self._news.set()

    async def _save_again(self) -> None:
        """Store what a store without room has not remembered; until there is some, every look tries it."""
        late = frozenset(self._unsaved)
        if late:
            with suppress(SymphonyError):
                await self.store.keep_told(late, ())
                self._unsaved -= late


def label(target: NotifySettings) -> str:
    """Return what people may see of a target: a URL or a command may hold a secret."""
    if target.kind == "command":
        return "command"
    host = target.target.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"webhook at {host}"


@asynccontextmanager
async def open_notices(notices: Notices) -> AsyncIterator[None]:
    """Tell people while the block runs, and what is left in bounded time after it.

    Raises:
        SymphonyError: on entering: the store cannot be read.
    """
    await notices.load()
    try:
        async with open_beside(notices.run(), notices.log, "notify.crashed"):
            yield
    finally:
        await notices.close()
