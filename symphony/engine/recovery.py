"""What a start does about effects that the last run had begun and not ended.

Every step of an attempt may be repeated, and is, by the attempt or the handoff that follows; only
what comes after a finished handoff has nobody left to repeat it.
"""

from symphony.core.errors import SymphonyError
from symphony.core.outcome import Stopped, StopReason
from symphony.core.ports import Intent, Memory
from symphony.core.workflow import Workflow
from symphony.engine.environment import attempt_environment
from symphony.engine.ports import Ports
from symphony.engine.tracking import Tracking

REPEATED = "the daemon ended in the middle of it; it is repeated from its beginning"
REMOVALS = frozenset({"clean_up", "discard_workspace"})


class Recovery:
    """Closes what the last run left open."""

    def __init__(self, ports: Ports, tracking: Tracking, memory: Memory, workflow: Workflow) -> None:
        self._ports = ports
        self._tracking = tracking
        self._memory = memory
        self._workflow = workflow

    async def run(self) -> None:
        """End the last run's attempts and intents in the store, and finish its removals."""
        store, now = self._ports.store, self._ports.clock.now
        for row in self._memory.interrupted:
            await store.attempt_ended(row.id, now(), Stopped(StopReason.INTERRUPTED), row.turns, row.usage)
        for intent in self._memory.open_intents:
            result, reason = "undone", REPEATED
            if intent.action in REMOVALS:
                result, reason = await self._finish_removal(intent)
            await store.fulfil(intent.id, now(), result, {"reason": reason})
            self._ports.log.info(
                "recovery", issue=intent.issue_id, action=intent.action, result=result, reason=reason
            )

    async def _finish_removal(self, intent: Intent) -> tuple[str, str]:
        record = self._memory.records.get(intent.issue_id)
        attempts = await self._ports.store.attempts_of(intent.issue_id)
        if record is not None and record.completion is not None:
            return "undone", "its work is not handed over yet"
        if attempts and attempts[-1].id != intent.attempt_id and intent.attempt_id:
            return "undone", "the workspace belongs to a later attempt"
        settings = self._workflow.settings
        try:
            workspace = await self._ports.workspaces.find(intent.issue_id, settings)
            if workspace is not None:
                issue = self._tracking.latest.get(intent.issue_id)
                environment = (
                    attempt_environment(issue, len(attempts), self._workflow, workspace) if issue else {}
                )
                await self._ports.workspaces.remove(workspace, settings, environment)
        except SymphonyError as error:
            return "failed", str(error)
        return "done", "the workspace is gone"
