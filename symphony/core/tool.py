"""A tool that an agent may call over MCP, as a value [CONTRACT 6]."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OWN_TOOLS: Final = ("mark_done", "request_human_steering", "propose_issue", "transition")
"""Names that symphony keeps for itself, whatever a dispatch offers of them."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as `tools/list` shows it.

    Attributes:
        schema: JSON Schema of the arguments; closed, so that a misspelt one is seen.
    """

    name: str
    description: str
    schema: Mapping[str, Any]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the arguments, in the order of the schema."""
        return tuple(self.schema["properties"])
