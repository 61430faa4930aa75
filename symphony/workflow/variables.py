"""`$VAR` in the front matter [CONTRACT 2.2]: it counts only when it is a whole value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from symphony.workflow.document import SURROGATE, Document, KeyPath

VARIABLE = re.compile(r"\$([A-Z_][A-Z0-9_]*)\Z")


@dataclass(slots=True)
class Resolved:
    """Which values came from the environment.

    Attributes:
        names: key path to the variable's name.
        values: key path to the variable's value.
    """

    names: dict[KeyPath, str] = field(default_factory=dict)
    values: dict[KeyPath, str] = field(default_factory=dict)


def resolve_variables(document: Document, environ: Mapping[str, str]) -> Resolved:
    """Replace each `$VAR` in the document; an unset or empty one becomes a problem of its key."""
    resolved = Resolved()

    def walk(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, number)) for number, item in enumerate(value)]
        match = VARIABLE.match(value) if isinstance(value, str) else None
        if match is None:
            return value
        name = match.group(1)
        state = _wrong(name, environ)
        if state:
            message = f"the variable ${name} is {state}; set it, or write the value here."
            document.problems.append((path, message))
            return value
        resolved.names[path] = name
        resolved.values[path] = environ[name]
        return environ[name]

    document.values = walk(document.values, ())
    return resolved


def _wrong(name: str, environ: Mapping[str, str]) -> str | None:
    value = environ.get(name)
    if value is None:
        return "not set"
    if not value:
        return "empty"
    return "not valid UTF-8" if SURROGATE.search(value) else None
