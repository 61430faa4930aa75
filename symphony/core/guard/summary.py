"""What the guard rails found, as a part of the summary that goes with the work."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from symphony.core.guard.finding import Finding
from symphony.core.handoff import Completion

SHOWN: Final = 10  # findings in a summary; the page has all
HEADING: Final = "The guard rails found:"


def with_findings(completion: Completion, findings: Collection[Finding]) -> Completion:
    """Return the completion with the findings at the end of its summary; it is the same without any."""
    if not findings:
        return completion
    lines = [f"- {finding}" for finding in list(findings)[:SHOWN]]
    if len(findings) > SHOWN:
        lines.append(f"- and {len(findings) - SHOWN} more")
    return replace(completion, summary="\n".join([completion.summary.rstrip(), "", HEADING, *lines]))
