"""Sending delivered work back to its agent, by a person's word, with or without a daemon [CONTRACT 9.4].

The words are stored first, then the comments leave the patch and the issue's file is moved. A start
that finds this cut off goes on with it; the same words are never stored twice.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from symphony.core.decide import CommandRefused
from symphony.core.decide.review import check_rejectable, state_after
from symphony.core.errors import SymphonyError
from symphony.core.issue import Issue
from symphony.core.journal import Action
from symphony.core.ports import Clock, Store, Workspaces
from symphony.core.review import WORDS_LIMIT, Comment, review_words
from symphony.core.scheduler import SchedulerState
from symphony.core.steering import SteeringRequest, review_of
from symphony.core.text import plain
from symphony.engine.journal import issue_journal

EXISTS = "steering_exists"  # the store's code


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a reviewer wants, checked and complete.

    Attributes:
        comments: that were found in the patch, and are in the review's words.
        from_state, to_state: of the issue.
    """

    review: SteeringRequest
    comments: tuple[Comment, ...]
    from_state: str
    to_state: str


class Rejecting:
    """Sends work back; the scheduler is told by whoever calls."""

    def __init__(self, store: Store, clock: Clock, workspaces: Workspaces) -> None:
        self._store = store
        self._clock = clock
        self._workspaces = workspaces

    async def look(
        self, state: SchedulerState, issue_id: str, words: str, to_state: str | None, about: str = ""
    ) -> Rejection:
        """Return what is to be done; nothing has changed. `about` is the context of the review.

        Raises:
            CommandRefused: `issue_not_found`, `issue_gone`, `already_running`, `not_delivered`,
                `nothing_to_reject`, `nothing_said`, `review_too_long`, `invalid_state`.
            WorkspaceError: the patch cannot be read.
        """
        check_rejectable(state, issue_id)
        delivery = await self._store.handoff_of(issue_id)
        if delivery is None:
            raise CommandRefused(
                f"Nothing of issue {issue_id} was ever handed over.",
                code="nothing_to_reject",
                remedy=f"`symphony move {issue_id} STATE` lets it be worked on.",
            )
        rows = await self._store.attempts_of(issue_id)
        worked_in = next((row.state for row in rows if row.id == delivery.attempt_id), "")
        to = state_after(state, worked_in, to_state)
        comments = await self._workspaces.reviews.comments(issue_id)
        said = plain(review_words(words, comments), WORDS_LIMIT + 1).strip()
        issue = state.issues.issues[issue_id]
        known = await self._kept(issue_id, delivery.attempt_id, said)
        if known is not None:
            return Rejection(known, comments, issue.state, to)
        if not said:
            raise CommandRefused(
                f"Nothing is said to the agent of issue {issue_id}, and its patch has no comments.",
                code="nothing_said",
                remedy=f'`symphony reject {issue_id} "why"`, or lines that begin with `#>` in the patch.',
            )
        if len(said) > WORDS_LIMIT:
            raise CommandRefused(
                f"The review is longer than {WORDS_LIMIT} characters, and nothing was sent.",
                code="review_too_long",
                remedy="Say it in fewer words, or in several reviews.",
            )
        review = review_of(issue_id, delivery.attempt_id, said, self._clock.now(), about)
        return Rejection(review, comments, issue.state, to)

    async def _kept(self, issue_id: str, attempt_id: str, said: str) -> SteeringRequest | None:
        """Return the review that says this and was cut off before the issue had moved.

        Its comments may be out of the patch already, so that only the words before them are said again.
        """
        review = (await self._store.load()).steering.get(issue_id)
        if review is None or not review.is_review or review.attempt_id != attempt_id:
            return None
        kept = review.reply or ""
        return review if not said or kept == said or kept.startswith(f"{said}\n\n") else None

    async def carry_out(
        self,
        rejection: Rejection,
        tell: Callable[[SteeringRequest], Awaitable[None]],
        move: Callable[[str, str], Awaitable[Issue]],
    ) -> Issue:
        """Store the words, let the scheduler know, and move the issue; a start finishes what is cut off.

        Raises:
            SymphonyError: the store, the patch or the tracker; what was stored stays.
        """
        review = rejection.review
        journal = await issue_journal(self._store, self._clock, review.issue_id)
        detail = {
            "to": rejection.to_state,
            "from": rejection.from_state,
            "attempt": review.attempt_id,
            "words": review.reply,
            "about": review.context,
        }
        async with journal.step(Action.REJECT, **detail):
            await keep_words(self._store, review)
            await self._workspaces.reviews.clear(review.issue_id, rejection.comments)
            await tell(review)
            return await move(review.issue_id, rejection.to_state)


async def keep_words(store: Store, review: SteeringRequest) -> bool:
    """Store a review once; say whether it was not there yet."""
    try:
        await store.ask(review)
    except SymphonyError as error:
        if error.code != EXISTS:
            raise
        return False
    return True
