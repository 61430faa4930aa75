"""A microVM as values: what an agent needs of it, what it refuses, what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret that the guest may use and never see.

    Attributes:
        name: the variable in the guest, which holds a placeholder.
        source: the variable that holds the value: of the host, or only of the engine's own process.
        hosts: where the engine puts the value in place of the placeholder, and nowhere else.
        value: a login's, which no variable of the host holds; never shown and never compared.
    """

    name: str
    source: str
    hosts: tuple[str, ...]
    value: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class GuestNeeds:
    """What an agent's program needs of the network.

    Attributes:
        hosts: names of its model's API.
        credentials: those that are there on the host.
        environment: what tells the program where its model is; no secrets.
    """

    hosts: tuple[str, ...] = ()
    credentials: tuple[Credential, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A connection that a guest tried and did not get.

    Attributes:
        host: the name, else the address, as the engine knows it.
        port: None for a name that was only looked up.
    """

    host: str
    port: int | None
    at: datetime


class MachineState(StrEnum):
    """What a machine does, in the engine's words."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MachineUsage:
    """What a machine costs the host at one moment.

    Attributes:
        memory_bytes: resident on the host.
        cpu_percent: of one core, since the last look.
    """

    name: str
    state: MachineState
    memory_bytes: int = 0
    cpu_percent: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
