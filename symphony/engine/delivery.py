"""From an accepted completion to something a person can apply; every step may be repeated.

[CONTRACT 4.8, 6.2, 9]
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from symphony.core.claim import Phase
from symphony.core.errors import SymphonyError
from symphony.core.event import CompletionAccepted, CompletionWithdrawn
from symphony.core.guard.summary import with_findings
from symphony.core.handoff import Completion, Handoff, Imported
from symphony.core.issue import Issue
from symphony.core.journal import Action
from symphony.core.outcome import Delivered, Failed, Outcome, Stopped, StopReason, Transitioned
from symphony.core.ports import HookResult, Sandbox, Workspace
from symphony.core.receipt import CheckRun, Receipt
from symphony.core.review import Background
from symphony.engine.checks import run_checks
from symphony.engine.context import AttemptContext
from symphony.engine.environment import Ending
from symphony.engine.holding import WorkHeld, hold_secrets
from symphony.engine.machine_watch import watch_machine
from symphony.engine.origins import provenance_of
from symphony.engine.pull_request import leave_review, not_proposed, propose
from symphony.engine.train import WentBack, board
from symphony.engine.transition import carry_out, goes_on, is_there, move_file, note_of


class WorkspaceMissing(SymphonyError):
    """There is nothing to hand over from."""

    code = "workspace.missing"


class ChecksFailed(SymphonyError):
    """The agent said that it was done, and the project's checks say otherwise."""

    code = "checks_failed"


class Delivery:
    """Hands over one issue's work."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context
        self._ports = context.ports
        self._journal = context.journal
        self._progress = context.progress

    async def again(self, completion: Completion) -> Delivered | Transitioned:
        """Carry out a completion that an earlier attempt, or the last run, had not finished with.

        Raises:
            SymphonyError: a step failed, and the completion stays open; `checks_failed`: it is
                withdrawn.
        """
        issue = self._context.tracked_issue
        workspace = await self._ports.workspaces.find(completion.issue_id, self._context.settings)
        if workspace is None:
            raise WorkspaceMissing(
                f"The workspace of issue {completion.issue_id} is gone before its work was handed over.",
                remedy=f"`symphony discard {completion.issue_id}` gives the handoff up.",
            )
        async with (
            self._context.open_checkouts(workspace) as checkouts,
            self._context.open_sandbox(workspace, checkouts=checkouts) as sandbox,
            watch_machine(sandbox.machine, self._progress, self._ports.log),
        ):
            imported = await self.import_branch(workspace, sandbox)
            if self._counts(completion.receipt, imported):
                pass
            # where a transition leads the checks of that state are none of its own
            elif issue is not None and self._is_active(issue) and not is_there(issue, completion):
                results = await run_checks(self._context, sandbox, checkouts, imported)
                await self._withdraw_unless_passed(completion, results)
                completion = await self.note_passed(completion, imported, results)
            else:
                completion = replace(completion, receipt=None)
        return await self.finish(workspace, imported, completion)

    async def rescue(self) -> Outcome:
        """Hand over what there is of an attempt whose issue a person moved to a terminal state."""
        issue = self._context.tracked_issue
        workspace = await self._ports.workspaces.find(self._context.issue_id, self._context.settings)
        if issue is None or workspace is None:
            return Stopped(StopReason.TERMINAL)
        summary = f"A person moved the issue to {issue.state} while an attempt ran; this is what there was."
        attempt_id, now = self._context.start.attempt_id, self._ports.clock.now()
        completion = Completion(issue.id, attempt_id, issue.title, summary, now)
        try:
            stored = await self._ports.store.accept_completion(completion)
            await self._context.mailbox.put(CompletionAccepted(stored))
            ended = await self.again(stored)
            return Stopped(StopReason.TERMINAL, ended.handoff) if isinstance(ended, Delivered) else ended
        except (WorkHeld, WentBack) as ended:
            return ended.outcome
        except SymphonyError as error:
            return Failed(error.code, str(error))

    async def import_branch(self, workspace: Workspace, sandbox: Sandbox) -> Imported:
        """Bring the work into the repository that only the host writes.

        Raises:
            WorkspaceError: the workspace is untouched then.
        """
        self._progress.enter(Phase.IMPORT)
        async with self._journal.step(Action.IMPORT_BRANCH, branch=workspace.branch) as result:
            imported = await self._ports.workspaces.collect(workspace, sandbox)
            result |= {"head": imported.head_commit, "commits": imported.commits}
        if imported.saved_uncommitted:
            self._progress.run_log.append("uncommitted_work_saved", head=imported.head_commit)
        return imported

    async def finish(
        self, workspace: Workspace, imported: Imported, completion: Completion
    ) -> Delivered | Transitioned:
        """Do what the completion says with the work, which is imported.

        Raises:
            SymphonyError: a step failed; mostly the completion stays open and the whole is repeated.
        """
        if goes_on(self._context, completion):
            self._progress.enter(Phase.HANDOFF)
            return await carry_out(self._context, completion)
        return Delivered(await self._hand_over(self._context.tracked_issue, workspace, imported, completion))

    async def _hand_over(
        self, issue: Issue | None, workspace: Workspace, imported: Imported, completion: Completion
    ) -> Handoff:
        """Board the merge train, move the issue to its terminal state, hand the branch over, and clean up.

        Raises:
            WentBack: the work does not fit onto the merge train, and its agent goes on.
            WorkHeld: a person has to say that it may go out.
            SymphonyError: a step failed; the completion stays open and the whole is repeated.
        """
        handed_over, began = False, self._ports.clock.now()
        self._progress.enter(Phase.HANDOFF)
        searched = await hold_secrets(self._context, imported, completion)
        background = await self._background(issue, completion)
        completion = with_findings(completion, self._context.findings)
        boarding = await board(self._context, workspace, imported, completion)
        imported = replace(imported, notes=(*imported.notes, *filter(None, [boarding.note])))
        self._progress.enter(Phase.HANDOFF)
        await self._move(issue, completion)
        handoff, imported = await self._make(workspace, imported, completion, searched, background)
        handoff = replace(handoff, boarded=boarding.boarded)
        try:
            keep = imported.keep_workspace
            async with self._journal.step(Action.CLEAN_UP, path=str(workspace.path), keep=keep):
                await self._complete(completion, handoff)
                handed_over = True
                took = self._ports.clock.now() - began
                self._ports.meter.handed_over(self._context.start.attempt_id, handoff.kind, took)
                await self._ports.workspaces.bests.forget(completion.issue_id)
                await self._after_run(issue, workspace, imported, completion, handoff)
                if not keep:
                    await self._remove(issue, workspace)
        except SymphonyError as error:
            if not handed_over:
                raise
            self._complain("clean_up", str(error))
        return handoff

    async def _background(self, issue: Issue | None, completion: Completion) -> Background:
        rows = await self._ports.store.attempts_of(completion.issue_id)
        number = next((row.number for row in rows if row.id == completion.attempt_id), len(rows))
        return Background(
            issue.title if issue else "",
            issue.description if issue else "",
            completion.summary,
            number,
            self._context.spent_before.plus(self._progress.spent),
            self._context.findings,
        )

    async def _make(
        self,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        searched: str,
        background: Background,
    ) -> tuple[Handoff, Imported]:
        """Make the pull request or the patch; a pull request that fails leaves a patch.

        Returns:
            It, and the branch as it left.

        Raises:
            SymphonyError: `handoff.*`, `forge.*`, `workspace.*`.
        """
        settings = self._context.settings
        proposing, made = settings.handoff.wants_pull_request, None
        try:
            provenance = await provenance_of(self._ports.store, completion.issue_id)
            imported = await self._ports.workspaces.stamp(imported, provenance, settings)
            if proposing:
                made = await propose(self._context, workspace, imported, completion, searched)
        except SymphonyError as error:
            if not proposing:
                raise
            try:
                said = (await self._write_patch(workspace, imported, completion, background)).note
            except SymphonyError as also:
                said = f"the patch is not written either: {also}"
            raise not_proposed(error, said) from error
        if made is None:
            made = await self._write_patch(workspace, imported, completion, background)
        else:
            made = await leave_review(self._context, workspace, imported, completion, background, made)
        note = " ".join(filter(None, [made.note, *imported.notes, searched]))
        return replace(made, note=note, receipt=completion.receipt), imported

    async def _write_patch(
        self, workspace: Workspace, imported: Imported, completion: Completion, background: Background
    ) -> Handoff:
        async with self._journal.step(Action.HAND_OFF, branch=imported.branch) as result:
            handoff = await self._ports.workspaces.hand_off(
                workspace, imported, completion, self._context.settings, background
            )
            result |= {"kind": handoff.kind, "patch": str(handoff.patch or ""), "note": handoff.note}
        return handoff

    async def _complete(self, completion: Completion, handoff: Handoff) -> None:
        now = self._ports.clock.now()
        await self._ports.store.complete_handoff(completion, handoff, now)
        self._progress.run_log.append("handoff", result=handoff.kind, note=handoff.note)
        self._progress.enter(Phase.CLEANUP)
        for steering in await self._ports.store.steering_of(completion.issue_id):
            if not steering.open:  # the work that it was for is done
                await self._ports.store.reply_used(steering.id, now)

    async def note_passed(
        self, completion: Completion, imported: Imported, results: Sequence[HookResult], merged: str = ""
    ) -> Completion:
        """Keep durably what the work has passed: the handoff shows it, and no restart checks it again."""
        if not results:
            return completion
        runs = tuple(
            CheckRun(check.name, check.run, result.exit_status, round(result.seconds, 3))
            for check, result in zip(self._context.settings.checks, results, strict=True)
        )
        return await self._ports.store.attach_receipt(completion, Receipt(imported.head_tree, runs, merged))

    def _counts(self, receipt: Receipt | None, imported: Imported) -> bool:
        """Say whether a receipt is for these files and for the checks that are in force."""
        checks = [(check.name, check.run) for check in self._context.settings.checks]
        return receipt is not None and receipt.covers(imported.head_tree, checks)

    async def _withdraw_unless_passed(self, completion: Completion, results: Sequence[HookResult]) -> None:
        """Take the agent's word back if a check failed, which it may not have had to pass before."""
        failed = [result for result in results if not result.ok]
        if failed:
            await self._ports.store.withdraw_completion(completion.issue_id, completion.attempt_id)
            withdrawn = CompletionWithdrawn(completion.issue_id, self._context.start.attempt_id)
            await self._context.mailbox.put(withdrawn)
            raise ChecksFailed(
                f"The check {failed[0].name} failed after mark_done: {failed[0].output[-500:]}"
            )

    def _is_active(self, issue: Issue) -> bool:
        return self._context.settings.state_table().is_active(issue.state)

    async def _move(self, issue: Issue | None, completion: Completion) -> None:
        states = self._context.settings.state_table()
        if issue is not None and states.is_terminal(issue.state):
            return
        to = completion.to_state if states.is_terminal(completion.to_state) else states.done()
        note = await note_of(self._context, completion) if completion.to_state else None
        await move_file(self._context, issue, to, note)

    async def _after_run(
        self,
        issue: Issue | None,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        handoff: Handoff,
    ) -> None:
        hooks = self._context.settings.hooks
        if hooks.after_run is None or issue is None:
            return
        try:
            with tempfile.TemporaryDirectory(prefix="symphony-") as folder:
                body = Path(folder) / "summary.md"
                body.write_text(completion.summary, encoding="utf-8")
                receipt = None
                if handoff.receipt is not None:
                    receipt = Path(folder) / "receipt.json"
                    receipt.write_text(json.dumps(asdict(handoff.receipt)), encoding="utf-8")
                ending = Ending("delivered", completion.title, body, handoff.patch, receipt)
                environment = self._context.environment(issue, workspace, ending)
                async with self._ports.workspaces.delivered_clone(imported) as clone:
                    result = await self._ports.workspaces.run_hook(
                        "after_run", hooks.after_run, clone, environment, hooks.timeout_ms
                    )
        except (SymphonyError, OSError) as error:
            self._complain("after_run", str(error))
            return
        self._context.log_hook(result)
        if not result.ok:
            self._complain("after_run", result.failure())

    async def _remove(self, issue: Issue | None, workspace: Workspace) -> None:
        environment = self._context.environment(issue, workspace) if issue else {}
        try:
            await self._ports.workspaces.remove(workspace, self._context.settings, environment)
        except SymphonyError as error:
            self._complain("remove_workspace", str(error))

    def _complain(self, step: str, message: str) -> None:
        self._progress.run_log.append("problem", step=step, message=message)
        self._ports.log.warning(
            "handoff.step_failed", step=step, issue=self._progress.issue_id, reason=message
        )
