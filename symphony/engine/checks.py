"""The project's own checks, which decide whether `mark_done` counts [CONTRACT 2.3, 6.2].

They run where the agent runs, in a clean checkout of what was imported: they see nothing that is not
on the branch, and what they write is in nobody's way.
"""

from symphony.core.best import Checked
from symphony.core.claim import Phase
from symphony.core.errors import SymphonyError
from symphony.core.handoff import Imported
from symphony.core.ports import Checkouts, HookResult, Sandbox
from symphony.engine.context import AttemptContext

OUTPUT_BYTES = 65_536  # as much as a hook's; enough for a person and for the next prompt


async def run_checks(
    context: AttemptContext,
    sandbox: Sandbox,
    checkouts: Checkouts | None,
    imported: Imported,
    *,
    merged: bool = False,
) -> tuple[HookResult, ...]:
    """Run all checks on an imported commit, or on one that was `merged` of it, and return how each ended.

    Raises:
        SymphonyError: `workspace.*`, `sandbox.*`: they could not be run.
    Cancellation: the check that runs is ended.
    """
    if checkouts is None or not context.settings.checks:
        return ()
    results = []
    async with checkouts.checkout(imported, sandbox) as folder:
        for check in context.settings.checks:
            context.progress.enter(Phase.CHECKS)
            began = context.ports.clock.now()
            ran = await sandbox.run(
                ["sh", "-c", f"exec 2>&1\n{check.run}"],
                cwd=folder,
                timeout_s=check.timeout_ms / 1000,
                output_limit=OUTPUT_BYTES,
            )
            seconds = (context.ports.clock.now() - began).total_seconds()
            output = ran.stdout.decode("utf-8", "replace")
            result = HookResult(check.name, ran.exit_status, output, seconds)
            context.log_hook(result)
            results.append(result)
    failing = tuple(result.name for result in results if not result.ok)
    if failing and not merged:
        await _keep_if_best(context, imported, failing)
    return tuple(results)


async def _keep_if_best(context: AttemptContext, imported: Imported, failing: tuple[str, ...]) -> None:
    """Keep the work on a ref if fewer checks fail than ever before; that it cannot be is only said."""
    total, number, at = len(context.settings.checks), context.start.number, context.ports.clock.now()
    checked = Checked(imported.head_commit, failing, total, number, at, not imported.saved_uncommitted)
    try:
        await context.ports.workspaces.bests.keep(context.issue_id, checked)
    except SymphonyError as error:
        context.progress.run_log.append("problem", step="keep_best", message=str(error))
