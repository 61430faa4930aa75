"""One attempt's machine as the scheduler sees it: what it does and costs, looked at now and then.

The attempt opens the watch around its work; whoever changes the machine's state looks at once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from symphony.core.errors import SymphonyError
from symphony.core.event import MachineSeen
from symphony.core.ports import Machine
from symphony.engine.beside import open_beside
from symphony.engine.ports import Log
from symphony.engine.progress import Progress

LOOK_EVERY = timedelta(seconds=10)  # fresh enough for people; each look may start a process


@dataclass
class MachineWatch:
    """Tells the scheduler how one machine stands."""

    machine: Machine
    progress: Progress
    log: Log
    _failing: bool = False

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self.look()
            now = self.progress.clock.now()
            await self.progress.clock.sleep_until(now + LOOK_EVERY)

    async def look(self) -> None:
        """Look now; that it cannot be seen is logged once, and what was seen last stays."""
        try:
            usage = await self.machine.usage()
        except SymphonyError as error:
            if not self._failing:
                self.log.warning("machine.unreadable", issue=self.progress.issue_id, reason=str(error))
            self._failing = True
            return
        self._failing = False
        self.progress.mailbox.offer(MachineSeen(self.progress.issue_id, self.progress.attempt_id, usage))


@asynccontextmanager
async def watch_machine(machine: Machine | None, progress: Progress, log: Log) -> AsyncIterator[None]:
    """Watch an open sandbox's machine while the block runs; afterwards nothing is shown of it."""
    if machine is None:
        yield
        return
    watch = MachineWatch(machine, progress, log)
    try:
        async with open_beside(watch.run(), log, "machine.crashed", issue=progress.issue_id):
            yield
    finally:
        progress.mailbox.offer(MachineSeen(progress.issue_id, progress.attempt_id, None))
