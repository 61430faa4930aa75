"""The project's own checks, which decide whether `mark_done` counts [CONTRACT 2.3, 6.2]."""

from symphony.core.claim import Phase
from symphony.core.ports import HookResult, Sandbox, Workspace
from symphony.engine.context import AttemptContext

OUTPUT_BYTES = 65_536  # as much as a hook's; enough for a person and for the next prompt


async def failed_checks(
    context: AttemptContext, sandbox: Sandbox, workspace: Workspace
) -> tuple[HookResult, ...]:
    """Run all checks where the agent runs, and return those that failed."""
    failed = []
    for check in context.settings.checks:
        context.progress.enter(Phase.CHECKS)
        began = context.ports.clock.now()
        ran = await sandbox.run(
            ["sh", "-c", f"exec 2>&1\n{check.run}"],
            cwd=workspace.path,
            timeout_s=check.timeout_ms / 1000,
            output_limit=OUTPUT_BYTES,
        )
        seconds = (context.ports.clock.now() - began).total_seconds()
        output = ran.stdout.decode("utf-8", "replace")
        result = HookResult(check.name, ran.exit_status, output, seconds)
        context.log_hook(result)
        if not result.ok:
            failed.append(result)
    return tuple(failed)
