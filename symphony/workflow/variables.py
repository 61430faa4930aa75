"""`$VAR` in the front matter [CONTRACT 2.2], which counts only when it is a whole value, and
`${env:VAR}` in what is given to other programs, which counts anywhere and stays a reference.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from symphony.core.references import references_in
from symphony.workflow.document import SURROGATE, Document, KeyPath

VARIABLE = re.compile(r"\$([A-Z_][A-Z0-9_]*)\Z")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BROKEN_REFERENCE = re.compile(r"\$\{env:(?![A-Za-z_][A-Za-z0-9_]*\})")


@dataclass(slots=True)
class Resolved:
    """Which values came from the environment.

    Attributes:
        names: key path to the variable's name.
        values: key path to the variable's value.
        references: value of each variable that a setting refers to and does not hold.
    """

    names: dict[KeyPath, str] = field(default_factory=dict)
    values: dict[KeyPath, str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)


def resolve_variables(document: Document, environ: Mapping[str, str]) -> Resolved:
    """Replace each `$VAR` in the document; an unset or empty one becomes a problem of its key.

    Where `${env:VAR}` counts, both are left as references.
    """
    resolved = Resolved()

    def walk(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, number)) for number, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        match = VARIABLE.match(value)
        if match is None:
            if refers(path):
                _note_references(value, path, environ, document, resolved)
            return value
        name = match.group(1)
        state = _wrong(name, environ)
        if state:
            message = f"the variable ${name} is {state}; set it, or write the value here."
            document.problems.append((path, message))
            return value
        if refers(path):
            resolved.references[name] = environ[name]
            return f"${{env:{name}}}"
        resolved.names[path] = name
        resolved.values[path] = environ[name]
        return environ[name]

    document.values = walk(document.values, ())
    return resolved


def refers(path: KeyPath) -> bool:
    """Say whether `${env:VAR}` counts in a value at this place."""
    match path:
        case ("acp", "mcp_servers", int(), *_):
            return True
        case ("tools", int(), "env", *_):
            return True
        case _:
            return False


def _note_references(
    value: str, path: KeyPath, environ: Mapping[str, str], document: Document, resolved: Resolved
) -> None:
    if BROKEN_REFERENCE.search(value):
        message = "found `${env:` without a variable's name and `}`; allowed: `${env:NAME}`."
        document.problems.append((path, message))
        return
    for name in references_in(value):
        if state := _wrong(name, environ):
            message = f"the variable {name}, which `${{env:{name}}}` names, is {state}; set it for symphony."
            document.problems.append((path, message))
        else:
            resolved.references[name] = environ[name]


def _wrong(name: str, environ: Mapping[str, str]) -> str | None:
    value = environ.get(name)
    if value is None:
        return "not set"
    if not value:
        return "empty"
    return "not valid UTF-8" if SURROGATE.search(value) else None
