"""What scripted agents do to the files of an engine's world in memory."""

from pathlib import Path
from typing import Any

from symphony.agent.script import Script, Work, mark_done, one_turn


def writes(world: Any, name: str = "fix.txt", content: bytes = b"fixed\n") -> Work:
    """A step in which the agent writes a file into its workspace, and does not commit it."""

    async def action(_: Any, cwd: Path) -> None:
        world.workspaces._folders[cwd.name].files[name] = content

    return Work(action)


def fixed_then_better(world: Any) -> tuple[Script, Script]:
    """Two attempts: one that fixes an issue, and a later one that does it well."""
    return (
        one_turn(writes(world), mark_done("Fix it", "First.")),
        one_turn(writes(world, content=b"better\n"), mark_done("Fix it well", "Second.")),
    )
