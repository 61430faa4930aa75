"""What a start does about effects that the last run had begun and not ended.

Every step of an attempt may be repeated, and is, by the attempt or the handoff that follows; those
that have nobody left to repeat them are finished here. Each answer is in the audit. All of it may
be cut off as well and begun again.
"""

from contextlib import suppress
from typing import assert_never

from symphony.core.effect import Audit
from symphony.core.errors import SymphonyError
from symphony.core.event import CompletionWithdrawn, WorkRejected
from symphony.core.issue import Issue, IssueSet
from symphony.core.journal import Action, Result
from symphony.core.outcome import Stopped, StopReason
from symphony.core.ports import Intent, Memory
from symphony.core.review import review_words
from symphony.core.states import state_key
from symphony.core.steering import review_of
from symphony.core.text import one_line
from symphony.core.workflow import Workflow
from symphony.engine.environment import attempt_environment
from symphony.engine.mailbox import Mailbox
from symphony.engine.ports import Ports
from symphony.engine.rejecting import keep_words
from symphony.engine.train_desk import reset_audit

DECISION = "recover"
LATER_ATTEMPT = "the workspace belongs to a later attempt"

Answer = tuple[Result, str]
"""How an effect that was cut off has ended, and why; a sentence that goes on after its name."""


class Recovery:
    """Closes what the last run left open."""

    def __init__(self, ports: Ports, mailbox: Mailbox, memory: Memory, workflow: Workflow) -> None:
        self._ports = ports
        self._mailbox = mailbox
        self._memory = memory
        self._workflow = workflow
        self._issues = IssueSet()

    async def run(self) -> None:
        """End the last run's attempts in the store, and answer for each of its open intents.

        Raises:
            StoreError: an answer could not be stored; the next start gives it.
        """
        store, now = self._ports.store, self._ports.clock.now
        for row in self._memory.interrupted:
            await store.attempt_ended(row.id, now(), Stopped(StopReason.INTERRUPTED), row.turns, row.usage)
        if self._memory.open_intents:
            with suppress(OSError, SymphonyError):  # what cannot be read now is read later, by a tick
                self._issues = await self._ports.tracker.scan()
        for intent in self._memory.open_intents:
            result, why = await self._answer(intent)
            reason = f"{_name(intent)} was cut off: {why}"
            audit = [Audit(now(), intent.issue_id or None, DECISION, reason)]
            if intent.action == Action.RESET_TRAIN and result is Result.DONE:
                audit += reset_audit(intent.detail, now())
            await store.fulfil(intent.id, now(), result, {"reason": why}, audit)
            self._ports.log.info(
                "recovery", issue=intent.issue_id, action=intent.action, result=result.value, reason=why
            )

    async def _answer(self, intent: Intent) -> Answer:
        try:
            action = Action(intent.action)
        except ValueError:
            return Result.UNDONE, "this symphony does not know it, and leaves it as it is"
        try:
            match action:
                case Action.PREPARE_WORKSPACE:
                    return await self._prepared(intent)
                case Action.START_SANDBOX:
                    return await self._started(intent)
                case Action.IMPORT_BRANCH:
                    return Result.UNDONE, self._handed_over_later(intent, "the workspace is as it was")
                case Action.MOVE_ISSUE:
                    return self._moved(intent)
                case Action.BOARD_TRAIN:
                    otherwise = "what has boarded stays on the merge train until it is reset"
                    return Result.UNDONE, self._handed_over_later(intent, otherwise)
                case Action.RESET_TRAIN:
                    return await self._train_reset(intent)
                case Action.HAND_OFF | Action.PUSH_BRANCH | Action.OPEN_PULL_REQUEST:
                    return Result.UNDONE, self._handed_over_later(intent, "nobody waits for it any more")
                case Action.CLEAN_UP:
                    return await self._cleaned_up(intent)
                case Action.DISCARD_WORKSPACE:
                    return await self._discarded(intent)
                case Action.DISCARD_PATCH:
                    there = await self._ports.workspaces.reviews.discard(intent.issue_id)
                    return Result.DONE, f"the patch {'is gone now' if there else 'was gone'}"
                case Action.REJECT:
                    return await self._rejected(intent)
                case Action.RETIRE:
                    return Result.UNDONE, "the next look at the disk decides anew what goes"
                case _ as never:
                    assert_never(never)
        except SymphonyError as error:
            return Result.FAILED, str(error)

    def _handed_over_later(self, intent: Intent, otherwise: str) -> str:
        if self._is_open(intent.issue_id):
            return "the handoff is repeated from the import on"
        return otherwise

    def _is_open(self, issue_id: str) -> bool:
        """Say whether an accepted completion of the issue is not handed over."""
        record = self._memory.records.get(issue_id)
        return record is not None and record.completion is not None

    async def _prepared(self, intent: Intent) -> Answer:
        settings = self._workflow.settings
        if await self._ports.workspaces.find(intent.issue_id, settings) is not None:
            return Result.DONE, "the workspace is there"
        return Result.UNDONE, "the next attempt makes the workspace from the beginning"

    async def _started(self, intent: Intent) -> Answer:
        driver = self._ports.driver_of(str(intent.detail["sandbox"]))
        labels = {**self._ports.labels, "issue": intent.issue_id, "attempt": intent.attempt_id}
        ended = await driver.reap(labels)
        return Result.UNDONE, f"ended {', '.join(ended)}" if ended else "nothing of it is left"

    def _moved(self, intent: Intent) -> Answer:
        to, issue = str(intent.detail["to"]), self._issues.get(intent.issue_id)
        if issue is None:
            return Result.UNDONE, "the issue's file is gone or cannot be read"
        if state_key(issue.state) == state_key(to):
            return Result.DONE, f"the issue is in {issue.state}"
        otherwise = "it is not moved unless you ask for it again"
        return Result.UNDONE, f"the issue is in {issue.state}; {self._handed_over_later(intent, otherwise)}"

    async def _train_reset(self, intent: Intent) -> Answer:
        view, detail = await self._ports.workspaces.train.look(self._workflow.settings), intent.detail
        if (view.branch, view.head) == (detail["branch"], detail["to"]):
            return Result.DONE, "the merge train starts anew from the base"
        return Result.UNDONE, "the merge train is not moved unless you ask for it again"

    async def _cleaned_up(self, intent: Intent) -> Answer:
        if self._is_open(intent.issue_id):
            return Result.UNDONE, "the handoff is repeated from the import on"
        await self._ports.workspaces.bests.forget(intent.issue_id)
        if intent.detail.get("keep"):
            return Result.DONE, "the workspace is kept, for what is in it and not in the handoff"
        return await self._removed(intent)

    async def _discarded(self, intent: Intent) -> Answer:
        result, why = await self._removed(intent)
        record = self._memory.records.get(intent.issue_id)
        given_up = intent.detail.get("completion")
        if result is not Result.DONE or record is None or record.completion is None or not given_up:
            return result, why
        if record.completion.attempt_id != given_up:
            return result, why
        await self._ports.store.withdraw_completion(intent.issue_id, given_up)
        self._mailbox.post(CompletionWithdrawn(intent.issue_id, given_up))
        return result, f"{why}, and its handoff is given up"

    async def _rejected(self, intent: Intent) -> Answer:
        """Go on with a review: its words are stored, and the issue is moved unless a person has moved it."""
        store, reviews, detail = self._ports.store, self._ports.workspaces.reviews, intent.detail
        words, attempt_id = str(detail["words"]), str(detail["attempt"])
        delivery = await store.handoff_of(intent.issue_id)
        if delivery is None or delivery.attempt_id != attempt_id:
            return Result.UNDONE, "other work has been handed over since"
        review = review_of(intent.issue_id, attempt_id, words, intent.at, str(detail.get("about", "")))
        if await keep_words(store, review):
            self._mailbox.post(WorkRejected(review))
        comments = await reviews.comments(intent.issue_id)
        if review_words("", comments) in words:
            await reviews.clear(intent.issue_id, comments)
        issue = self._issues.get(intent.issue_id)
        if issue is None or state_key(issue.state) != state_key(str(detail["from"])):
            where = "gone or cannot be read" if issue is None else f"in {issue.state}"
            return Result.DONE, f"the reviewer's words are kept, and the issue is {where}"
        moved = await self._ports.tracker.move(intent.issue_id, str(detail["to"]))
        return Result.DONE, f"the reviewer's words are kept, and the issue is moved to {moved.state}"

    async def _removed(self, intent: Intent) -> Answer:
        attempts = await self._ports.store.attempts_of(intent.issue_id)
        if intent.attempt_id != (attempts[-1].id if attempts else ""):
            return Result.UNDONE, LATER_ATTEMPT
        settings = self._workflow.settings
        workspace = await self._ports.workspaces.find(intent.issue_id, settings)
        if workspace is not None:
            issue: Issue | None = self._issues.get(intent.issue_id)
            environment = (
                attempt_environment(issue, len(attempts), self._workflow, workspace) if issue else {}
            )
            await self._ports.workspaces.remove(workspace, settings, environment)
        return Result.DONE, "the workspace is gone"


def _name(intent: Intent) -> str:
    return one_line(intent.action.replace("_", " "), 80)
