"""From an accepted completion to something a person can apply; every step may be repeated.

[CONTRACT 4.8, 6.2, 9]
"""

import tempfile
from pathlib import Path

from symphony.core.claim import Phase
from symphony.core.errors import SymphonyError
from symphony.core.handoff import Completion, Handoff, Imported
from symphony.core.issue import Issue
from symphony.core.ports import Sandbox, Workspace
from symphony.core.workflow import Workflow
from symphony.engine.environment import Ending, attempt_environment
from symphony.engine.journal import Journal
from symphony.engine.mailbox import Mailbox
from symphony.engine.ports import Ports
from symphony.engine.progress import Progress
from symphony.engine.tracking import Tracking


class WorkspaceMissing(SymphonyError):
    """There is nothing to hand over from."""

    code = "workspace.missing"


class Delivery:
    """Hands over one issue's work."""

    def __init__(
        self,
        ports: Ports,
        workflow: Workflow,
        number: int,
        *,
        journal: Journal,
        progress: Progress,
        tracking: Tracking,
        mailbox: Mailbox,
    ) -> None:
        self._ports = ports
        self._workflow = workflow
        self._number = number
        self._journal = journal
        self._progress = progress
        self._tracking = tracking
        self._mailbox = mailbox

    async def import_branch(self, workspace: Workspace, sandbox: Sandbox | None) -> Imported:
        """Bring the work into the repository that only the host writes.

        Raises:
            WorkspaceError: the workspace is untouched then.
        """
        self._progress.enter(Phase.IMPORT)
        async with self._journal.step("import_branch", branch=workspace.branch) as result:
            imported = await self._ports.workspaces.collect(workspace, sandbox)
            result |= {"head": imported.head_commit, "commits": imported.commits}
        if imported.saved_uncommitted:
            self._progress.run_log.append("uncommitted_work_saved", head=imported.head_commit)
        return imported

    async def finish(
        self, issue: Issue | None, workspace: Workspace, imported: Imported, completion: Completion
    ) -> Handoff:
        """Move the issue to its terminal state, hand the branch over, and clean up.

        Raises:
            SymphonyError: a step failed; the completion stays open and the whole is repeated.
        """
        settings = self._workflow.settings
        self._progress.enter(Phase.HANDOFF)
        await self._move(issue)
        async with self._journal.step("hand_off", branch=imported.branch) as result:
            handoff = await self._ports.workspaces.hand_off(workspace, imported, completion, settings)
            result |= {"kind": handoff.kind, "patch": str(handoff.patch or ""), "note": handoff.note}
        await self._ports.store.complete_handoff(completion, handoff, self._ports.clock.now())
        self._progress.run_log.append("handoff", result=handoff.kind, note=handoff.note)
        self._progress.enter(Phase.CLEANUP)
        if issue is not None:
            await self._after_run(issue, workspace, imported, completion, handoff)
        await self._remove(issue, workspace)
        return handoff

    async def _move(self, issue: Issue | None) -> None:
        states = self._workflow.settings.state_table()
        issue_id = self._progress.issue_id
        if issue is None and not self._tracking.latest.present(issue_id):
            return
        if issue is not None and states.is_terminal(issue.state):
            return
        async with self._journal.step("move_issue", to=states.done()):
            moved = await self._ports.tracker.move(issue_id, states.done())
        await self._tracking.look_at([moved.path] if issue is None else [issue.path, moved.path])

    async def _after_run(
        self, issue: Issue, workspace: Workspace, imported: Imported, completion: Completion, handoff: Handoff
    ) -> None:
        hooks = self._workflow.settings.in_state(issue.state).hooks
        if hooks.after_run is None:
            return
        try:
            with tempfile.TemporaryDirectory(prefix="symphony-") as folder:
                body = Path(folder) / "summary.md"
                body.write_text(completion.summary, encoding="utf-8")
                ending = Ending("delivered", completion.title, body, handoff.patch)
                environment = attempt_environment(issue, self._number, self._workflow, workspace, ending)
                async with self._ports.workspaces.delivered_clone(imported) as clone:
                    result = await self._ports.workspaces.run_hook(
                        "after_run", hooks.after_run, clone, environment, hooks.timeout_ms
                    )
        except (SymphonyError, OSError) as error:
            self._complain("after_run", str(error))
            return
        self._progress.run_log.append(
            "hook", name="after_run", status=result.exit_status, output=result.output
        )
        if not result.ok:
            self._complain("after_run", result.output[-500:])

    async def _remove(self, issue: Issue | None, workspace: Workspace) -> None:
        environment = attempt_environment(issue, self._number, self._workflow, workspace) if issue else {}
        try:
            async with self._journal.step("remove_workspace", path=str(workspace.path)):
                await self._ports.workspaces.remove(workspace, self._workflow.settings, environment)
        except SymphonyError as error:
            self._complain("remove_workspace", str(error))

    def _complain(self, step: str, message: str) -> None:
        self._progress.run_log.append("problem", step=step, message=message)
        self._ports.log.warning(
            "handoff.step_failed", step=step, issue=self._progress.issue_id, reason=message
        )
