"""The JSON of what the guard rails found as schemas, one for each function of `guard_view`."""

from typing import Final

from symphony.core.guard.finding import FindingKind
from symphony.web.schema import COUNT, TEXT, TIME, WHOLE, Schema, many, maybe, one_of, record, ref

FINDING: Final[dict[str, Schema]] = {
    "kind": one_of(*FindingKind),
    "rule": TEXT,
    "place": TEXT,
    "line": maybe(WHOLE),
    "excerpt": TEXT,
    "said": TEXT,
}

GUARD_SHAPES: Final[dict[str, Schema]] = {
    "Finding": record(
        "One thing that the guard rails found, without any secret; `line` is null where there are none.",
        **FINDING,
    ),
    "NotedFinding": record(
        "A finding with the attempt that it was made in.", **FINDING, attempt_id=TEXT, at=TIME
    ),
    "Guard": record(
        "What was found on an issue, and what its finished work is held for, if it is.",
        findings=many(ref("NotedFinding")),
        not_kept=COUNT,
        held=maybe(record("Since when, and for what.", since=TIME, findings=many(ref("Finding")))),
    ),
    "Held": record(
        "Finished work with secrets in it, which a person lets out or gives up.",
        issue_id=TEXT,
        identifier=TEXT,
        title=TEXT,
        reason=TEXT,
        since=TIME,
        findings=many(ref("Finding")),
    ),
}
