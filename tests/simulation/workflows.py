"""The WORKFLOW.md files of the simulation, valid and broken, parsed once for all seeds."""

from functools import cache
from pathlib import Path

from symphony.core.ports import Reloaded
from symphony.core.workflow import Workflow
from symphony.workflow.known import LastKnownGood, Reading, parse_reading

PATH = Path("/memory/WORKFLOW.md")
BUDGET = 1500  # tokens of one issue
TURN_COST = 400  # tokens that one turn takes at most

HEAD = """sandbox: {sandbox}
acp: {{adapter: demo, stall_timeout_ms: 300000, permission: {permission}}}
"""
AGENT = "agent: {{max_concurrent_agents: {slots}, max_turns: 3, max_failures: 3{more}}}\n"
TAIL = "---\nDo {{ issue.title }}.\n"
HOOKS = "hooks: {after_create: setup, before_run: begin, after_run: publish, before_remove: clean}\n"
CHECKS = "checks: [{name: unit, run: unit, timeout_ms: 60000}]\n"
PULL_REQUESTS = "handoff: {repo: owner/name, labels: [agent]}\n"
NOTIFY = "notify: [{kind: command, target: tell}]\n"
STATES = """states:
  Backlog: {role: holding}
  Todo: {role: active, max_turns: 1, checks: [{name: unit, run: unit}]}
  In Progress: {role: active, max_concurrent: 1, hooks: {before_run: begin}}
  Done: {role: terminal}
  Cancelled: {role: terminal}
"""
PASSES = 2  # moves by agents with no person in between
TWO_AGENTS = """states:
  Todo: {role: active, allowed_transitions: [In Progress, Backlog]}
  In Progress: {role: active, adapter: codex, allowed_transitions: [Todo, Done, Backlog]}
  Backlog: {role: holding}
  Done: {role: terminal}
  Cancelled: {role: terminal}
"""
SELDOM = f", max_transitions: {PASSES}"
BY_STATE = ", max_concurrent_agents_by_state: {Todo: 1}"
SPARING = f", budget: {{tokens: {BUDGET}}}"
FINISHED = frozenset({"Done", "Cancelled"})
TRAIN = "merge_train: {branch: train}\n"
QUICK_POLLS = "polling: {interval_ms: 15000}\n"


def text(
    slots: int, more: str = "", sections: str = "", sandbox: str = "local", permission: str = "ask"
) -> str:
    """Return a valid workflow."""
    head = HEAD.format(sandbox=sandbox, permission=permission)
    return f"---\n{head}{AGENT.format(slots=slots, more=more)}{sections}{TAIL}"


VALID = (
    text(2, SPARING),
    text(1, SPARING, HOOKS, permission="deny"),
    text(3, SPARING + BY_STATE, HOOKS + CHECKS),
    text(2, SPARING, CHECKS + NOTIFY),
    text(3, SPARING + BY_STATE, QUICK_POLLS + PULL_REQUESTS),
    text(2, SPARING, NOTIFY, sandbox="smolvm"),
    text(3, SPARING, HOOKS + CHECKS + PULL_REQUESTS, sandbox="smolvm"),
    text(2, SPARING + SELDOM, STATES + NOTIFY),
    text(2, SPARING, "guard: block\n", permission="allow"),
    text(2, SPARING + SELDOM, TWO_AGENTS),
    text(3, SPARING + SELDOM, TWO_AGENTS + HOOKS + CHECKS, sandbox="smolvm"),
    text(2, SPARING, TRAIN),
    text(3, SPARING, TRAIN + CHECKS),
    text(3, SPARING + BY_STATE, TRAIN + CHECKS + HOOKS, permission="allow"),
    text(3, SPARING, TRAIN + CHECKS + PULL_REQUESTS, sandbox="smolvm"),
    text(2, SPARING + SELDOM, TRAIN + STATES + NOTIFY),
    text(3, SPARING + SELDOM, TRAIN + TWO_AGENTS + CHECKS),
    text(3, SPARING, TRAIN + CHECKS + "handoff: {mode: none}\nguard: block\n", permission="allow"),
)
CALM = (
    text(2, permission="allow"),
    text(2, permission="allow", sections=TRAIN),
    text(3, permission="allow", sections=TRAIN + CHECKS),
)
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
