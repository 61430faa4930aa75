"""What the listener needs of the daemon, in one value."""

from dataclasses import dataclass

from symphony.core.operations import AgentDoor, Operations


@dataclass(frozen=True, slots=True)
class Surface:
    """The daemon as people and agents reach it over HTTP.

    Attributes:
        operations: commands of people and questions about what is.
        door: what agents call.
    """

    operations: Operations
    door: AgentDoor
