"""States and their roles: what a folder's name means to the scheduler [CONTRACT 2.3, 3.1]."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class StateRole(StrEnum):
    """What the scheduler does with issues in a state."""

    ACTIVE = "active"
    HOLDING = "holding"
    TERMINAL = "terminal"


@lru_cache(maxsize=1024)  # asked for every issue at every decision, of a handful of names
def state_key(name: str) -> str:
    """Return the form in which state names are compared: no case, no outer spaces."""
    return name.strip().casefold()


@dataclass(frozen=True, slots=True)
class StateTable:
    """The configured states in workflow order.

    Attributes:
        names: as written in the workflow, in order.
        roles: by `state_key`; a folder that is not in it is holding.
    """

    names: tuple[str, ...]
    roles: Mapping[str, StateRole]

    @classmethod
    def of(cls, roles: Iterable[tuple[str, StateRole]]) -> "StateTable":
        """Build the table; a later duplicate of a name is ignored."""
        names: dict[str, str] = {}
        table: dict[str, StateRole] = {}
        for name, role in roles:
            if names.setdefault(state_key(name), name) == name:
                table.setdefault(state_key(name), role)
        return cls(tuple(names.values()), table)

    def role(self, state: str) -> StateRole:
        """Return the role of a state; an unknown one is holding."""
        return self.roles.get(state_key(state), StateRole.HOLDING)

    def is_active(self, state: str) -> bool:
        """Say whether issues in this state may run."""
        return self.role(state) is StateRole.ACTIVE

    def is_terminal(self, state: str) -> bool:
        """Say whether issues in this state are finished."""
        return self.role(state) is StateRole.TERMINAL

    def with_role(self, role: StateRole) -> tuple[str, ...]:
        """Return the names with this role, in workflow order."""
        return tuple(name for name in self.names if self.roles[state_key(name)] is role)

    def done(self) -> str:
        """Return the terminal state of finished work: `Done` if there is one, else the first."""
        terminal = self.with_role(StateRole.TERMINAL)
        return next((name for name in terminal if state_key(name) == "done"), terminal[0])

    def canonical(self, state: str) -> str | None:
        """Return the configured spelling of a state name, or None if it is not configured."""
        wanted = state_key(state)
        return next((name for name in self.names if state_key(name) == wanted), None)
