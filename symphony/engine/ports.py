"""All that an attempt needs of the rooms below, in one value."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from symphony.core.forge import ForgeKind
from symphony.core.ports import (
    Agents,
    Clock,
    Forge,
    Host,
    HostCommands,
    McpGate,
    Meter,
    Meters,
    Prompts,
    RunLogs,
    SandboxDriver,
    Store,
    Tracker,
    Workspaces,
)
from symphony.core.settings import Settings


class Log(Protocol):
    """The daemon's structured log: an event's name and its fields."""

    def info(self, event: str, **fields: Any) -> None:
        """Note something that happened as it should."""
        ...

    def warning(self, event: str, **fields: Any) -> None:
        """Note something that a person may have to look at."""
        ...

    def error(self, event: str, **fields: Any) -> None:
        """Note something that is broken."""
        ...


@dataclass(frozen=True)
class Ports:
    """The engine's surroundings; the composition root fills it.

    Attributes:
        driver_of: settings' sandbox name to its driver.
        labels: of this installation, on every sandbox.
        host: asked for its memory where the sandbox is a microVM, and for its disks.
        disk_places: where attempts write with these settings, on the host.
        commands: runs the workflow's own tools.
        forge_of: a forge's kind to its driver.
        meter: told of what is done and how long it takes.
        train_turn: held by the one attempt that boards the merge train.
    """

    clock: Clock
    store: Store
    tracker: Tracker
    workspaces: Workspaces
    driver_of: Callable[[str], SandboxDriver]
    agents: Agents
    gate: McpGate
    run_logs: RunLogs
    prompts: Prompts
    log: Log
    labels: Mapping[str, str]
    host: Host
    commands: HostCommands
    forge_of: Callable[[ForgeKind], Forge]
    meter: Meter = Meters()
    disk_places: Callable[[Settings], Sequence[Path]] = lambda settings: (settings.workspace.root,)
    train_turn: asyncio.Lock = field(default_factory=asyncio.Lock)
