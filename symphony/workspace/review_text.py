"""The summary that a reviewer reads first, as Markdown; pure.

What agents, issues and files say stands in fences that they cannot close, so that none of it passes
for symphony's own words. Called by `review`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from symphony.core.guard.finding import Finding
from symphony.core.handoff import Completion, Imported
from symphony.core.preflight import Preflight
from symphony.core.receipt import Receipt
from symphony.core.redaction import Redactor
from symphony.core.review import Background
from symphony.core.text import counted, duration, one_line, plain
from symphony.core.usage import Usage

TITLE_SHOWN: Final = 200
SUMMARY_SHOWN: Final = 16_384
ISSUE_SHOWN: Final = 65_536
NAME_SHOWN: Final = 300
FILES_SHOWN: Final = 500
FENCE: Final = re.compile(r"`{3,}")
NO_CHECKS: Final = "None: the workflow has no checks for it."
NO_FINDINGS: Final = "None."


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file that the work changes.

    Attributes:
        added, deleted: lines; `-` for a binary file.
    """

    name: str
    added: str
    deleted: str


def render_summary(
    imported: Imported,
    completion: Completion,
    background: Background,
    *,
    base: str,
    preflight: Preflight,
    files: Sequence[ChangedFile],
    url: str = "",
) -> str:
    """Return the text, with well-known tokens taken out of it; the same for the same work."""
    said = [plain(completion.title, TITLE_SHOWN), "", background.summary or completion.summary]
    issue = [plain(background.issue_title, TITLE_SHOWN), "", background.issue_text]
    text = "\n".join(
        [
            f"# Work on issue {_code(completion.issue_id)}",
            "",
            *_fenced(_facts(imported, background, base, preflight, url)),
            "## What was done, in the agent's words",
            "",
            *_fenced([plain("\n".join(said), SUMMARY_SHOWN)]),
            "## The issue as it was",
            "",
            *_fenced([plain("\n".join(issue), ISSUE_SHOWN)]),
            "## Checks that it has passed",
            "",
            *_checks(completion.receipt),
            f"## Files ({len(files)})",
            "",
            *_fenced(_files(files)),
            "## Findings of the guard rails",
            "",
            *_findings(background.findings),
        ]
    )
    return Redactor().text(text.rstrip("\n") + "\n")


def _facts(
    imported: Imported, background: Background, base: str, preflight: Preflight, url: str
) -> Iterable[str]:
    saved = ", the last of them work that was not committed" if imported.saved_uncommitted else ""
    yield f"branch    {one_line(imported.branch)}, {counted(imported.commits, 'commit')}{saved}"
    yield f"base      {one_line(base)}, {imported.base_commit}"
    yield f"head      {imported.head_commit}"
    if url:
        yield f"pull      {one_line(url, NAME_SHOWN)}"
    yield f"merge     {one_line(str(preflight), 2000)}"
    yield f"cost      {_cost(background.usage)} in {counted(background.attempts, 'attempt')}"


def _cost(usage: Usage) -> str:
    kinds = [
        f"{number:,} {name}"
        for number, name in (
            (usage.input_tokens, "in"),
            (usage.output_tokens, "out"),
            (usage.cached_tokens, "cached"),
        )
        if number
    ]
    split = f" ({', '.join(kinds)})" if len(kinds) > 1 else ""
    usd = [f"${usage.cost_usd:.2f}"] if usage.cost_usd else []
    time = [f"{duration(usage.seconds)} of turns"] if usage.seconds >= 1 else []
    return ", ".join(
        [f"{usage.tokens:,} tokens{split}", f"{counted(usage.tool_calls, 'tool call')}", *usd, *time]
    )


def _checks(receipt: Receipt | None) -> list[str]:
    if receipt is None:
        return [NO_CHECKS, ""]
    return _fenced([f"on tree {receipt.tree}", *map(str, receipt.checks)])


def _files(files: Sequence[ChangedFile]) -> Iterable[str]:
    for file in files[:FILES_SHOWN]:
        name = one_line(file.name, NAME_SHOWN)
        yield f"{'+' + file.added:>8} {'-' + file.deleted:>8}  {name}"
    if len(files) > FILES_SHOWN:
        yield f"and {len(files) - FILES_SHOWN} more"


def _findings(findings: Sequence[Finding]) -> list[str]:
    return _fenced(map(str, findings)) if findings else [NO_FINDINGS, ""]


def _fenced(lines: Iterable[str]) -> list[str]:
    """Return lines in a fence that is longer than any in them."""
    text = "\n".join(lines).strip("\n")
    longest = max([2, *map(len, FENCE.findall(text))])
    fence = "`" * (longest + 1)
    return [f"{fence}text", text, fence, ""]


def _code(text: str) -> str:
    """Return a text on one line, in a code span that it cannot close."""
    flat = one_line(text, TITLE_SHOWN).replace("`", "'")
    return f"`{flat}`"
