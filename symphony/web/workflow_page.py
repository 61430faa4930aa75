"""The workflow's page: what is in force and why, what is wrong with the file, and an issue's prompt."""

import asyncio
from typing import Any, Final

from aiohttp import web
from markupsafe import Markup, escape

from symphony.core.errors import SymphonyError
from symphony.core.issue import Issue, IssueSet
from symphony.core.operations import Operations
from symphony.core.states import StateRole, StateTable
from symphony.core.text import plain
from symphony.core.workflow_report import RenderedPrompt, SettingSource, WorkflowDesk
from symphony.web.errors import status_of
from symphony.web.live import Live
from symphony.web.site import Site

HEADER: Final = "header"
PROMPT_LIMIT: Final = 200_000  # characters; a prompt is a few thousand, and a page has to stay usable
CHOICES: Final = 500  # issues in the list; any other can be named in the address
ROLES: Final = (StateRole.ACTIVE, StateRole.HOLDING)


class WorkflowPage:
    """Shows WORKFLOW.md; changes nothing."""

    def __init__(self, site: Site, live: Live, operations: Operations, desk: WorkflowDesk) -> None:
        self._site = site
        self._live = live
        self._operations = operations
        self._desk = desk

    def add_to(self, app: web.Application) -> None:
        """Give the application the path."""
        app.router.add_get("/workflow", self.show)

    async def show(self, request: web.Request) -> web.Response:
        """Show the report, and the rendered prompt of the issue that `?issue=` names."""
        wanted = request.query.get("issue", "")
        report = await self._desk.report()
        rendered, refusal = await self._rendered(wanted)
        picture = self._operations.picture()
        cursor = self._live.look()
        return self._site.page(
            request,
            "workflow.html",
            status=200 if refusal is None else status_of(refusal),
            cursor=cursor,
            header=self._live.part(HEADER),
            report=report,
            given=[row for row in report.settings if row.source is not SettingSource.DEFAULT],
            defaults=[row for row in report.settings if row.source is SettingSource.DEFAULT],
            template=shown_prompt(report.prompt),
            choices=await asyncio.to_thread(choices_of, picture.issues, picture.states, wanted),
            wanted=wanted,
            rendered=rendered,
            prompt=None if rendered is None else shown_prompt(rendered.text),
            refusal=refusal,
            limit=PROMPT_LIMIT,
        )

    async def _rendered(self, wanted: str) -> tuple[RenderedPrompt | None, SymphonyError | None]:
        if not wanted:
            return None, None
        try:
            return await self._desk.rendered_prompt(wanted), None
        except SymphonyError as error:
            return None, error


def choices_of(issues: IssueSet, states: StateTable, wanted: str) -> list[dict[str, Any]]:
    """Return the issues that a prompt can be shown for: active ones first, finished ones only if wanted."""
    ranked = sorted(
        (ROLES.index(role), issue.state, issue.identifier, issue.id)
        for issue in issues.issues.values()
        if (role := states.role(issue.state)) in ROLES
    )
    ids = [issue_id for *_, issue_id in ranked[:CHOICES]]
    if wanted not in ids and wanted in issues.issues:
        ids.insert(0, wanted)
    return [choice(issues.issues[issue_id]) for issue_id in ids]


def choice(issue: Issue) -> dict[str, Any]:
    """Return an issue as an entry of the list."""
    return {"id": issue.id, "words": f"{issue.identifier} · {issue.title} ({issue.state})"}


def shown_prompt(text: str) -> Markup:
    """Return a prompt without control characters, bounded, as text."""
    return escape(plain(text, PROMPT_LIMIT))
