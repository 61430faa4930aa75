"""Model, effort and mode of a session, chosen among what the agent offers [ACP configOptions].

Called by the session once it is open; needs nothing of the SDK but its answers as values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODEL = ("model",)
MODE = ("mode",)
EFFORT = ("thought_level", "effort", "reasoning_effort")


@dataclass(frozen=True, slots=True)
class Offer:
    """One option of the session and the values that it may take, in the agent's order.

    Attributes:
        values: by value, the name that the agent shows for it.
    """

    id: str
    current: str
    values: Mapping[str, str]

    def match(self, wanted: str) -> str | None:
        """Return the value for what a user wrote: its id, or its name in any case."""
        if wanted in self.values:
            return wanted
        key = wanted.strip().casefold()
        return next(
            (
                value
                for value, name in self.values.items()
                if key in (value.casefold(), name.strip().casefold())
            ),
            None,
        )


def find_offer(options: Sequence[Mapping[str, Any]] | None, names: Iterable[str]) -> Offer | None:
    """Return the first select option whose category or id is one of the names."""
    for name in names:
        for option in options or ():
            if option.get("type") == "select" and name in (option.get("category"), option.get("id")):
                return Offer(option["id"], option["currentValue"], _values(option["options"]))
    return None


def offers_of(options: Sequence[Mapping[str, Any]] | None) -> dict[str, tuple[str, ...]]:
    """Return the names that may be asked for, by choice: each value, and what it is called beside that."""
    found = {
        what: find_offer(options, names)
        for what, names in (("model", MODEL), ("effort", EFFORT), ("mode", MODE))
    }
    return {
        what: tuple(dict.fromkeys(name for pair in offer.values.items() for name in pair))
        for what, offer in found.items()
        if offer is not None
    }


def _values(options: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the values of a flat list or of one in groups."""
    values: dict[str, str] = {}
    for option in options:
        if "group" in option:
            values |= _values(option["options"])
        else:
            values[option["value"]] = option["name"]
    return values
