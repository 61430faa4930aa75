"""Types and values in plain words, for error messages and for the reference page."""

import types
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from symphony.core.settings.base import Section
from symphony.core.text import one_line

SHOWN = 60  # characters of a wrong value; enough to find it, too few to flood a log line


def kind_of(value: Any) -> str:
    """Return what a YAML value is, in words."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case date():
            return "a date"
        case list():
            return "a list"
        case dict():
            return "a map"
        case _:
            return f"a YAML value of type {type(value).__name__}"


def found(value: Any) -> str:
    """Return a wrong value as a message shows it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{one_line(value, SHOWN)}" (text)'
        case int() | float() | date():
            return f"{one_line(str(value), SHOWN)} ({kind_of(value)})"
        case _:
            return kind_of(value)


def meant(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean X?` for the nearest known name, or nothing when none is near."""
    by_key = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), by_key, n=1)
    return f" Did you mean {by_key[close[0]]}?" if close else ""


def key_name(name: str, info: FieldInfo) -> str:
    """Return a field's name as WORKFLOW.md spells it."""
    return info.alias or name


def keys_of(section: type[Section]) -> dict[str, FieldInfo]:
    """Return a section's fields by their names in WORKFLOW.md, in order."""
    return {key_name(name, info): info for name, info in section.model_fields.items()}


def strip(annotation: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Return the bare type, its constraints, and whether null is allowed too."""
    metadata: tuple[Any, ...] = ()
    nullable = False
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            metadata += tuple(more)
        elif origin in (Union, types.UnionType):
            rest = [part for part in get_args(annotation) if part is not type(None)]
            nullable = nullable or len(rest) < len(get_args(annotation))
            (annotation,) = rest
        else:
            flat = tuple(
                item
                for part in metadata
                for item in (part.metadata if isinstance(part, FieldInfo) else [part])
            )
            return annotation, flat, nullable


def annotation_of(info: FieldInfo) -> Any:
    """Return a field's type with its constraints, whole."""
    annotation: Any = info.annotation
    for constraint in info.metadata:
        annotation = Annotated[annotation, constraint]
    return annotation


def annotation_at(section: type[Section], path: tuple[str | int, ...]) -> Any:
    """Return the type of a key path, or None where the settings know no such key."""
    annotation: Any = section
    for part in path:
        bare, _, _ = strip(annotation)
        origin = get_origin(bare)
        if isinstance(bare, type) and issubclass(bare, Section):
            info = keys_of(bare).get(str(part))
            if info is None:
                return None
            annotation = annotation_of(info)
        elif origin is Mapping:
            annotation = get_args(bare)[1]
        elif origin is tuple and isinstance(part, int):
            annotation = get_args(bare)[0]
        else:
            return None
    return annotation


def allowed(annotation: Any) -> str:
    """Return what a type allows, in words: `a whole number of at least 1 or null`."""
    bare, constraints, nullable = strip(annotation)
    names = ("true", "false") if bare is bool else choices(bare)
    if names:
        return one_of((*names, "null") if nullable else names)
    return _words(bare, constraints) + (" or null" if nullable else "")


def choices(annotation: Any) -> tuple[str, ...]:
    """Return the names that a closed set allows; empty for an open one."""
    bare, _, _ = strip(annotation)
    if get_origin(bare) is Literal:
        return get_args(bare)
    if isinstance(bare, type) and issubclass(bare, Enum):
        return tuple(member.value for member in bare)
    return ()


def _words(bare: Any, constraints: tuple[Any, ...]) -> str:
    origin = get_origin(bare)
    if bare is int:
        return _number("a whole number", constraints)
    if bare is float:
        return _number("a number", constraints)
    if bare is str:
        return "text"
    if bare is Any:
        return "any value"
    if bare is Path:
        return "a folder"
    if origin is tuple:
        item = strip(get_args(bare)[0])[0]
        return {str: "a list of text", Any: "a list"}.get(item, "a list of maps")
    if origin is Mapping:
        value = get_args(bare)[1]
        return "a map" if value is Any else f"a map from names to {_plural(value)}"
    if isinstance(bare, type) and issubclass(bare, Section):
        names = tuple(keys_of(bare))
        return (
            f"a map with the key {names[0]}" if len(names) == 1 else f"a map with the keys {', '.join(names)}"
        )
    return "a map"


def one_of(names: tuple[str, ...]) -> str:
    """Return names as a choice: `a, b or c`; a single one as `only a`."""
    if len(names) == 1:
        return f"only {names[0]}"
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _plural(annotation: Any) -> str:
    words = allowed(annotation)
    return "maps" if words.startswith("a map") else words.replace("a whole number", "whole numbers")


def _number(word: str, constraints: tuple[Any, ...]) -> str:
    def bound(name: str) -> Any:
        values = (getattr(constraint, name, None) for constraint in constraints)
        return next((value for value in values if value is not None), None)

    above, low, high = bound("gt"), bound("ge"), bound("le")
    if above is not None and word != "a whole number":
        return f"{word} greater than {above}"
    if above is not None:
        low = above + 1
    if low is None:
        return word
    return f"{word} of at least {low}" if high is None else f"{word} from {low} to {high}"
