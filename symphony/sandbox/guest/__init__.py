"""The guest kit: the programs that symphony shows inside every guest.

A machine's driver writes the kit with `write_guest_kit`, mounts it at `core.guest.GUEST_KIT`, and
starts and ends programs with the commands of `commands`. Nothing here runs a program itself.
"""

from symphony.core.guest import GUEST_DEMO, GUEST_END, GUEST_KIT, GUEST_LAUNCH, GUEST_MCP, GUEST_SOCKET
from symphony.sandbox.guest.commands import (
    GO,
    STDIN_VARIABLES,
    LaunchFailure,
    end_command,
    launch_command,
    launch_failure,
    variables_text,
)
from symphony.sandbox.guest.kit import write_guest_kit

__all__ = [
    "GO",
    "GUEST_DEMO",
    "GUEST_END",
    "GUEST_KIT",
    "GUEST_LAUNCH",
    "GUEST_MCP",
    "GUEST_SOCKET",
    "STDIN_VARIABLES",
    "LaunchFailure",
    "end_command",
    "launch_command",
    "launch_failure",
    "variables_text",
    "write_guest_kit",
]
