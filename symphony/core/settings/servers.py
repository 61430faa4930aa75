"""Further MCP servers of a session."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from symphony.core.settings.base import Section, Words


class NamedValue(Section):
    """A name with its value, as ACP writes variables and headers."""

    name: str
    """The name."""

    value: str
    """The value; `${env:X}` in it is X of symphony's own environment."""


def _pairs(value: Any) -> Any:
    """Accept a map from names to texts as well."""
    if isinstance(value, dict) and all(isinstance(text, str) for text in value.values()):
        return tuple({"name": name, "value": text} for name, text in value.items())
    return tuple(value) if isinstance(value, list) else value


Pairs = Annotated[tuple[NamedValue, ...], BeforeValidator(_pairs), Field(strict=False)]


class McpServerSettings(Section):
    """One more MCP server: a program that the agent starts, or a URL. `${env:X}` counts in every value."""

    name: str
    """What the agent calls it: letters, digits, `_` and `-`."""

    type: Literal["stdio", "http", "sse"] | None = None
    """How it is reached; null is stdio with a command and http with a url."""

    command: str | None = None
    """The program, started where the agent runs."""

    args: Words = ()
    """Its arguments."""

    env: Pairs = ()
    """Its variables: a map, or a list of name and value."""

    url: str | None = None
    """Where it listens. A machine's network is opened to its host."""

    headers: Pairs = ()
    """Headers of each request: a map, or a list of name and value."""

    @property
    def transport(self) -> str:
        """How it is reached: stdio, http or sse."""
        return self.type or ("stdio" if self.url is None else "http")
