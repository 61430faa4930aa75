"""Values as rows and rows as values; what goes in comes out equal."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, assert_never

from symphony.core.budget import BudgetKind, Ceilings
from symphony.core.claim import Claim, Continuing, IssueRecord, Parked, Retrying, Running, Waiting
from symphony.core.effect import Audit
from symphony.core.handoff import Completion, Handoff
from symphony.core.ports import AttemptRow, Intent
from symphony.core.steering import SteeringRequest
from symphony.core.train import Boarded
from symphony.core.transition import Passage
from symphony.core.usage import Usage
from symphony.store.access_rows import access_of, access_text
from symphony.store.guard_rows import guard_of, guard_text
from symphony.store.receipts import receipt_fields, receipt_of
from symphony.store.texts import instant_text, json_text, optional_instant, optional_instant_text

Row = tuple[Any, ...]

AUDIT_KEPT = 200  # decisions on one issue; enough to read how it came to where it is
AUDIT_SLACK = 50  # pruning once in so many decisions costs nothing that can be measured

NO_USAGE = Usage()
NO_CEILINGS = Ceilings()
NO_PASSAGE = Passage()
USAGE_FIELDS = tuple(Usage.__dataclass_fields__)
STEERING_FIELDS = tuple(SteeringRequest.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class HandoffRow:
    """One finished handoff, for the surfaces.

    Attributes:
        title: as the agent gave it with `mark_done`.
        at: when it was handed over.
    """

    issue_id: str
    attempt_id: str
    title: str
    at: datetime
    handoff: Handoff


def usage_text(usage: Usage) -> str:
    """Return the figures that are not zero or unknown, as JSON.

    JSON and not columns: an agent reports what it likes, and SQLite's integers end at 64 bits.
    """
    return json_text(
        {
            name: getattr(usage, name)
            for name in USAGE_FIELDS
            if getattr(usage, name) != getattr(NO_USAGE, name)
        }
    )


def usage_of(text: str) -> Usage:
    """Return the figures that `usage_text` wrote."""
    return NO_USAGE if text == "{}" else Usage(**json.loads(text))


def budget_text(ceilings: Ceilings) -> str:
    """Return an issue's own ceilings as JSON."""
    given = {kind.value: ceilings.of_kind(kind) for kind in BudgetKind}
    return json_text({name: ceiling for name, ceiling in given.items() if ceiling is not None})


def budget_of(text: str) -> Ceilings:
    """Return the ceilings that `budget_text` wrote."""
    return NO_CEILINGS if text == "{}" else Ceilings(**json.loads(text))


def passage_text(passage: Passage) -> str:
    """Return how agents have passed an issue on as JSON."""
    return "{}" if passage == NO_PASSAGE else json_text(asdict(passage))


def passage_of(text: str) -> Passage:
    """Return the passage that `passage_text` wrote."""
    return NO_PASSAGE if text == "{}" else Passage(**json.loads(text))


def record_row(record: IssueRecord) -> Row:
    """Return the columns of `issue_records`, in order."""
    claim, detail = claim_columns(record.claim)
    return (
        record.issue_id,
        claim,
        detail,
        record.failures,
        json_text(record.failure_reasons),
        int(record.paused),
        record.attempts,
        usage_text(record.usage),
        record.last_handoff,
        access_text(record.access),
        budget_text(record.budget),
        passage_text(record.passage),
        guard_text(record.guard),
    )


def record_of(row: Row, newest: Callable[[SteeringRequest], SteeringRequest]) -> IssueRecord:
    """Return the record without its completion, which has a table of its own.

    Args:
        row: the columns of `issue_records`, in order.
        newest: returns the steering request as it is now, as a reply comes after the claim.
    """
    issue_id, claim, detail, failures, reasons, paused, attempts, usage, last_handoff, *rest = row
    access, budget, passage, guard = rest
    return IssueRecord(
        issue_id=issue_id,
        claim=None if claim is None else claim_of(claim, json.loads(detail), newest),
        failures=failures,
        failure_reasons=() if reasons == "[]" else tuple(json.loads(reasons)),
        paused=bool(paused),
        attempts=attempts,
        usage=usage_of(usage),
        last_handoff=last_handoff,
        access=access_of(access),
        budget=budget_of(budget),
        passage=passage_of(passage),
        guard=guard_of(guard),
    )


def claim_columns(claim: Claim | None) -> tuple[str | None, str | None]:
    """Return the kind and its JSON; a running attempt leaves no claim, its row in `attempts` tells."""
    match claim:
        case None | Running():
            return None, None
        case Waiting(steering=steering):
            return "waiting", json_text(steering_map(steering))
        case Retrying(due_at=due_at, reason=reason, code=code):
            return "retrying", json_text({"due_at": instant_text(due_at), "reason": reason, "code": code})
        case Continuing(due_at=due_at, state=state):
            return "continuing", json_text({"due_at": instant_text(due_at), "state": state})
        case Parked(at=at, reasons=reasons, revision=revision, by_person=by_person):
            detail = {
                "at": instant_text(at),
                "reasons": reasons,
                "revision": revision,
                "by_person": by_person,
            }
            return "parked", json_text(detail)
        case _ as never:
            assert_never(never)


def claim_of(
    kind: str, detail: Mapping[str, Any], newest: Callable[[SteeringRequest], SteeringRequest]
) -> Claim:
    """Return the claim that `claim_columns` wrote.

    Raises:
        ValueError: the kind is none of those.
    """
    match kind:
        case "waiting":
            return Waiting(newest(steering_from_map(detail)))
        case "retrying":
            due_at, code = datetime.fromisoformat(detail["due_at"]), str(detail.get("code", ""))
            return Retrying(due_at, detail["reason"], code=code)
        case "continuing":
            return Continuing(datetime.fromisoformat(detail["due_at"]), detail["state"])
        case "parked":
            return Parked(
                datetime.fromisoformat(detail["at"]),
                tuple(detail["reasons"]),
                detail["revision"],
                detail["by_person"],
            )
        case _:
            raise ValueError(f"a claim of the kind {kind!r}")


def steering_map(steering: SteeringRequest) -> dict[str, str | None]:
    """Return the request as JSON can hold it."""
    return {
        "id": steering.id,
        "issue_id": steering.issue_id,
        "attempt_id": steering.attempt_id,
        "question": steering.question,
        "context": steering.context,
        "asked_at": instant_text(steering.asked_at),
        "reply": steering.reply,
        "replied_at": optional_instant_text(steering.replied_at),
    }


def steering_from_map(detail: Mapping[str, Any]) -> SteeringRequest:
    """Return the request that `steering_map` wrote."""
    return steering_of_row(tuple(detail[name] for name in STEERING_FIELDS))


def steering_row(steering: SteeringRequest) -> Row:
    """Return the first columns of `steering` after `seq`, in order."""
    return tuple(steering_map(steering).values())


def steering_of_row(row: Row) -> SteeringRequest:
    """Return the request of those columns."""
    steering_id, issue_id, attempt_id, question, context, asked_at, reply, replied_at = row
    return SteeringRequest(
        id=steering_id,
        issue_id=issue_id,
        attempt_id=attempt_id,
        question=question,
        context=context,
        asked_at=datetime.fromisoformat(asked_at),
        reply=reply,
        replied_at=optional_instant(replied_at),
    )


def attempt_of(row: Row) -> AttemptRow:
    """Return the attempt of the columns of `attempts` after `seq`, and of its usage if it has one."""
    attempt_id, issue_id, number, adapter, sandbox, started_at, ended_at, *rest = row
    outcome, message, turns, session_id, state, model, usage = rest
    return AttemptRow(
        id=attempt_id,
        issue_id=issue_id,
        number=number,
        adapter=adapter,
        sandbox=sandbox,
        started_at=datetime.fromisoformat(started_at),
        ended_at=optional_instant(ended_at),
        outcome=outcome,
        message=message,
        turns=turns,
        session_id=session_id,
        state=state,
        model=model,
        usage=NO_USAGE if usage is None else usage_of(usage),
    )


def attempt_columns(row: AttemptRow) -> Row:
    """Return the columns of `attempts` after `seq`, in order."""
    return (
        row.id,
        row.issue_id,
        row.number,
        row.adapter,
        row.sandbox,
        instant_text(row.started_at),
        optional_instant_text(row.ended_at),
        row.outcome,
        row.message,
        row.turns,
        row.session_id,
        row.state,
        row.model,
    )


def completion_of(row: Row) -> Completion:
    """Return the completion of those columns, followed by its receipt."""
    issue_id, attempt_id, title, summary, accepted_at, from_state, to_state, text = row
    return Completion(
        issue_id=issue_id,
        attempt_id=attempt_id,
        title=title,
        summary=summary,
        accepted_at=datetime.fromisoformat(accepted_at),
        receipt=receipt_of(None if text is None else json.loads(text)),
        from_state=from_state,
        to_state=to_state,
    )


def completion_columns(completion: Completion) -> Row:
    """Return (issue_id, attempt_id, title, summary, accepted_at, from_state, to_state)."""
    return (
        completion.issue_id,
        completion.attempt_id,
        completion.title,
        completion.summary,
        instant_text(completion.accepted_at),
        completion.from_state,
        completion.to_state,
    )


def handoff_text(handoff: Handoff) -> str:
    """Return the handoff as JSON."""
    return json_text(
        {
            "kind": handoff.kind,
            "note": handoff.note,
            "patch": None if handoff.patch is None else str(handoff.patch),
            "url": handoff.url,
            "head_commit": handoff.head_commit,
            "receipt": receipt_fields(handoff.receipt),
            "boarded": None if handoff.boarded is None else asdict(handoff.boarded),
        }
    )


def handoff_row(row: Row) -> HandoffRow:
    """Return the handoff of (issue_id, attempt_id, title, delivered_at, handoff)."""
    issue_id, attempt_id, title, at, text = row
    fields = json.loads(text)
    patch, receipt = fields.pop("patch"), receipt_of(fields.pop("receipt", None))
    boarded = None if (place := fields.pop("boarded", None)) is None else Boarded(**place)
    path = None if patch is None else Path(patch)
    handoff = Handoff(**fields, patch=path, receipt=receipt, boarded=boarded)
    return HandoffRow(issue_id, attempt_id, title, datetime.fromisoformat(at), handoff)


def intent_of(row: Row) -> Intent:
    """Return the intent of the first columns of `journal`."""
    intent_id, at, issue_id, attempt_id, action, detail = row
    return Intent(intent_id, datetime.fromisoformat(at), issue_id, attempt_id, action, json.loads(detail))


def audit_of_row(row: Row) -> Audit:
    """Return the decision of (at, issue_id, decision, reason)."""
    at, issue_id, decision, reason = row
    return Audit(datetime.fromisoformat(at), issue_id, decision, reason)
