"""What an agent's tool calls and its work are looked through for, and what follows."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from symphony.core.settings.base import Section, Words


def _mode(value: Any) -> Any:
    return "off" if value is False else value  # which is how YAML reads `off`


class GuardSettings(Section):
    """Guard rails on tool calls and on what is handed over."""

    mode: Annotated[Literal["warn", "block", "off"], BeforeValidator(_mode)] = "warn"
    """warn: what is found is shown. block: what the agent asks permission for is refused, and a command
    that destroys and runs already ends its turn. off: nothing is looked at."""

    allow: Annotated[Words, Field(examples=[["tests/fixtures/*", "json-web-token"]])] = ()
    """Names of rules and paths of files that are no finding; `*` is any text, `?` any character."""
