"""One attempt's spending, held against the ceilings of its issue while its turns run."""

import asyncio
from datetime import timedelta

from symphony.core.budget import BudgetKind, Ceilings, Spending, account, over_budget
from symphony.core.errors import SymphonyError
from symphony.engine.context import AttemptContext
from symphony.engine.patience import done_within
from symphony.engine.progress import INTERVAL

NOTE_AFTER = timedelta(seconds=60)  # a daemon that dies forgets what was spent in so long, and no more
LEAST_WAIT = timedelta(milliseconds=1)  # what rounding leaves of a minute must not become a busy loop


class BudgetWatch:
    """Knows what the attempt may still spend, and what its agent was told of that."""

    def __init__(self, context: AttemptContext) -> None:
        self._spent_before = context.spent_before
        self._workflow = Ceilings.of(context.settings.agent.budget)
        self._control = context.control
        self._progress = context.progress
        self._clock = context.ports.clock
        self._store = context.ports.store
        self._log = context.ports.log
        self._noted_at = self._clock.now()
        self._told: set[tuple[BudgetKind, float | None]] = set()

    @property
    def spending(self) -> tuple[Spending, ...]:
        """What all attempts have spent up to this moment, and the ceilings in force."""
        spent = self._spent_before.plus(self._progress.spent)
        return account(spent, self._workflow, self._control.ceilings)

    @property
    def over(self) -> str | None:
        """The ceilings that are reached, with the numbers; None while something is left."""
        return over_budget(self.spending)

    def to_tell(self) -> tuple[Spending, ...]:
        """Return what the agent should be told is nearly spent, each ceiling once."""
        near = tuple(
            each for each in self.spending if each.near and (each.kind, each.ceiling) not in self._told
        )
        self._told |= {(each.kind, each.ceiling) for each in near}
        return near

    async def run_out(self) -> None:
        """Return once a ceiling is reached, be it by what the agent reports or by the clock.

        What is spent meanwhile is kept in the store now and then.
        """
        while self.over is None:
            self._progress.spending.clear()
            news = asyncio.create_task(self._progress.spending.wait())
            try:
                await done_within(news, self._clock, self._longest_wait())
            finally:
                news.cancel()
                await asyncio.wait({news})
            if self._progress.untold:
                self._progress.tell_spent()
            if self._clock.now() >= self._noted_at + NOTE_AFTER:
                await self.note()
                self._progress.tell_spent()

    async def note(self) -> None:
        """Keep what was spent so far: a daemon that dies must not hand it out again."""
        self._noted_at = self._clock.now()
        try:
            await self._store.turn_ended(self._progress.attempt_id, self._progress.turn, self._progress.spent)
        except SymphonyError as error:  # the attempt's end records it as well
            self._log.error("store.write_failed", code=error.code, reason=str(error))

    def _longest_wait(self) -> timedelta:
        longest = INTERVAL if self._progress.untold else NOTE_AFTER
        minutes = next(each for each in self.spending if each.kind is BudgetKind.MINUTES)
        if minutes.ceiling is None or not self._progress.works:
            return longest
        left = min(minutes.ceiling - minutes.spent, longest.total_seconds() / 60)
        return max(timedelta(minutes=left), LEAST_WAIT)
