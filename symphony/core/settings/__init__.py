"""Everything WORKFLOW.md can say, as frozen values [CONTRACT 2.3].

The reference page WORKFLOW.template.md is generated from these models, so each field's
docstring is what users read. Nothing here reads a file or the environment: paths and
`$VAR` values are resolved by the loader before the models see them.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from symphony.core.settings.agent import AcpSettings, AgentSettings, Budget, PermissionRule
from symphony.core.settings.base import AsTuple, Section
from symphony.core.settings.guard import GuardSettings
from symphony.core.settings.merge_train import MergeTrainSettings
from symphony.core.settings.pull_requests import PullRequestsSettings
from symphony.core.settings.retention import RetentionSettings
from symphony.core.settings.sandbox import Egress, SmolvmSettings, Volume
from symphony.core.settings.server import McpSettings, NotifySettings, ServerSettings
from symphony.core.settings.servers import McpServerSettings
from symphony.core.settings.tools import ToolSettings
from symphony.core.settings.tracker import PollingSettings, StateSettings, TrackerSettings
from symphony.core.settings.workspace import Check, Checks, HandoffSettings, HooksSettings, WorkspaceSettings
from symphony.core.states import StateRole, StateTable, state_key

__all__ = [
    "AcpSettings",
    "AgentSettings",
    "Budget",
    "Check",
    "Egress",
    "GuardSettings",
    "HandoffSettings",
    "HooksSettings",
    "McpServerSettings",
    "McpSettings",
    "MergeTrainSettings",
    "NotifySettings",
    "PermissionRule",
    "PollingSettings",
    "PullRequestsSettings",
    "RetentionSettings",
    "ServerSettings",
    "Settings",
    "SmolvmSettings",
    "StateSettings",
    "ToolSettings",
    "TrackerSettings",
    "Volume",
    "WorkspaceSettings",
]


PROPOSED = "Proposed"


TOOLS_EXAMPLE = [
    {
        "name": "ticket",
        "description": "Return a ticket of the tracker as JSON. Call it when the issue names one.",
        "input": {
            "properties": {"key": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"}},
            "required": ["key"],
        },
        "argv": ["scripts/ticket", "--json", "--", "{key}"],
        "env": {"TRACKER_TOKEN": "${env:TRACKER_TOKEN}"},
        "timeout_ms": 20_000,
        "output_limit_bytes": 16_384,
        "states": ["Todo"],
    }
]


NOTIFY_EXAMPLE = [
    {"kind": "webhook", "target": "$SYMPHONY_WEBHOOK", "secret": "$SYMPHONY_WEBHOOK_SECRET"},
    {"kind": "command", "target": 'notify-send "$SYMPHONY_IDENTIFIER" "$SYMPHONY_TEXT"'},
]


class Settings(Section):
    """The whole front matter."""

    tracker: TrackerSettings = TrackerSettings()
    """Where issues live."""

    states: Annotated[
        Mapping[str, StateSettings] | None,
        Field(
            examples=[
                {
                    "Backlog": {"role": "holding"},
                    "Todo": {
                        "role": "active",
                        "adapter": "claude",
                        "allowed_transitions": ["Review", "Backlog"],
                        "checks": [{"name": "tests", "run": "scripts/test"}],
                    },
                    "Review": {
                        "role": "active",
                        "adapter": "codex",
                        "model": "gpt-5",
                        "effort": "high",
                        "max_turns": 5,
                        "max_concurrent": 1,
                        "allowed_transitions": ["Todo", "Done"],
                        "hooks": {"before_run": "git log --oneline -5"},
                    },
                    "Done": {"role": "terminal"},
                }
            ]
        ),
    ] = None
    """States with their own roles and settings; replaces the tracker's two lists. In a state, an
    absent key inherits the workflow's value, and an explicit null clears it. In the example one agent
    implements, another reviews, sends back or finishes: see docs/states.md."""

    polling: PollingSettings = PollingSettings()
    """The safety net behind file watching."""

    workspace: WorkspaceSettings = WorkspaceSettings()
    """One git clone per issue."""

    hooks: HooksSettings = HooksSettings()
    """Shell commands around an attempt."""

    agent: AgentSettings = AgentSettings()
    """How many, how long, how often."""

    acp: AcpSettings = AcpSettings()
    """The agent program."""

    sandbox: Literal["smolvm", "local"] = "smolvm"
    """smolvm: a microVM per issue. local: a plain process of this machine, not isolated."""

    smolvm: SmolvmSettings = SmolvmSettings()
    """The microVM."""

    checks: Annotated[
        Checks,
        AsTuple,
        Field(examples=[[{"name": "tests", "run": "scripts/test", "timeout_ms": 600_000}]]),
    ] = ()
    """Commands that must pass before `mark_done` counts."""

    tools: Annotated[tuple[ToolSettings, ...], AsTuple, Field(strict=False, examples=[TOOLS_EXAMPLE])] = ()
    """Small commands of this machine that agents may call as tools, run in the folder of this file."""

    guard: GuardSettings = GuardSettings()
    """What the agent's tool calls and its work are looked through for. `guard: block` is short for
    `guard: {mode: block}`."""

    handoff: HandoffSettings = HandoffSettings()
    """What a finished issue becomes."""

    pull_requests: PullRequestsSettings = PullRequestsSettings()
    """The way back from a pull request: what is said there reaches the agent."""

    merge_train: MergeTrainSettings = MergeTrainSettings()
    """Whether finished branches are merged one after another, each checked on top of the one before."""

    retention: RetentionSettings = RetentionSettings()
    """What stays on the disk, and for how long. What was not handed over stays whatever is set here."""

    server: ServerSettings = ServerSettings()
    """The listener."""

    mcp: McpSettings = McpSettings()
    """The agents' endpoint."""

    notify: Annotated[
        tuple[NotifySettings, ...],
        AsTuple,
        Field(strict=False, examples=[NOTIFY_EXAMPLE]),
    ] = ()
    """Who is told when an issue needs a person."""

    def state_table(self) -> StateTable:
        """Return the configured states with their roles, in workflow order.

        Where none is holding, `Proposed` is: what agents propose has to rest somewhere.
        """
        if self.states is not None:
            roles = [(name, state.role) for name, state in self.states.items()]
        else:
            roles = [(name, StateRole.ACTIVE) for name in self.tracker.active_states]
            roles += [(name, StateRole.TERMINAL) for name in self.tracker.terminal_states]
        if all(role is not StateRole.HOLDING for _, role in roles):
            roles.append((PROPOSED, StateRole.HOLDING))
        return StateTable.of(roles)

    def in_state(self, state: str) -> "Settings":
        """Return the settings as they hold for an issue in this state.

        An absent key inherits; an explicit null clears [CONTRACT 2.3]. Of the tools those are left
        that are offered in it.
        """
        settings = self._with_values_of(state)
        tools = tuple(tool for tool in settings.tools if tool.offered_in(state))
        return settings if len(tools) == len(settings.tools) else settings.model_copy(update={"tools": tools})

    def _with_values_of(self, state: str) -> "Settings":
        chosen = next(
            (value for name, value in (self.states or {}).items() if state_key(name) == state_key(state)),
            None,
        )
        if chosen is None:
            return self
        given = chosen.model_fields_set
        acp: dict[str, object] = {
            key: getattr(chosen, key) for key in ("command", "model", "effort", "mode") if key in given
        }
        if "adapter" in given:
            acp["adapter"] = adapter = chosen.adapter or AcpSettings().adapter
            if adapter != self.acp.adapter:
                acp.setdefault("command", None)  # it starts the workflow's own agent, not this one
        changes: dict[str, object] = {"acp": self.acp.model_copy(update=acp)}
        if "max_turns" in given:
            turns = chosen.max_turns or AgentSettings().max_turns
            changes["agent"] = self.agent.model_copy(update={"max_turns": turns})
        if "hooks" in given:
            changes["hooks"] = chosen.hooks or HooksSettings()
        if "checks" in given:
            changes["checks"] = chosen.checks or ()
        return self.model_copy(update=changes)

    def slots_in_state(self, state: str) -> int | None:
        """Return the most attempts at once on issues in this state; None is no limit of its own."""
        wanted = state_key(state)
        limits = [
            limit
            for name, limit in self.agent.max_concurrent_agents_by_state.items()
            if state_key(name) == wanted
        ]
        limits += [
            value.max_concurrent
            for name, value in (self.states or {}).items()
            if state_key(name) == wanted and value.max_concurrent is not None
        ]
        return min(limits, default=None)
