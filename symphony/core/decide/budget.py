"""Ceilings that a person gives one issue; a running attempt holds to them from then on."""

from dataclasses import replace

from symphony.core.budget import UNITS, BudgetKind, CeilingChange, changed, over_budget
from symphony.core.decide.commands import CommandRefused, known_record
from symphony.core.decide.draft import Draft
from symphony.core.decide.ending import running_attempt
from symphony.core.effect import SetCeilings
from symphony.core.event import BudgetAsked

EXAMPLES = {BudgetKind.TOKENS: "2000000", BudgetKind.USD: "5", BudgetKind.MINUTES: "90"}


def set_ceilings(draft: Draft, event: BudgetAsked) -> None:
    """Give an issue other ceilings; one that waits for nothing else goes on.

    A ceiling may be below what is spent: a running turn is ended then, and no other begins.

    Raises:
        CommandRefused: `issue_not_found`; `already_done` when the issue is finished; `no_ceiling`
            when there is nothing to add to.
    """
    record = known_record(draft, event.issue_id)
    issue = draft.state.issues.get(event.issue_id)
    if issue is not None and draft.state.states.is_terminal(issue.state):
        raise CommandRefused(
            f"Issue {event.issue_id} is finished, in {issue.state}: nothing is spent on it any more.",
            code="already_done",
            remedy=f"`symphony move {event.issue_id} STATE` opens it again.",
        )
    spending = draft.state.account(event.issue_id)
    own = changed(record.budget, spending, event.changes)
    if isinstance(own, CeilingChange):
        raise no_ceiling(event.issue_id, own.kind)
    draft.put(replace(record, budget=own))
    attempt = running_attempt(record)
    if attempt is not None:
        draft.effects.append(SetCeilings(attempt.attempt_id, own))
    now_in_force = draft.state.account(event.issue_id)
    limited = ", ".join(str(each) for each in now_in_force if each.ceiling is not None)
    spent = " and nothing is left" if over_budget(now_in_force) else ""
    draft.say(event.issue_id, "budget", f"{limited or 'no ceiling'}{spent}: a person said so")


def no_ceiling(issue_id: str, kind: BudgetKind) -> CommandRefused:
    """Return the refusal of an addition to nothing."""
    return CommandRefused(
        f"Issue {issue_id} has no ceiling of {UNITS[kind]} to add to.",
        code="no_ceiling",
        remedy=f"Give the ceiling itself: `symphony budget {issue_id} --{kind} {EXAMPLES[kind]}`.",
    )
