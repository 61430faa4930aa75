"""The turns of one attempt: prompt, wait, and decide from what the agent said what comes next.

[CONTRACT 5.2, 5.3, 6.2, 6.3]
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from symphony.core.agent import ModelResting, StopKind, TurnEnd
from symphony.core.claim import Phase
from symphony.core.errors import SymphonyError
from symphony.core.event import ReplyUsed
from symphony.core.outcome import OutOfBudget, Released, TurnsExhausted
from symphony.core.steering import SteeringRequest
from symphony.core.text import plain
from symphony.engine.budget_watch import BudgetWatch
from symphony.engine.context import AttemptContext
from symphony.engine.headway import Headway
from symphony.engine.line import Line, LineBroken
from symphony.engine.patience import done_within
from symphony.engine.reports import DispatchReports
from symphony.engine.verifier import Verdict, Verifier
from symphony.engine.waiting import Wait

NOTE_LIMIT = 4_000  # characters of failed checks that the next attempt is told
TURN_END_GRACE = timedelta(seconds=60)  # a model may still say a closing sentence

TURN_ERRORS = {
    StopKind.MAX_TOKENS: (
        "agent.max_tokens",
        "The model reached its output limit in the middle of a turn.",
        "Split the issue, or choose a model with a higher limit.",
    ),
    StopKind.MAX_TURN_REQUESTS: (
        "agent.max_turn_requests",
        "The agent reached its own limit of model requests in one turn.",
        "Raise the limit in the agent's settings, or split the issue.",
    ),
    StopKind.REFUSAL: (
        "agent.refused",
        "The model refused to go on.",
        "Read the run log, and word the issue differently.",
    ),
    StopKind.CANCELLED: (
        "agent.cancelled",
        "The agent ended the turn as cancelled although nobody had cancelled it.",
        "Often a rejected permission request: see acp.permission.",
    ),
}

NO_PROGRESS = "Two turns in a row changed nothing: no commit, no file and no new word of the agent's."
SAME_CHECKS = "mark_done was called again and again; nothing had changed, and the same checks failed. {note}"
NO_PROGRESS_REMEDY = "Read the run log, and word the issue more plainly or ask for less."


BLOCKED = "The agent ran, without asking for permission, what the guard rails do not let it:"
BLOCKED_REMEDY = "If it is harmless, name its rule in guard.allow."


class TurnFailed(SymphonyError):
    """A turn ended in a way that is no success."""


FREE_TURNS = 5  # of one attempt, after checks that failed late: more of them count as turns do


@dataclass(frozen=True, slots=True)
class Done:
    """The agent is done and the checks passed.

    Attributes:
        verdict: on what is in the workspace; None without checks.
    """

    verdict: Verdict | None = None


class Conversation:
    """Runs turns until the attempt has an end."""

    def __init__(
        self,
        context: AttemptContext,
        line: Line,
        wait: Wait,
        reports: DispatchReports,
        verifier: Verifier,
        headway: Headway,
    ) -> None:
        """Take the attempt's context, its line to the agent and its way to wait for a person."""
        self._headway = headway
        self._budget = BudgetWatch(context)
        self._context = context
        self._line = line
        self._wait = wait
        self._reports = reports
        self._verifier = verifier
        self._free_left = FREE_TURNS
        self._control = context.control
        self._progress = context.progress
        self._settings = context.settings
        self._prompts = context.ports.prompts
        self._store = context.ports.store
        self._clock = context.ports.clock
        self._mailbox = context.mailbox

    async def run(
        self, first_prompt: str, told: Sequence[SteeringRequest]
    ) -> Done | TurnsExhausted | Released | OutOfBudget:
        """Run turns, from the first prompt, which carries the replies `told`, to the attempt's end.

        Raises:
            TurnFailed: a turn ended badly, or the agent gets nowhere.
            AgentError: the agent itself broke.
        """
        text, turn, counts, note = first_prompt, 0, True, ""
        while True:
            turn += counts
            self._progress.enter(Phase.TURN, turn)
            if (spent := self._budget.over) is not None:
                return OutOfBudget(spent, plain(note, NOTE_LIMIT))
            text = self._with_budget(text)
            try:
                end = await self._turn(text)
            except LineBroken:
                if not await self._line.reopen():
                    return Released()
                counts = False
                continue
            except ModelResting:
                raise
            except SymphonyError as error:
                if (spent := self._budget.over) is None:
                    raise
                return OutOfBudget(spent, plain(str(error), NOTE_LIMIT))
            await self._budget.note()
            await self._note_used(told)
            told = ()
            spent, late = self._budget.over, False
            if self._reports.completion is not None:
                if self._reports.verifier is None:
                    return Done()
                await self._headway.look()
                verdict = await self._verifier.settle()
                if verdict.passed:
                    return Done(verdict)
                text, note, late = verdict.words, verdict.words, True
            elif spent is not None:
                note = self._failure
            elif self._reports.question is not None:
                reply = await self._wait.for_reply()
                if reply is None:
                    return Released()
                if self._wait.slept:
                    self._line.doubt()
                text, counts, told = self._prompts.reply(reply, self._reports.exits), False, (reply,)
                continue
            else:
                late = bool(self._failure) and not self._verifier.told
                if not self._reports.turn_is_over.is_set():  # else it is symphony that has ended it
                    self._raise_unless_ended_well(end)
                await self._headway.look()
                if (issue := self._control.issue) is not None:
                    await self._context.tracking.look_at([issue.path])
                text = note = self._failure
            if spent is not None:
                return OutOfBudget(spent, plain(note, NOTE_LIMIT))
            free = late and self._free_left > 0
            if turn >= self._settings.agent.max_turns and not free:
                return TurnsExhausted(turn, progressed=False, note=plain(note, NOTE_LIMIT))
            text = await self._next(text, turn, end, note)
            counts, self._free_left = not free, self._free_left - free

    @property
    def _failure(self) -> str:
        """What the agent was told, or is to be told, of checks that failed in the turn; mostly nothing."""
        return "" if self._verifier.failure is None else self._verifier.failure.words

    async def _next(self, text: str, turn: int, end: TurnEnd | SymphonyError, note: str) -> str:
        """Return the next turn's prompt; one that follows a turn without any effect says so.

        Raises:
            TurnFailed: too many turns in a row had none.
        """
        said = end.text if isinstance(end, TurnEnd) else ""
        moved = await self._headway.moved(said, note)
        if self._headway.stuck or self._verifier.stuck:
            message = SAME_CHECKS.format(note=plain(note, NOTE_LIMIT)) if note else NO_PROGRESS
            raise TurnFailed(message, code="no_progress", remedy=NO_PROGRESS_REMEDY)
        text = text or self._continuation(turn + 1)
        return text if moved else self._prompts.unmoved(text)

    def _with_budget(self, text: str) -> str:
        near = self._budget.to_tell()
        return self._prompts.nearly_spent(text, near, self._reports.exits) if near else text

    async def _turn(self, text: str) -> TurnEnd | SymphonyError:
        """Run one turn; it is ended, in bounded time, when the agent has reported or the budget is spent."""
        self._reports.begin_turn()
        self._verifier.begin_turn()
        began = self._clock.now()
        self._progress.begin_turn()
        prompt = asyncio.create_task(self._line.prompt(text))
        reported = asyncio.create_task(self._reports.turn_is_over.wait())
        spent = asyncio.create_task(self._budget.run_out())
        blocked = asyncio.create_task(self._progress.blocked.wait())
        try:
            await asyncio.wait({prompt, reported, spent, blocked}, return_when=asyncio.FIRST_COMPLETED)
            if reported.done():
                await done_within(prompt, self._clock, TURN_END_GRACE)
            if not prompt.done():
                await self._line.cancel()
            if blocked.done():
                raise await self._blocked(prompt)
            return await prompt
        except SymphonyError as error:
            if blocked.done() or (self._reports.completion is None and not spent.done()):
                raise
            return error
        finally:
            for task in (prompt, reported, spent, blocked):
                task.cancel()
            await asyncio.wait({prompt, reported, spent, blocked})
            self._progress.end_turn()
            self._context.ports.meter.turn_ended(self._progress.attempt_id, self._clock.now() - began)

    async def _blocked(self, prompt: "asyncio.Task[TurnEnd]") -> TurnFailed:
        """Return the failure of a turn that ran what it must not, once it has ended."""
        await asyncio.wait({prompt})
        return TurnFailed(
            f"{BLOCKED} {self._progress.blocked_by}.", code="guard.blocked", remedy=BLOCKED_REMEDY
        )

    async def _note_used(self, told: Sequence[SteeringRequest]) -> None:
        used = tuple(steering.id for steering in told if not steering.open)
        for steering_id in used:
            await self._store.reply_used(steering_id, self._clock.now())
        if used:
            await self._mailbox.put(ReplyUsed(self._progress.issue_id, self._progress.attempt_id, used))

    def _raise_unless_ended_well(self, end: TurnEnd | SymphonyError) -> None:
        if isinstance(end, SymphonyError):
            raise end
        if end.stop is not StopKind.END_TURN:
            code, message, remedy = TURN_ERRORS[end.stop]
            said = f" It last said: {end.text}" if end.text else ""
            raise TurnFailed(f"{message}{said}", code=code, remedy=remedy)

    def _continuation(self, turn: int) -> str:
        issue = self._control.issue
        if issue is None:
            raise TurnFailed("The issue is gone.", code="issue_gone")
        edited = self._control.take_edited()
        most, exits = self._settings.agent.max_turns, self._reports.exits
        return self._prompts.continuation(issue, turn, most, edited=edited, exits=exits)
