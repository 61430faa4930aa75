"""The JSON of the HTTP API as schemas (JSON Schema 2020-12), one for each function of `views`."""

from typing import Any, Final, TypeAlias

from symphony.core.access import AccessDecision
from symphony.core.access_answer import MachineAnswer
from symphony.core.budget import BudgetKind
from symphony.core.eligibility import ReasonCode
from symphony.core.machine import MachineState
from symphony.core.permission import PermissionAnswer
from symphony.core.stored import Kind

Schema: TypeAlias = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
WHOLE: Final[Schema] = {"type": "integer"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
AMOUNT: Final[Schema] = {"type": "number"}
SECONDS: Final[Schema] = {"type": "number", "minimum": 0, "description": "Seconds."}
TIME: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "description": "UTC with milliseconds.",
}
NOTHING: Final[Schema] = {"type": "null"}


def ref(name: str) -> Schema:
    """Return a reference to a named shape."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """Return a schema that also takes null."""
    return {"anyOf": [schema, NOTHING]}


def many(schema: Schema) -> Schema:
    """Return a list's schema."""
    return {"type": "array", "items": schema}


def named(schema: Schema, words: str) -> Schema:
    """Return the schema of an object whose keys are names."""
    return {"type": "object", "additionalProperties": schema, "description": words}


def one_of(*values: str) -> Schema:
    """Return the schema of a closed set of words."""
    return {"type": "string", "enum": list(values)}


def record(words: str, **fields: Schema) -> Schema:
    """Return the schema of an object with exactly these fields."""
    return {
        "type": "object",
        "description": words,
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


ISSUE: Final[Schema] = {
    "id": TEXT,
    "identifier": TEXT,
    "title": TEXT,
    "state": TEXT,
    "priority": maybe(WHOLE),
    "labels": many(TEXT),
    "blocked_by": many(TEXT),
    "branch_name": maybe(TEXT),
    "url": maybe(TEXT),
    "created_at": maybe(TIME),
    "updated_at": maybe(TIME),
    "path": TEXT,
}
REQUEST: Final[Schema] = {
    "host": TEXT,
    "port": maybe(WHOLE),
    "tries": COUNT,
    "asked_at": maybe(TIME),
    "last_at": maybe(TIME),
    "open": FLAG,
    "decision": maybe(one_of(*AccessDecision)),
    "decided_at": maybe(TIME),
    "trouble": TEXT,
}
OF_ISSUE: Final[Schema] = {"issue_id": TEXT, "identifier": TEXT, "title": TEXT}

SHAPES: Final[dict[str, Schema]] = {
    "Usage": record(
        "What an attempt or an issue has cost, as agents report it.",
        input_tokens=WHOLE,
        output_tokens=WHOLE,
        cached_tokens=WHOLE,
        total_tokens=WHOLE,
        cost_usd=AMOUNT,
        seconds=AMOUNT,
        context_used=maybe(WHOLE),
        context_size=maybe(WHOLE),
    ),
    "Steering": record(
        "A question of an agent, and a person's reply.",
        id=TEXT,
        issue_id=TEXT,
        attempt_id=TEXT,
        question=TEXT,
        context=TEXT,
        asked_at=TIME,
        open=FLAG,
        reply=maybe(TEXT),
        replied_at=maybe(TIME),
    ),
    "Machine": record(
        "What an attempt's machine does and costs; the processor in percent of one core.",
        name=TEXT,
        state=one_of(*MachineState),
        memory_bytes=COUNT,
        cpu_percent=AMOUNT,
    ),
    "Permission": record(
        "What an agent asks to be allowed; answered and not open once a slot is waited for.",
        id=TEXT,
        issue_id=TEXT,
        attempt_id=TEXT,
        title=TEXT,
        kind=TEXT,
        subject=TEXT,
        arguments=TEXT,
        lasting=FLAG,
        asked_at=TIME,
        open=FLAG,
        answer=maybe(one_of(*PermissionAnswer)),
    ),
    "Running": record(
        "An attempt that is under way.",
        **OF_ISSUE,
        state=TEXT,
        attempt_id=TEXT,
        attempt=COUNT,
        adapter=TEXT,
        phase=TEXT,
        turn=COUNT,
        max_turns=COUNT,
        started_at=TIME,
        running_seconds=SECONDS,
        last_event_at=TIME,
        silent_seconds=SECONDS,
        last_event=TEXT,
        usage=ref("Usage"),
        stopping=maybe(TEXT),
        machine=maybe(ref("Machine")),
        permissions=many(ref("Permission")),
    ),
    "Retrying": record(
        "An issue that waits for its next attempt.",
        issue_id=TEXT,
        identifier=TEXT,
        kind=one_of("retry", "continuation", "handoff", "transition"),
        due_at=TIME,
        due_in_seconds=SECONDS,
        failures=COUNT,
        reason=TEXT,
    ),
    "Waiting": record(
        "An issue that waits for a person's answer, or with it for a slot.",
        **OF_ISSUE,
        reason=TEXT,
        waiting_seconds=SECONDS,
        steering=ref("Steering"),
        machine=maybe(ref("Machine")),
    ),
    "Blocked": record(
        "An active issue that does not run, with the reason.", **OF_ISSUE, state=TEXT, code=TEXT, reason=TEXT
    ),
    "AccessRequest": record("A host that a guest was refused, with what a person decided.", **REQUEST),
    "OpenAccess": record("An open request with its issue.", **OF_ISSUE, **REQUEST, not_kept=COUNT),
    "AccessLedger": record(
        "All that one issue's guest was refused.",
        requests=many(ref("AccessRequest")),
        not_kept=COUNT,
        never_opened=COUNT,
    ),
    "AccessAnswer": record(
        "What became of a decision about a host; `said` is for people.",
        issue_id=TEXT,
        host=TEXT,
        decision=one_of(*AccessDecision),
        machine=one_of(*MachineAnswer),
        asked=FLAG,
        repeated=FLAG,
        workflow_written=FLAG,
        said=many(TEXT),
    ),
    "Problem": record(
        "A standing fact that needs a person.", code=TEXT, where=TEXT, message=TEXT, issue_id=maybe(TEXT)
    ),
    "State": record(
        "The whole picture; `blocked` holds the first 200, and `counts` counts all.",
        generated_at=TIME,
        status=one_of("working", "attention", "idle", "draining"),
        status_reason=TEXT,
        paused=FLAG,
        sandbox=TEXT,
        counts=named(COUNT, "By what the scheduler does with them, and `state:<name>` for each state."),
        running=many(ref("Running")),
        retrying=many(ref("Retrying")),
        waiting=many(ref("Waiting")),
        blocked=many(ref("Blocked")),
        access=many(ref("OpenAccess")),
        problems=many(ref("Problem")),
        totals=ref("Usage"),
        rate_limits=named(TIME, "Adapters that rest, with the time until which they do."),
    ),
    "IssueSummary": record("An issue as lists show it.", **ISSUE),
    "Issue": record(
        "An issue with all that its file says.",
        **ISSUE,
        description=TEXT,
        revision=TEXT,
        extra={"type": "object", "description": "Front matter that symphony does not know."},
    ),
    "Attempt": record(
        "An attempt as the store keeps it.",
        id=TEXT,
        issue_id=TEXT,
        attempt=COUNT,
        adapter=TEXT,
        sandbox=TEXT,
        started_at=TIME,
        ended_at=maybe(TIME),
        running_seconds=maybe(SECONDS),
        outcome=maybe(TEXT),
        message=TEXT,
        turns=COUNT,
        session_id=maybe(TEXT),
        usage=ref("Usage"),
    ),
    "Audit": record(
        "A decision of the scheduler, with its reason.",
        at=TIME,
        issue_id=maybe(TEXT),
        decision=TEXT,
        reason=TEXT,
    ),
    "Detail": record(
        "All that is known of one issue; `issue` is null when its file is gone or unreadable.",
        issue_id=TEXT,
        issue=maybe(ref("Issue")),
        standing=TEXT,
        attempts=many(ref("Attempt")),
        steering=many(ref("Steering")),
        audit=many(ref("Audit")),
        run_log=TEXT,
        last_handoff=TEXT,
        failures=COUNT,
        paused=FLAG,
        access=ref("AccessLedger"),
        machine=maybe(ref("Machine")),
        budget=many(ref("Spending")),
        receipt=maybe(ref("Receipt")),
        best=maybe(ref("Best")),
    ),
    "Receipt": record("What a handoff has passed.", tree=TEXT, checks=many(ref("CheckRun"))),
    "Best": record("The fewest failing checks.", ref=TEXT, commit=TEXT, command=TEXT, lost=FLAG, text=TEXT),
    "CheckRun": record("A check.", name=TEXT, command=TEXT, exit_status=maybe(WHOLE), seconds=SECONDS),
    "Spending": record(
        "What all attempts on an issue have spent of one kind; `ceiling` is null where there is none, and "
        "`own` where a person gave it to this issue.",
        kind=one_of(*BudgetKind),
        spent=AMOUNT,
        ceiling=maybe(AMOUNT),
        own=FLAG,
        reached=FLAG,
        text=TEXT,
    ),
    "BudgetAnswer": record(
        "Where an issue's budget stands after a change; `said` is for people.",
        issue_id=TEXT,
        budget=many(ref("Spending")),
        said=many(TEXT),
    ),
    "Step": record(
        "What happens next to an issue; `at` is null where no clock brings it about.",
        text=TEXT,
        at=maybe(TIME),
        in_seconds=maybe(SECONDS),
        sentence=TEXT,
    ),
    "Explanation": record(
        "Where an issue stands, what happens next, and the last ten decisions on it, newest first.",
        issue_id=TEXT,
        generated_at=TIME,
        code=one_of(*ReasonCode),
        where=TEXT,
        next={**many(ref("Step")), "minItems": 1},
        decisions=many(ref("Audit")),
    ),
    "Stored": record(
        "One thing on the disk, and why it goes or stays; `error` says why it could not be removed.",
        kind=one_of(*Kind),
        name=TEXT,
        path=TEXT,
        bytes=COUNT,
        since=maybe(TIME),
        reason=TEXT,
        error=maybe(TEXT),
    ),
    "Ceiling": record(
        "What all things of a kind take, before and after; `most_bytes` is null without a ceiling.",
        bytes=COUNT,
        left_bytes=COUNT,
        most_bytes=maybe(COUNT),
        over=FLAG,
    ),
    "Disk": record(
        "What was removed from the disk, or in a dry run would be, and why the rest stays.",
        generated_at=TIME,
        dry_run=FLAG,
        freed_bytes=COUNT,
        removed=many(ref("Stored")),
        failed=many(ref("Stored")),
        kept=many(ref("Stored")),
        ceilings=named(ref("Ceiling"), "By kind."),
        notes=many(TEXT),
    ),
    "Issues": record("Every readable issue.", issues=many(ref("IssueSummary"))),
    "OneIssue": record("An issue as it is now.", issue=ref("Issue")),
    "Accepted": record("A command was taken, and its effect follows.", accepted=TEXT),
    "IssueAccepted": record(
        "A command about an issue was taken, and its effect follows.", accepted=TEXT, issue_id=TEXT
    ),
    "Health": record("The listener answers.", status={"const": "ok"}),
    "Rpc": {"type": "object", "description": "A JSON-RPC 2.0 message of the Model Context Protocol."},
}
