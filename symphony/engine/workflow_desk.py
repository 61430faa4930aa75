"""What a person may ask about the workflow; implements `core.workflow_report.WorkflowDesk`."""

import asyncio
from dataclasses import replace

from symphony.core.decide import CommandRefused
from symphony.core.errors import SymphonyError
from symphony.core.hidden import secrets_of
from symphony.core.issue import Issue
from symphony.core.keys import branch_name, workspace_key
from symphony.core.ports import Workspace
from symphony.core.redaction import Redactor
from symphony.core.scheduler import SchedulerState
from symphony.core.workflow_report import RenderedPrompt, WorkflowReport, WorkflowReports
from symphony.engine.earlier import earlier_of
from symphony.engine.orchestrator import Orchestrator

CURRENT_BRANCH = "(the current branch of workspace.source)"  # known once the workspace is made


class EngineWorkflowDesk:
    """The workflow as the orchestrator uses it, and the file as its source reads it."""

    def __init__(self, orchestrator: Orchestrator, reports: WorkflowReports) -> None:
        self._orchestrator = orchestrator
        self._ports = orchestrator.ports
        self._reports = reports

    async def report(self) -> WorkflowReport:
        """Return the workflow in force and the file as it is now."""
        return await self._reports.report()

    async def rendered_prompt(self, issue_id: str) -> RenderedPrompt:
        """Render the prompt of the issue's next attempt, by the code that attempts use.

        Raises:
            CommandRefused: `issue_not_found`, also for an issue that cannot be read.
        """
        state = self._orchestrator.state
        issue = state.issues.get(issue_id)
        if issue is None:
            raise CommandRefused(
                f"There is no issue {issue_id} that can be read.",
                code="issue_not_found",
                remedy="`symphony status` lists the issues.",
            )
        number = state.record(issue_id).attempts + 1
        found = await self._ports.workspaces.find(issue_id, state.workflow.settings)
        workspace = found or foreseen_workspace(issue, state)
        prompt = RenderedPrompt(issue_id, number, workspace.branch, foreseen=found is None)
        earlier = await earlier_of(self._ports.store, issue_id)
        first = self._ports.prompts.first
        try:
            text = await asyncio.to_thread(first, state.workflow, issue, number, workspace, earlier)
        except SymphonyError as error:
            return replace(prompt, problem=await self._reports.note(error.message))
        return replace(prompt, text=Redactor(secrets_of(state.workflow)).text(text))


def foreseen_workspace(issue: Issue, state: SchedulerState) -> Workspace:
    """Return the workspace that the issue's first attempt will be given."""
    settings = state.workflow.settings.workspace
    key = workspace_key(issue.id)
    return Workspace(
        issue_id=issue.id,
        key=key,
        path=settings.root / key,
        branch=issue.branch_name or branch_name(issue.id),
        base=settings.base or CURRENT_BRANCH,
        base_commit="",
    )
