"""Hosts that a guest was refused, and what a person says of them; the attempt goes on meanwhile."""

from dataclasses import replace
from typing import Final

from symphony.core.access import OPEN_KEPT, AccessDecision
from symphony.core.decide.commands import CommandRefused, known_record
from symphony.core.decide.draft import Draft
from symphony.core.decide.ending import running_attempt
from symphony.core.effect import CloseAccess, OpenAccess
from symphony.core.event import AccessDecided, AccessFailed, AccessRefused
from symphony.core.text import counted

NAMED: Final = 3  # hosts of one look that a decision names; all are in the ledger
SAID: Final = {
    AccessDecision.ONCE: "is open to the machine that runs now",
    AccessDecision.ISSUE: "is open to this issue",
    AccessDecision.WORKFLOW: "is open to every issue",
    AccessDecision.DENY: "stays closed to this issue",
}


def note_refusals(draft: Draft, event: AccessRefused) -> None:
    """Remember what the guest of the running attempt was refused.

    Only new requests are made durable and said: a guest that tries one host for ever, or a new
    one each time, fills neither disk nor audit.
    """
    record = draft.record(event.issue_id)
    attempt = running_attempt(record)
    if attempt is None or attempt.attempt_id != event.attempt_id:
        return
    before = record.access
    ledger = before.refused(event.tries, draft.now)
    asked = replace(record, access=ledger)
    known = {request.host for request in before.requests}
    fresh = [str(each) for each in event.tries.asked if each.host not in known]
    if not fresh and ledger.not_kept == before.not_kept:
        draft.note(asked)
        return
    draft.put(asked)
    if ledger.not_kept == 0:
        rest = f" and {counted(len(fresh) - NAMED, 'more host')}" if len(fresh) > NAMED else ""
        draft.say(event.issue_id, "access", ", ".join(fresh[:NAMED]) + rest)
    elif before.not_kept == 0:
        draft.say(event.issue_id, "access", f"more than {OPEN_KEPT} hosts; the newest are kept")


def take_decision(draft: Draft, event: AccessDecided) -> None:
    """Remember a person's word, and let the running machine follow it.

    What was decided before is carried out again: the machine may have failed then.

    Raises:
        CommandRefused: `issue_not_found`; `access_no_machine` for ONCE when nothing runs.
        AccessFull: the issue has too many decided hosts.
    """
    record = known_record(draft, event.issue_id)
    attempt = running_attempt(record)
    if attempt is None and event.decision is AccessDecision.ONCE:
        raise no_machine(event.issue_id)
    ledger = record.access.decided(event.host, event.decision, draft.now)
    if ledger is not record.access:
        kept = ledger.ended() if attempt is None else ledger
        draft.put(replace(record, access=kept))
        word = "deny" if event.decision is AccessDecision.DENY else "allow"
        draft.say(event.issue_id, word, f"{event.host} {SAID[event.decision]}: a person said so")
    if attempt is not None:
        effect = CloseAccess if event.decision is AccessDecision.DENY else OpenAccess
        draft.effects.append(effect(event.issue_id, attempt.attempt_id, event.host))


def no_machine(issue_id: str) -> CommandRefused:
    """Return the refusal of what is for a running machine alone."""
    return CommandRefused(
        f"No machine runs for issue {issue_id}, and --once is for one that does.",
        code="access_no_machine",
        remedy="Leave --once out to open the host to its next attempts.",
    )


def note_failure(draft: Draft, event: AccessFailed) -> None:
    """Remember that the running machine could not follow a person's word."""
    record = draft.record(event.issue_id)
    attempt = running_attempt(record)
    if attempt is None or attempt.attempt_id != event.attempt_id:
        return
    ledger = record.access.failed(event.host, event.code, event.reason, opening=event.opening)
    if ledger != record.access:
        draft.put(replace(record, access=ledger))
        draft.say(event.issue_id, "access_failed", f"{event.host}: {event.reason}")
