"""Whether what an agent calls done passes the project's checks, on the very commit that is handed over.

One per attempt. `mark_done` begins a run and waits for it as long as a tool call may last; the
conversation waits for it to its end. A run imports the branch first, and withdraws the completion when a
check fails, whoever still waits for it [CONTRACT 6.2, 9.1].
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from symphony.core.claim import Phase
from symphony.core.errors import SymphonyError
from symphony.core.handoff import Imported
from symphony.core.ports import HookResult
from symphony.core.repetition import repeats
from symphony.engine.context import AttemptContext
from symphony.engine.headway import MOST_IDLE
from symphony.engine.patience import done_within
from symphony.engine.train import Fit

MOST_ROUNDS: Final = 3  # runs on a branch that moves while it is checked; then something is at work in it
CHECKS_FAILED: Final = "checks failed after mark_done"
MOST_FAILURES: Final = 20  # failing runs in one turn; an agent that goes on is given a turn of its own


class BranchMoves(SymphonyError):
    """What was checked is never what is there afterwards."""

    code = "checks_unsettled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the checks of one imported commit ended.

    Attributes:
        words: what the agent is told of checks that fail, or of a merge train that it does not fit onto.
        merged: the files that passed on the merge train's head; empty without one.
    """

    imported: Imported
    results: tuple[HookResult, ...] = ()
    words: str = ""
    merged: str = ""

    @property
    def passed(self) -> bool:
        """Say whether the agent has nothing to mend."""
        return not self.words


class Verifier:
    """The runs of one attempt, never two at once.

    Attributes:
        failure: the last failing verdict since the turn began.
        told: whether the agent has had its words as the answer to a tool call.
    """

    def __init__(
        self,
        context: AttemptContext,
        collect: Callable[[], Awaitable[Imported]],
        check: Callable[[Imported], Awaitable[tuple[HookResult, ...]]],
        withdraw: Callable[[str], Awaitable[None]],
        tool: Callable[[], str],
        try_on: Callable[[Imported, Collection[str]], Awaitable[Fit]],
    ) -> None:
        """Take what imports the branch, runs the checks on it, and takes a completion back.

        `tool` names the one that the agent has called; `try_on` tries a branch on the merge train, where
        these files have passed already.
        """
        self._try_on = try_on
        self._tool = tool
        self._context = context
        self._collect = collect
        self._check = check
        self._withdraw = withdraw
        self._run: asyncio.Task[Verdict] | None = None
        self._last: Verdict | None = None
        self._alike = 0
        self._failures = 0
        self.failure: Verdict | None = None
        self.told = False

    @property
    def stuck(self) -> bool:
        """Say whether the same checks failed so often, with nothing changed, that it would go on so."""
        return self._alike >= MOST_IDLE

    @property
    def tired(self) -> bool:
        """Say whether so many runs failed in this turn that it has to end."""
        return self.stuck or self._failures >= MOST_FAILURES

    def begin_turn(self) -> None:
        """Forget what failed in the last turn."""
        self.failure, self.told, self._failures = None, False, 0

    async def verdict_by(self, due: datetime) -> Verdict | None:
        """Begin a run, or join the one that is under way, and wait for it.

        Returns:
            None when it has not ended by then, or could not be made: `settle` knows more.
        Cancellation: the run goes on.
        """
        run = self._begin()
        clock = self._context.ports.clock
        if not await done_within(run, clock, max(due - clock.now(), timedelta())) or run.cancelled():
            return None
        return None if run.exception() is not None else run.result()

    async def settle(self) -> Verdict:
        """Return the verdict on what is in the workspace now, which is at rest.

        Raises:
            BranchMoves: it is not at rest.
            SymphonyError: the branch cannot be imported, or the checks not be run.
        """
        verdict = await asyncio.shield(self._begin())
        for _ in range(MOST_ROUNDS):
            if not verdict.passed:
                return verdict
            imported = await self._collect()
            if imported.head_commit == verdict.imported.head_commit:
                return await self._on_train(replace(verdict, imported=imported))
            self._run = asyncio.create_task(self._verify(imported))
            verdict = await asyncio.shield(self._run)
        raise BranchMoves(
            f"The branch changed {MOST_ROUNDS} times while its checks ran.",
            remedy="Look in the run log for what writes to the workspace; a check must not.",
        )

    async def aclose(self) -> None:
        """End a run that is under way, with the check that runs."""
        if self._run is not None:
            self._run.cancel()
            await asyncio.wait({self._run})

    def _begin(self) -> "asyncio.Task[Verdict]":
        run = self._run
        if run is None or (run.done() and not _still_counts(run)):
            run = self._run = asyncio.create_task(self._verify())
        return run

    async def _verify(self, imported: Imported | None = None) -> Verdict:
        try:
            verdict = await self._verdict_on(imported or await self._collect())
        except Exception:
            self._return_to_turn()
            raise
        self._return_to_turn()
        return verdict

    async def _verdict_on(self, imported: Imported) -> Verdict:
        results = await self._check(imported)
        if all(result.ok for result in results):
            return await self._on_train(Verdict(imported, results))
        words = self._context.ports.prompts.checks_failed(results, self._tool())
        return await self._refuse(Verdict(imported, results, words), CHECKS_FAILED)

    async def _on_train(self, verdict: Verdict) -> Verdict:
        """Return the verdict with what becomes of the work on the merge train's head as it is now."""
        passed = (verdict.imported.head_tree, verdict.merged)
        fit = await self._try_on(verdict.imported, passed)
        verdict = replace(verdict, words=fit.words, merged=fit.merged)
        return await self._refuse(verdict, fit.why) if fit.words else verdict

    async def _refuse(self, verdict: Verdict, why: str) -> Verdict:
        verdict = self._note(verdict)
        await self._withdraw(why)
        return verdict

    def _return_to_turn(self) -> None:
        if self._context.progress.works:
            self._context.progress.enter(Phase.TURN)

    def _note(self, verdict: Verdict) -> Verdict:
        last = self._last
        same = (
            last is not None
            and last.imported.head_tree == verdict.imported.head_tree
            and repeats(verdict.words, last.words)
        )
        self._alike = self._alike + 1 if same else 0
        self._failures += 1
        self._last = self.failure = verdict
        self.told = False
        return verdict


def _still_counts(run: "asyncio.Task[Verdict]") -> bool:
    """Say whether a run that has ended passed, so that only a branch that has moved is checked again."""
    return not run.cancelled() and run.exception() is None and run.result().passed
