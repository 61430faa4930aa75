"""What the guard rails found, and a person's word about work that they hold."""

from dataclasses import replace

from symphony.core.decide.commands import CommandRefused, known_record
from symphony.core.decide.draft import Draft
from symphony.core.event import FindingMade, ReleaseAsked
from symphony.core.guard.ledger import said_of


def note_finding(draft: Draft, event: FindingMade) -> None:
    """Remember a finding, once for each attempt."""
    record = draft.record(event.issue_id)
    ledger = record.guard.found(event.finding, event.attempt_id, draft.now)
    if ledger is record.guard:
        return
    draft.put(replace(record, guard=ledger))
    if len(ledger.noted) != len(record.guard.noted) or ledger.not_kept == record.guard.not_kept:
        draft.say(event.issue_id, "guard", f"{'refused: ' if event.refused else ''}{event.finding}")


def release(draft: Draft, event: ReleaseAsked) -> None:
    """Let held work out.

    Raises:
        CommandRefused: `issue_not_found`; `not_held` when there is none.
    """
    record = known_record(draft, event.issue_id)
    hold = record.guard.held
    if hold is None or record.completion is None:
        raise CommandRefused(
            f"Issue {event.issue_id} has no held work.",
            code="not_held",
            remedy="It was let out already, or given up; `symphony inbox` shows what waits for you.",
        )
    draft.put(replace(record, guard=replace(record.guard, hold=replace(hold, released=True))))
    draft.say(event.issue_id, "release", f"a person lets it out with {said_of(hold.findings)}")
