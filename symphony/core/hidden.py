"""Which settings are credentials: their values are shown nowhere, wherever they came from."""

from collections.abc import Iterator, Mapping
from typing import Any

from symphony.core.redaction import SECRET_KEYS, SHORTEST_SECRET
from symphony.core.settings.base import Section
from symphony.core.workflow import Workflow

HIDDEN_KEYS = SECRET_KEYS | {"token", "headers", "env"}


def is_hidden(key: object) -> bool:
    """Say whether what stands under a key of the settings may be a credential."""
    return str(key).lower() in HIDDEN_KEYS


def hidden_values(value: Any, *, hidden: bool = False) -> Iterator[str]:
    """Yield every text under a hidden key; in a list of names with values, the values alone."""
    match value:
        case Section():
            names = type(value).model_fields
            pair = hidden and {"name", "value"} <= names.keys()
            items = ((name, getattr(value, name)) for name in names if name == "value" or not pair)
            for key, item in items:
                yield from hidden_values(item, hidden=hidden or is_hidden(key))
        case Mapping():
            only = {"value"} if hidden and {"name", "value"} <= value.keys() else value.keys()
            for key in only:
                yield from hidden_values(value[key], hidden=hidden or is_hidden(key))
        case list() | tuple():
            for item in value:
                yield from hidden_values(item, hidden=hidden)
        case str() if hidden and len(value) >= SHORTEST_SECRET:
            yield value


def secrets_of(workflow: Workflow) -> frozenset[str]:
    """Return the credentials that a workflow holds, from the environment and written out."""
    return workflow.secrets | frozenset(hidden_values(workflow.settings))
