"""What a start does about effects that the last run had begun and not ended.

Every step of an attempt may be repeated, and is, by the attempt or the handoff that follows; only
the removal of a delivered workspace has nobody left to repeat it.
"""

from symphony.core.errors import SymphonyError
from symphony.core.outcome import Stopped, StopReason
from symphony.core.ports import Intent, Memory
from symphony.core.settings import Settings
from symphony.engine.ports import Ports

REPEATED = "the daemon ended in the middle of it; it is repeated from its beginning"
REMOVALS = frozenset({"remove_workspace", "discard_workspace"})


async def close_the_last_run(ports: Ports, memory: Memory, settings: Settings) -> None:
    """End in the store what the last run left open, and finish the removals that it had begun."""
    now = ports.clock.now
    for row in memory.interrupted:
        await ports.store.attempt_ended(row.id, now(), Stopped(StopReason.INTERRUPTED), row.turns, row.usage)
    for intent in memory.open_intents:
        result, reason = "undone", REPEATED
        if intent.action in REMOVALS:
            result, reason = await _finish_removal(ports, intent, settings)
        await ports.store.fulfil(intent.id, now(), result, {"reason": reason})
        ports.log.info("recovery", issue=intent.issue_id, action=intent.action, result=result, reason=reason)


async def _finish_removal(ports: Ports, intent: Intent, settings: Settings) -> tuple[str, str]:
    try:
        workspace = await ports.workspaces.find(intent.issue_id, settings)
        if workspace is not None:
            await ports.workspaces.remove(workspace, settings, {})
    except SymphonyError as error:
        ports.log.warning("recovery.failed", issue=intent.issue_id, reason=str(error))
        return "failed", str(error)
    return "done", "the workspace is gone"
