"""What the guard rails found on one issue, and a handoff that they hold for a person.

The scheduler owns one ledger for each issue; it is bounded, whatever an agent does.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from symphony.core.guard.finding import Finding
from symphony.core.text import counted

KEPT: Final = 100  # findings of one issue
KEPT_OF_ATTEMPT: Final = 30
HELD_KEPT: Final = 50  # secrets in one piece of work that are shown
SAID: Final = 3  # findings in one sentence


@dataclass(frozen=True, slots=True)
class Noted:
    """A finding with the attempt that it was made in."""

    finding: Finding
    attempt_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Finished work that is not handed over, because there are secrets in it.

    Attributes:
        at: since when.
        work: names the files and the findings, so that a word of a person about it is about nothing else.
        findings: at most `HELD_KEPT`.
        released: a person has said that it may go out.
    """

    at: datetime
    work: str
    findings: tuple[Finding, ...]
    released: bool = False


@dataclass(frozen=True, slots=True)
class GuardLedger:
    """All that is remembered of one issue.

    Attributes:
        noted: oldest first, none twice for one attempt.
        not_kept: how many more there were.
        hold: of the finished work that waits for its handoff.
    """

    noted: tuple[Noted, ...] = ()
    not_kept: int = 0
    hold: Hold | None = None

    @property
    def held(self) -> Hold | None:
        """The hold that a person has still to decide about."""
        return None if self.hold is None or self.hold.released else self.hold

    @property
    def released_work(self) -> str:
        """Name the work that a person lets out; empty when there is none."""
        return self.hold.work if self.hold is not None and self.hold.released else ""

    def found(self, finding: Finding, attempt_id: str, at: datetime) -> "GuardLedger":
        """Return the ledger with one more finding; the same when it is known of this attempt."""
        of_attempt = [noted.finding for noted in self.noted if noted.attempt_id == attempt_id]
        if finding in of_attempt:
            return self
        if len(of_attempt) >= KEPT_OF_ATTEMPT:
            return replace(self, not_kept=self.not_kept + 1)
        noted = (*self.noted, Noted(finding, attempt_id, at))
        return replace(self, noted=noted[-KEPT:], not_kept=self.not_kept + max(0, len(noted) - KEPT))


def work_name(tree: str, findings: Collection[Finding]) -> str:
    """Return a name for work with these files and these findings; other work has another one."""
    said = "\n".join([tree, *map(repr, findings)])
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]


def said_of(findings: Collection[Finding]) -> str:
    """Return where the first few are and by which rule, as a part of a sentence; never the secrets."""
    shown = [f"{finding.where} ({finding.rule})" for finding in list(findings)[:SAID]]
    more = len(findings) - len(shown)
    return ", ".join([*shown, f"{more} more"] if more else shown)


def held_reason(hold: Hold, issue_id: str) -> str:
    """Return why the handoff waits, with what a person can do, as a clause."""
    return (
        f"done, and its work holds {counted(len(hold.findings), 'secret')}: {said_of(hold.findings)};"
        f" `symphony approve {issue_id}` lets it out, `symphony retry {issue_id}` looks again"
    )
