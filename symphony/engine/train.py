"""One attempt's way onto the merge train: tried while the agent still listens, gone with the handoff.

What is tried and does not fit is the agent's answer, as a failing check is. Boarding is for one attempt at a
time: on a head that has moved since, the work is merged and checked again first.
[docs/merge-train.md]
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from symphony.core.claim import Phase
from symphony.core.errors import SymphonyError
from symphony.core.event import CompletionWithdrawn
from symphony.core.handoff import Completion, Imported
from symphony.core.journal import Action
from symphony.core.outcome import SentBack
from symphony.core.ports import Checkouts, HookResult, Sandbox, Workspace
from symphony.core.states import state_key
from symphony.core.train import Boarded, TrainMerge, TrainStopped
from symphony.core.train_stop import BUSY
from symphony.engine.checks import run_checks
from symphony.engine.context import AttemptContext
from symphony.engine.machine_watch import watch_machine
from symphony.engine.origins import provenance_of
from symphony.engine.patience import done_within

TURN_BOUND: Final = timedelta(hours=2)  # many pieces of work with long checks may be before this one
MOST_TRIES: Final = 5  # on a head that others than symphony move meanwhile
UNCHECKED = "It did not board the merge train: its checks had not passed when the issue was finished."
NOT_WANTED = "It did not board the merge train: a person had moved the issue to {state}."
NO_FIT = "It did not board the merge train, and no agent goes on with it: {why}"


class TrainBusy(SymphonyError):
    """Others have held the train for too long; the handoff is tried again."""

    code = BUSY


class WentBack(SymphonyError):
    """The work does not fit onto the train, and its agent goes on with it, as `outcome` says."""

    code = "sent_back"

    def __init__(self, outcome: SentBack) -> None:
        super().__init__(outcome.note)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a piece of work fits onto the train.

    Attributes:
        words: what its agent is told; empty when it fits, or when that cannot be known now.
        why: the same in a few words, for people.
        merged: the files that passed on the train's head.
    """

    words: str = ""
    why: str = ""
    merged: str = ""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a merge is checked."""

    sandbox: Sandbox
    checkouts: Checkouts | None


async def try_on(
    context: AttemptContext, ground: Ground, imported: Imported, passed: Collection[str], tool: str
) -> Fit:
    """Say whether an imported branch fits onto the train's head as it is now.

    Args:
        context: the attempt's.
        ground: where its agent works.
        imported: its branch.
        passed: the ids of files that have passed the checks.
        tool: with which the agent ended its work.

    Raises:
        SymphonyError: `workspace.*`, `sandbox.*`: it could not be tried.
    """
    if not context.rides or not imported.changed:
        return Fit()
    issue, now = context.control.issue, context.ports.clock.now()
    title = issue.title if issue else ""
    try:
        merge = await context.ports.workspaces.train.merge(
            context.issue_id, title, imported, context.settings, now
        )
    except TrainStopped as stopped:  # what is waited for may be mended until it boards
        context.progress.run_log.append("train", text=str(stopped))
        return Fit()
    return await _fit(context, ground, imported, merge, passed, tool)


async def _fit(
    context: AttemptContext,
    ground: Ground,
    imported: Imported,
    merge: TrainMerge,
    passed: Collection[str],
    tool: str,
) -> Fit:
    if merge.aboard or (not merge.conflicts and merge.tree in passed):
        return Fit(merged=merge.tree)
    results: Sequence[HookResult] = ()
    if not merge.conflicts:
        results = await run_checks(
            context, ground.sandbox, ground.checkouts, _merged(imported, merge), merged=True
        )
        if all(result.ok for result in results):
            return Fit(merged=merge.tree)
    shown = ground.checkouts is not None and await ground.checkouts.show(merge, ground.sandbox)
    words = context.ports.prompts.train_refused(merge, results, tool, shown=shown)
    why = _why(merge, results)
    context.progress.run_log.append("train", text=f"Sent back: {why}.")
    return Fit(words, why)


def _merged(imported: Imported, merge: TrainMerge) -> Imported:
    return replace(imported, head_commit=merge.commit, head_tree=merge.tree, ref=merge.ref)


def _why(merge: TrainMerge, results: Sequence[HookResult]) -> str:
    if merge.conflicts:
        return f"in conflict with the merge train: {merge.in_conflict}"
    failed = ", ".join(result.name for result in results if not result.ok)
    return f"failing on the merge train: {failed}"


@dataclass(frozen=True, slots=True)
class Boarding:
    """What became of a piece of work at the train: it is on it, or a sentence says why not."""

    boarded: Boarded | None = None
    note: str = ""


async def board(
    context: AttemptContext, workspace: Workspace, imported: Imported, completion: Completion
) -> Boarding:
    """Merge finished work into the train, once, however often this is repeated.

    Raises:
        WentBack: it does not fit onto the train's head any more; the agent's word is taken back.
        TrainStopped: a person has to do something first; the completion stays open.
        SymphonyError: a step failed; the completion stays open and the whole is repeated.
    """
    if not context.rides or not imported.changed:
        return Boarding()
    workspaces, settings = context.ports.workspaces, context.settings
    async with _turn(context):
        provenance = await provenance_of(context.ports.store, completion.issue_id)
        leaving = await workspaces.stamp(imported, provenance, settings)
        for _ in range(MOST_TRIES):
            now = context.ports.clock.now()
            merge = await workspaces.train.merge(
                completion.issue_id, completion.title, imported, settings, now, leaving.head_commit
            )
            if merge.aboard:
                return _boarding(merge) if merge.commit else Boarding()
            if note := _left_behind(context, completion):
                return Boarding(note=note)
            if note := await _check(context, workspace, imported, merge, completion):
                return Boarding(note=note)
            detail = {"branch": merge.branch, "onto": merge.onto, "commit": merge.commit}
            async with context.journal.step(Action.BOARD_TRAIN, **detail) as result:
                result["moved"] = moved = await workspaces.train.board(merge, settings)
            if moved:
                context.progress.run_log.append("train", text=str(merge.place))
                return _boarding(merge)
    raise TrainBusy(
        f"The merge train {merge.branch} moved {MOST_TRIES} times while the work was about to board.",
        remedy="symphony tries again by itself; look what else moves that branch.",
    )


def _boarding(merge: TrainMerge) -> Boarding:
    return Boarding(merge.place, str(merge.place))


def _left_behind(context: AttemptContext, completion: Completion) -> str:
    """Say why work does not board whatever the train is like; empty when it may."""
    issue, states = context.tracked_issue, context.settings.state_table()
    if issue is not None and states.is_terminal(issue.state):
        done = {state_key(states.done()), state_key(completion.to_state)}
        if state_key(issue.state) not in done:
            return NOT_WANTED.format(state=issue.state)
        if context.settings.checks and completion.receipt is None:
            return UNCHECKED
    return ""


async def _check(
    context: AttemptContext,
    workspace: Workspace,
    imported: Imported,
    merge: TrainMerge,
    completion: Completion,
) -> str:
    """Make sure that a merge passes; return why it does not, where no agent can go on with it.

    Raises:
        WentBack: it does not.
    """
    receipt = completion.receipt
    passed = () if receipt is None else (receipt.tree, receipt.merged)
    if not merge.conflicts and (not context.settings.checks or merge.tree in passed):
        return ""
    async with (
        context.open_checkouts(workspace) as checkouts,
        context.open_sandbox(workspace, checkouts=checkouts) as sandbox,
        watch_machine(sandbox.machine, context.progress, context.ports.log),
    ):
        fit = await _fit(context, Ground(sandbox, checkouts), imported, merge, passed, completion.tool)
    context.progress.enter(Phase.TRAIN)
    if not fit.words:
        return ""
    issue = context.tracked_issue
    if issue is None or context.settings.state_table().is_terminal(issue.state):
        return NO_FIT.format(why=f"it is {fit.why}.")
    await context.ports.store.withdraw_completion(completion.issue_id, completion.attempt_id)
    withdrawn = CompletionWithdrawn(completion.issue_id, context.start.attempt_id, fit.why)
    await context.mailbox.put(withdrawn)
    raise WentBack(SentBack(fit.words, fit.why))


@asynccontextmanager
async def _turn(context: AttemptContext) -> AsyncIterator[None]:
    """Hold the train: never two at once.

    Raises:
        TrainBusy: on entering: it is held by others for too long.
    """
    lock, clock = context.ports.train_turn, context.ports.clock
    context.progress.enter(Phase.TRAIN)
    taking = asyncio.create_task(lock.acquire())
    try:
        if not await done_within(taking, clock, TURN_BOUND):
            raise TrainBusy(
                f"Others have boarded the merge train for {TURN_BOUND}.",
                remedy="symphony tries again by itself.",
            )
        yield
    finally:
        taking.cancel()
        await asyncio.wait({taking})
        if not taking.cancelled():
            lock.release()
