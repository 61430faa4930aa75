"""What needs a person: one value for each thing, the same on every surface and for whoever is told."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from symphony.core.permission import PermissionRequest
from symphony.core.snapshot import Snapshot

OWED = {"handoff": "Done, and its handoff", "transition": "Its agent sent it on, and its move"}
PARKED = frozenset({"failed", "cancelled", "out_of_budget", "passed_around"})


class NeedKind(StrEnum):
    """What a person is asked for, the most urgent first."""

    QUESTION = "question"
    PERMISSION = "permission"
    ACCESS = "access"
    HELD = "held"
    HANDOFF = "handoff"
    PARKED = "parked"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that does not go on without a person.

    Attributes:
        key: the same as long as it is the same thing, over restarts too.
        issue_id: None for what concerns no single issue.
        title: the issue's, or the place of a problem.
        text: the question, the reason or the message.
        context: what the agent said beside its question.
        host: of an access request.
        code: of a parked issue's reason or of a problem.
        permission: the request, of a permission.
        since: None where nobody noted it.
    """

    key: str
    kind: NeedKind
    issue_id: str | None
    identifier: str
    title: str
    text: str
    context: str = ""
    host: str = ""
    code: str = ""
    since: datetime | None = None
    permission: PermissionRequest | None = None


def needs_of(snapshot: Snapshot) -> tuple[Need, ...]:
    """Return everything that needs a person, the most urgent kind first."""
    return (
        *_questions(snapshot),
        *_permissions(snapshot),
        *_access(snapshot),
        *_held(snapshot),
        *_handoffs(snapshot),
        *_parked(snapshot),
        *_problems(snapshot),
    )


def _questions(snapshot: Snapshot) -> Iterator[Need]:
    for view in snapshot.waiting:
        steering = view.steering
        if steering.open:
            yield Need(
                key=f"question:{steering.id}",
                kind=NeedKind.QUESTION,
                issue_id=view.issue_id,
                identifier=view.identifier,
                title=view.title,
                text=steering.question,
                context=steering.context,
                since=steering.asked_at,
            )


def _permissions(snapshot: Snapshot) -> Iterator[Need]:
    for view in snapshot.running:
        for request in view.permissions:
            asked = request.proposal
            if request.open:
                yield Need(
                    key=f"permission:{request.id}",
                    kind=NeedKind.PERMISSION,
                    issue_id=view.issue_id,
                    identifier=view.identifier,
                    title=view.title,
                    text=f"Its agent asks to {asked.kind}: {asked.title}",
                    context=asked.arguments,
                    since=request.asked_at,
                    permission=request,
                )


def _access(snapshot: Snapshot) -> Iterator[Need]:
    for view in snapshot.access:
        request = view.request
        port = f":{request.port}" if request.port else ""
        yield Need(
            key=f"access:{view.issue_id}:{request.host}",
            kind=NeedKind.ACCESS,
            issue_id=view.issue_id,
            identifier=view.identifier,
            title=view.title,
            text=f"Its guest was refused {request.host}{port}.",
            host=request.host,
            since=request.asked_at,
        )


def _held(snapshot: Snapshot) -> Iterator[Need]:
    for view in snapshot.held:
        yield Need(
            key=f"held:{view.issue_id}:{view.since.isoformat()}",
            kind=NeedKind.HELD,
            issue_id=view.issue_id,
            identifier=view.identifier,
            title=view.title,
            text=f"{view.reason[:1].upper()}{view.reason[1:]}.",
            context="\n".join(str(finding) for finding in view.findings),
            since=view.since,
        )


def _handoffs(snapshot: Snapshot) -> Iterator[Need]:
    for view in snapshot.retrying:
        if view.kind in OWED:
            yield Need(
                key=f"handoff:{view.issue_id}",
                kind=NeedKind.HANDOFF,
                issue_id=view.issue_id,
                identifier=view.identifier,
                title=view.identifier,
                text=f"{OWED[view.kind]} failed: {view.reason}",
            )


def _parked(snapshot: Snapshot) -> Iterator[Need]:
    for view in snapshot.blocked:
        if view.code in PARKED:
            yield Need(
                key=f"parked:{view.issue_id}:{view.since.isoformat() if view.since else view.code}",
                kind=NeedKind.PARKED,
                issue_id=view.issue_id,
                identifier=view.identifier,
                title=view.title,
                text=view.reason,
                code=view.code,
                since=view.since,
            )


def _problems(snapshot: Snapshot) -> Iterator[Need]:
    seen: Counter[str] = Counter()  # one place may have several problems of one kind
    for problem in snapshot.problems:
        key = f"problem:{problem.code}:{problem.where}"
        seen[key] += 1
        yield Need(
            key=key if seen[key] == 1 else f"{key}:{seen[key]}",
            kind=NeedKind.PROBLEM,
            issue_id=problem.issue_id,
            identifier=problem.issue_id or "",
            title=problem.where,
            text=problem.message,
            code=problem.code,
        )
