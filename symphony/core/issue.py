"""The issue: one Markdown file in a state folder [CONTRACT 3.1]."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from symphony.core.problem import Problem


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as its file said when it was last read.

    Attributes:
        id: from the front matter, else the file name without `.md`.
        identifier: what people call it; defaults to the id.
        title: one line; defaults to the identifier.
        state: the folder's name as it is written on disk.
        description: the Markdown body.
        priority: smaller is more urgent; None sorts last.
        labels: lower case, in the author's order.
        blocked_by: ids that must be terminal first.
        branch_name: the author's wish; None means `agent/<id>`.
        created_at, updated_at: aware UTC, None when the file does not say.
        path: the file.
        revision: changes whenever the file's text changes.
        extra: front matter keys that symphony does not know, as parsed.
    """

    id: str
    identifier: str
    title: str
    state: str
    path: Path
    description: str = ""
    priority: int | None = None
    labels: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()
    branch_name: str | None = None
    url: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IssueDraft:
    """What a person or an agent asks to be created [CONTRACT 1.3, 3.5, 6.4].

    Attributes:
        title: required, one line.
        state: a configured state; None means the first active one.
        id: None means the next free number over all states.
    """

    title: str
    body: str = ""
    priority: int | None = None
    labels: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()
    state: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class IssueSet:
    """Everything the tracker holds at one moment, immutable.

    Attributes:
        issues: the readable issues without a conflict, by id.
        conflicts: ids that more than one file claims, with those files; none of them runs [3.3].
            A stale copy in a terminal state beside one active file is listed here too.
        problems: unreadable files and conflicts, sorted, each naming its file.
        unreadable: ids, by file name and as last read, whose file exists but cannot be read now.
    """

    issues: Mapping[str, Issue] = field(default_factory=dict)
    conflicts: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    unreadable: frozenset[str] = frozenset()

    def get(self, issue_id: str) -> Issue | None:
        """Return the issue with this id, or None."""
        return self.issues.get(issue_id)

    def with_issue(self, issue: Issue) -> "IssueSet":
        """Return the set with this issue in the place of the one with its id."""
        return replace(self, issues={**self.issues, issue.id: issue})

    def present(self, issue_id: str) -> bool:
        """Say whether any file for this id exists, readable or not."""
        return issue_id in self.issues or issue_id in self.conflicts or issue_id in self.unreadable
