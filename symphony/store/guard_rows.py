"""An issue's guard ledger as one column of its record, and back."""

import json
from datetime import datetime
from typing import Any

from symphony.core.guard.finding import Finding, FindingKind
from symphony.core.guard.ledger import GuardLedger, Hold, Noted
from symphony.store.texts import instant_text, json_text

EMPTY = GuardLedger()


def guard_text(ledger: GuardLedger) -> str:
    """Return the ledger as JSON."""
    if ledger == EMPTY:
        return "{}"
    hold = ledger.hold
    return json_text(
        {
            "noted": [
                [*_row(noted.finding), noted.attempt_id, instant_text(noted.at)] for noted in ledger.noted
            ],
            "not_kept": ledger.not_kept,
            "hold": None
            if hold is None
            else {
                "at": instant_text(hold.at),
                "work": hold.work,
                "findings": [_row(finding) for finding in hold.findings],
                "released": hold.released,
            },
        }
    )


def guard_of(text: str) -> GuardLedger:
    """Return the ledger that `guard_text` wrote."""
    if text == "{}":
        return EMPTY
    kept = json.loads(text)
    hold = kept["hold"]
    return GuardLedger(
        noted=tuple(
            Noted(_finding(row[:5]), row[5], datetime.fromisoformat(row[6])) for row in kept["noted"]
        ),
        not_kept=kept["not_kept"],
        hold=None
        if hold is None
        else Hold(
            at=datetime.fromisoformat(hold["at"]),
            work=hold["work"],
            findings=tuple(_finding(row) for row in hold["findings"]),
            released=hold["released"],
        ),
    )


def _row(finding: Finding) -> list[Any]:
    return [finding.kind.value, finding.rule, finding.place, finding.line, finding.excerpt]


def _finding(row: list[Any]) -> Finding:
    kind, rule, place, line, excerpt = row
    return Finding(FindingKind(kind), rule, place, line, excerpt)
