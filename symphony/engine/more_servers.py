"""The further MCP servers that an attempt's session is offered, with their secrets where they may go."""

from collections.abc import Mapping
from typing import Final

from symphony.core.agent import McpServer
from symphony.core.errors import SymphonyError
from symphony.core.machine import GuestNeeds
from symphony.core.ports import Sandbox
from symphony.core.session_servers import guest_faults, resolved, with_servers
from symphony.engine.context import AttemptContext

LOOK_BOUND_S: Final = 30.0  # for a machine that is just waking up to print a variable


class ServerRefused(SymphonyError):
    """A server that cannot be given to this attempt's agent."""

    code = "agent.mcp_server_invalid"


async def more_servers(context: AttemptContext, sandbox: Sandbox) -> tuple[McpServer, ...]:
    """Return the servers of `acp.mcp_servers`; in a machine with placeholders for secrets.

    Raises:
        ServerRefused: an agent in a machine would hold a secret of the host.
    """
    servers = context.settings.acp.mcp_servers
    values = context.workflow.variables
    if sandbox.machine is not None:
        values = await _guest_values(context, sandbox)
    return tuple(resolved(server, values) for server in servers)


async def _guest_values(context: AttemptContext, sandbox: Sandbox) -> Mapping[str, str]:
    settings, real = context.settings, context.workflow.variables
    for _, message in guest_faults(settings):
        raise ServerRefused(
            f"`acp.mcp_servers` cannot be used in a machine: {message}",
            remedy="Correct it in WORKFLOW.md.",
        )
    values = {name: value for name, value in real.items() if name in settings.smolvm.forward_env}
    for credential in with_servers(GuestNeeds(), settings).credentials:
        ran = await sandbox.run(["printenv", credential.name], timeout_s=LOOK_BOUND_S, output_limit=4_096)
        placeholder = ran.stdout.decode("utf-8", "replace").strip()
        if ran.exit_status != 0 or not placeholder or placeholder == real[credential.source]:
            raise ServerRefused(
                f"The machine has no placeholder for {credential.source}, which a header of "
                "`acp.mcp_servers` names, so its server was not offered.",
                code="agent.mcp_no_placeholder",
                remedy=f"Look whether the machine has {credential.name}, or take the server out.",
            )
        values[credential.source] = placeholder
    return values
