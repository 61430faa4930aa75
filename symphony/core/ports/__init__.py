"""What the engine needs of the rooms below it, as Protocols with values only.

Each port has one contract suite in `tests/contract` that every driver of it passes.
"""

from symphony.core.ports.agents import Agents, Session
from symphony.core.ports.clock import Clock
from symphony.core.ports.commands import HostCommands
from symphony.core.ports.forge import Forge
from symphony.core.ports.host import Host
from symphony.core.ports.meter import Meter, Meters
from symphony.core.ports.notifier import Notifier
from symphony.core.ports.reports import AgentReports, McpAccess, McpGate
from symphony.core.ports.retention import Storage
from symphony.core.ports.reviews import Reviews
from symphony.core.ports.run_log import RunLog, RunLogs
from symphony.core.ports.sandbox import Machine, Process, RunResult, Sandbox, SandboxDriver, SandboxSpec
from symphony.core.ports.store import AttemptRow, Changes, Intent, Memory, Store, StoreExchange
from symphony.core.ports.tracker import Tracker
from symphony.core.ports.train import Train
from symphony.core.ports.workflow import Earlier, Prompts, Reloaded, WorkflowSource
from symphony.core.ports.workspaces import BestStates, Checkouts, HookResult, Workspace, Workspaces

__all__ = [
    "AgentReports",
    "Agents",
    "AttemptRow",
    "BestStates",
    "Changes",
    "Checkouts",
    "Clock",
    "Earlier",
    "Forge",
    "HookResult",
    "Host",
    "HostCommands",
    "Intent",
    "Machine",
    "McpAccess",
    "McpGate",
    "Memory",
    "Meter",
    "Meters",
    "Notifier",
    "Process",
    "Prompts",
    "Reloaded",
    "Reviews",
    "RunLog",
    "RunLogs",
    "RunResult",
    "Sandbox",
    "SandboxDriver",
    "SandboxSpec",
    "Session",
    "Storage",
    "Store",
    "StoreExchange",
    "Tracker",
    "Train",
    "WorkflowSource",
    "Workspace",
    "Workspaces",
]
