"""Delivered work that a reviewer sends back to its agent [CONTRACT 9.4]."""

from dataclasses import replace
from typing import Final

from symphony.core.claim import Running, Waiting
from symphony.core.decide.commands import CommandRefused, known_issue
from symphony.core.decide.draft import Draft
from symphony.core.decide.ending import running_attempt
from symphony.core.event import WorkRejected
from symphony.core.scheduler import SchedulerState
from symphony.core.states import StateRole, state_key
from symphony.core.text import one_line
from symphony.core.way_back import is_of_pull_request

SHOWN: Final = 300  # characters of a review in the audit


def check_rejectable(state: SchedulerState, issue_id: str) -> None:
    """Make sure that an issue rests, with its work handed over.

    Raises:
        CommandRefused: `issue_not_found`, `issue_gone`, `already_running`, `not_delivered`.
    """
    known_issue(state, issue_id)
    record = state.record(issue_id)
    issue = state.issues.get(issue_id)
    if running_attempt(record) is not None:
        raise CommandRefused(
            f"Issue {issue_id} is running.",
            code="already_running",
            remedy="Wait until its work is handed over.",
        )
    if record.completion is not None:
        raise CommandRefused(
            f"The work of issue {issue_id} is not handed over yet.",
            code="not_delivered",
            remedy=f"`symphony explain {issue_id}` says what it waits for.",
        )
    if issue is None:
        raise CommandRefused(
            f"The file of issue {issue_id} is gone or cannot be read.",
            code="issue_gone",
            remedy="Put it back, then reject its work.",
        )
    if state.states.role(issue.state) is StateRole.ACTIVE:
        raise CommandRefused(
            f"Issue {issue_id} is in {issue.state}: it is to be worked on already.",
            code="not_delivered",
            remedy="Write what you want into the issue itself.",
        )


def state_after(state: SchedulerState, worked_in: str, wanted: str | None) -> str:
    """Return the active state that rejected work goes to.

    Args:
        state: of the scheduler.
        worked_in: the state in which it was done; empty when it is not known.
        wanted: by the reviewer; None for where it was done.

    Raises:
        CommandRefused: `invalid_state`.
    """
    active = state.states.with_role(StateRole.ACTIVE)
    asked = worked_in if wanted is None else wanted
    found = next((name for name in active if state_key(name) == state_key(asked)), None)
    if found is None and wanted is not None:
        raise CommandRefused(
            f"{one_line(wanted)} is no state that is worked in.",
            code="invalid_state",
            remedy=f"Those are {', '.join(active)}.",
        )
    return found or active[0]


def take_review(draft: Draft, event: WorkRejected) -> None:
    """Keep the reviewer's words for the next attempt, which begins without the failures of earlier ones."""
    review = event.review
    record = draft.record(review.issue_id)
    if isinstance(record.claim, Running) or (
        isinstance(record.claim, Waiting) and (record.claim.attempt or record.claim.steering.open)
    ):
        draft.say(review.issue_id, "keep", "the review came while it is worked on; the next attempt is told")
        return
    passage = record.passage.begun_anew()
    guard = replace(record.guard, hold=None)
    begun = replace(record, failures=0, failure_reasons=(), passage=passage, guard=guard)
    draft.put(replace(begun, claim=Waiting(review)))
    who = "what is said of its pull request sends" if is_of_pull_request(review) else "a person sent"
    draft.say(review.issue_id, "reject", f"{who} its work back: {one_line(review.reply or '', SHOWN)}")
