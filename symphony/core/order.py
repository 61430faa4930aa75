"""In which order issues are dispatched [CONTRACT 4.2]."""

from collections.abc import Iterable
from datetime import UTC, datetime

from symphony.core.issue import Issue
from symphony.core.states import StateTable

LATEST = datetime.max.replace(tzinfo=UTC)


def dispatch_rank(issue: Issue) -> tuple[bool, int, datetime, str]:
    """Return the sort key: priority ascending, then age, then identifier; unset values last."""
    return (issue.priority is None, issue.priority or 0, issue.created_at or LATEST, issue.identifier)


def in_dispatch_order(issues: Iterable[Issue], states: StateTable) -> tuple[Issue, ...]:
    """Return the active issues in the order in which they would be dispatched."""
    return tuple(sorted((issue for issue in issues if states.is_active(issue.state)), key=dispatch_rank))
