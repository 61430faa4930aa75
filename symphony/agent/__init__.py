"""Agent programs over the Agent Client Protocol: adapters, the session, the demo agent."""

from symphony.agent.adapters import ADAPTERS, Adapter
from symphony.agent.bounds import Bounds
from symphony.agent.errors import AgentError, AgentRateLimited
from symphony.agent.registry import AcpAgents

__all__ = [
    "ADAPTERS",
    "AcpAgents",
    "Adapter",
    "AgentError",
    "AgentRateLimited",
    "Bounds",
]
