"""What symphony shows inside every guest, as paths of the guest: its driver puts it there.

Pure names, so that rooms side by side agree on them without knowing each other.
"""

from typing import Final

GUEST_KIT: Final = "/run/symphony"
"""A folder of symphony's own programs, read-only."""

GUEST_SOCKET: Final = "/run/symphony-mcp/mcp.sock"
"""The socket that speaks MCP for this dispatch; beside the kit, since that is read-only."""

GUEST_MCP: Final = (
    "/bin/sh",
    f"{GUEST_KIT}/mcp",
)
"""The stdio MCP server: a relay to `GUEST_SOCKET`; its first argument names another socket."""

GUEST_LAUNCH: Final = f"{GUEST_KIT}/launch"
"""Starts a program with its variables, its folder and its mark."""

GUEST_END: Final = f"{GUEST_KIT}/end"
"""Ends every process that carries a mark."""

GUEST_DEMO: Final = f"{GUEST_KIT}/demo.pyz"
"""The demo agent in one file, for Python 3.9 or later."""
