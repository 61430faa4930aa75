"""What an issue's page is made from, looked at in one go."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from markupsafe import Markup

from symphony.core.board import Standing
from symphony.core.explain import Explanation
from symphony.core.operations import IssueDetail, Operations
from symphony.core.snapshot import Picture
from symphony.web.issue_timeline import TimelinePages
from symphony.web.markdown import render_markdown
from symphony.web.timeline.entries import Note


@dataclass(frozen=True, slots=True)
class IssueSight:
    """All that the parts are made from, at one moment.

    Attributes:
        text: the issue's Markdown, rendered; None without a readable file.
        hooks: how hooks and checks ended of late, the latest first.
    """

    detail: IssueDetail
    explanation: Explanation
    picture: Picture
    text: Markup | None
    hooks: tuple[Note, ...] = ()

    @property
    def standing(self) -> Standing | None:
        """What the scheduler does with the issue."""
        snapshot, issue_id = self.picture.snapshot, self.detail.issue_id
        views: Iterator[Standing] = chain(
            snapshot.running, snapshot.waiting, snapshot.retrying, snapshot.blocked
        )
        return next((view for view in views if view.issue_id == issue_id), None)


class Sights:
    """Looks at issues: what the parts of their pages are made from."""

    def __init__(self, operations: Operations, pages: TimelinePages) -> None:
        self._operations = operations
        self._pages = pages

    async def see(self, issue_id: str, before: IssueSight | None = None) -> IssueSight:
        """Return an issue as it is now; a text that has not changed is not rendered again.

        Raises:
            SymphonyError: `issue_not_found`.
        """
        detail = await self._operations.detail(issue_id)
        explanation = await self._operations.explain(issue_id)
        picture = self._operations.picture()
        issue, text = detail.issue, None
        if issue is not None and before is not None and before.detail.issue == issue:
            text = before.text
        elif issue is not None:
            text = await asyncio.to_thread(render_markdown, issue.description)
        hooks: tuple[Note, ...] = ()
        if checks_of(detail, picture):
            with suppress(OSError):  # whoever shows the timeline says so
                hooks = await asyncio.to_thread(self._pages.hooks, detail.run_log)
        return IssueSight(detail, explanation, picture, text, hooks)


def checks_of(detail: IssueDetail, picture: Picture) -> tuple[str, ...]:
    """Return the names of the checks that must pass before the issue counts as done."""
    issue, settings = detail.issue, picture.workflow.settings
    return tuple(check.name for check in (settings.in_state(issue.state) if issue else settings).checks)
