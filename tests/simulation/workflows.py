"""The WORKFLOW.md files of the simulation, valid and broken, parsed once for all seeds."""

from functools import cache
from pathlib import Path

from symphony.core.ports import Reloaded
from symphony.core.workflow import Workflow
from symphony.workflow.known import LastKnownGood, Reading, parse_reading

PATH = Path("/memory/WORKFLOW.md")
BUDGET = 1500  # tokens of one issue
TURN_COST = 400  # tokens that one turn takes at most

HEAD = """sandbox: local
acp: {adapter: demo, stall_timeout_ms: 300000}
"""
AGENT = "agent: {{max_concurrent_agents: {slots}, max_turns: 3, max_failures: 3{more}}}\n"
TAIL = "---\nDo {{ issue.title }}.\n"
HOOKS = "hooks: {after_create: setup, before_run: begin, after_run: publish, before_remove: clean}\n"
CHECKS = "checks: [{name: unit, run: unit, timeout_ms: 60000}]\n"
BY_STATE = ", max_concurrent_agents_by_state: {Todo: 1}"
SPARING = f", budget: {{tokens: {BUDGET}}}"


def text(slots: int, more: str = "", sections: str = "") -> str:
    """Return a valid workflow."""
    return f"---\n{HEAD}{AGENT.format(slots=slots, more=more)}{sections}{TAIL}"


VALID = (
    text(2, SPARING),
    text(1, SPARING, HOOKS),
    text(3, SPARING + BY_STATE, HOOKS + CHECKS),
    text(2, SPARING, CHECKS),
    text(3, SPARING + BY_STATE, "polling: {interval_ms: 15000}\n"),
)
CALM = text(2)
BROKEN = ("---\nagent: {max_turns: many}\n---\n", "---\nagent: {\n---\n", "---\nsandbox: local\n", "")


@cache
def reading_of(raw: str, known: bool) -> Reading:
    """Return what this text means."""
    return parse_reading(raw.encode(), PATH, {}, lambda _: False, known=known)


class WorkflowOnDisk:
    """The file, which outlives every process."""

    def __init__(self, raw: str) -> None:
        self.raw = raw


class WorkflowInUse:
    """One process's view of it; a `core.ports.WorkflowSource`."""

    path = PATH

    def __init__(self, disk: WorkflowOnDisk) -> None:
        self._disk = disk
        self._known = LastKnownGood()
        self._seen: str | None = None

    def start(self) -> Workflow:
        """Read it for the first time.

        Raises:
            WorkflowError: it is broken.
        """
        self._learn()
        return self._known.required()

    async def reload(self) -> Reloaded | None:
        """Read it if it changed."""
        return None if self._seen == self._disk.raw else self._learn()

    async def allow_host(self, host: str, *, write: bool = True) -> bool:
        """Say that there is nothing to do."""
        return False

    def _learn(self) -> Reloaded | None:
        self._seen = self._disk.raw
        return self._known.learn(reading_of(self._disk.raw, self._known.current is not None))
