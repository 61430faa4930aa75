"""Open access requests as every surface lists them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from symphony.core.access import AccessRequest
from symphony.core.scheduler import SchedulerState

ACCESS_SHOWN: Final = 200  # a page; `counts` has all


@dataclass(frozen=True, slots=True)
class AccessView:
    """One host that an issue's guest was refused and that a person has to decide about.

    Attributes:
        not_kept: how many more hosts of this issue there were than are kept.
    """

    issue_id: str
    identifier: str
    title: str
    request: AccessRequest
    not_kept: int = 0


def access_views(state: SchedulerState) -> Iterator[AccessView]:
    """Yield the open requests of issues that are not finished, oldest first within an issue."""
    for record in state.records.values():
        if not record.access.requests:
            continue
        issue = state.issues.get(record.issue_id)
        if issue is None or state.states.is_terminal(issue.state):
            continue
        for request in record.access.open:
            yield AccessView(record.issue_id, issue.identifier, issue.title, request, record.access.not_kept)
