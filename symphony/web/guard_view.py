"""What the guard rails found, as JSON [CONTRACT 7.1]; no secret is in it, since none is in a finding."""

from typing import Any, TypeAlias

from symphony.core.guard.finding import Finding
from symphony.core.guard.ledger import GuardLedger
from symphony.core.snapshot import HeldView
from symphony.web.times import time_view

Json: TypeAlias = dict[str, Any]


def finding_view(finding: Finding) -> Json:
    """Return one finding; `line` is null where there are none, and `said` is for people."""
    return {
        "kind": finding.kind.value,
        "rule": finding.rule,
        "place": finding.place,
        "line": finding.line or None,
        "excerpt": finding.excerpt,
        "said": str(finding),
    }


def guard_view(ledger: GuardLedger) -> Json:
    """Return all that was found on one issue; `held` is what its finished work waits for, or null."""
    held = ledger.held
    return {
        "findings": [
            {**finding_view(noted.finding), "attempt_id": noted.attempt_id, "at": time_view(noted.at)}
            for noted in ledger.noted
        ],
        "not_kept": ledger.not_kept,
        "held": None
        if held is None
        else {"since": time_view(held.at), "findings": [finding_view(each) for each in held.findings]},
    }


def held_view(view: HeldView) -> Json:
    """Return finished work that a person has to let out or give up."""
    return {
        "issue_id": view.issue_id,
        "identifier": view.identifier,
        "title": view.title,
        "reason": view.reason,
        "since": time_view(view.since),
        "findings": [finding_view(finding) for finding in view.findings],
    }
