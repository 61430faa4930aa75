"""What an agent gives to a declared tool, held against the tool's schema; pure.

The values are hostile: every pattern is looked for in time that grows with the text alone, and
what is said of a value never repeats it whole.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import StringConstraints, TypeAdapter, ValidationError

from symphony.core.text import one_line

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

FAULTS_SHOWN: Final = 8
SHOWN: Final = 200  # characters of what is allowed
KINDS: Final[Mapping[str, str]] = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
}


def input_faults(schema: Mapping[str, Any], value: Any) -> tuple[str, ...]:
    """Return what is wrong with a value, in words; empty when it is as the schema says."""
    try:
        errors = list(islice(_validator()(schema).iter_errors(value), FAULTS_SHOWN))
    except RecursionError:
        return ("it is nested too deeply",)
    return tuple(f"{_place(error)}{_words(error)}" for error in errors)


@lru_cache(256)
def matcher(pattern: str) -> "TypeAdapter[str]":
    """Return what accepts the texts in which a pattern is found.

    Raises:
        pydantic_core.SchemaError: it is no regular expression that can be looked for in linear time.
    """
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])


@lru_cache(1)
def _validator() -> "type[Draft202012Validator]":
    # imported with the first tool that is declared: it takes a tenth of a second
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError as Fault
    from jsonschema.validators import extend

    def look_for(_: Any, pattern: str, text: Any, __: Any) -> Iterator[Fault]:
        if isinstance(text, str):
            try:
                matcher(pattern).validate_python(text)
            except ValidationError:
                yield Fault("")

    validator: type[Draft202012Validator] = extend(Draft202012Validator, {"pattern": look_for})  # type: ignore[no-untyped-call]
    return validator


def _place(error: Any) -> str:
    place = ""
    for part in error.absolute_path:
        place += f"[{part}]" if isinstance(part, int) else str(part)
    return f"{one_line(place, SHOWN)} " if place else ""


def _words(error: Any) -> str:
    limit = error.validator_value
    match error.validator:
        case "type":
            return f"must be {KINDS.get(limit, limit)}"
        case "enum":
            return f"must be one of {one_line(', '.join(map(str, limit)), SHOWN)}"
        case "pattern":
            return f"must match {one_line(limit, SHOWN)}"
        case "minLength":
            return f"has {len(error.instance):,} characters, at least {limit:,} are needed"
        case "maxLength":
            return f"has {len(error.instance):,} characters, at most {limit:,} are accepted"
        case "minItems":
            return f"has {len(error.instance):,} entries, at least {limit:,} are needed"
        case "maxItems":
            return f"has {len(error.instance):,} entries, at most {limit:,} are accepted"
        case "minimum":
            return f"must be {limit} or more"
        case "maximum":
            return f"must be {limit} or less"
        case "required":
            missing = [name for name in limit if name not in error.instance]
            return f"{', '.join(missing)} is missing"
        case "additionalProperties":
            known = error.schema["properties"]
            others = [name for name in error.instance if name not in known]
            taken = ", ".join(known) or "none"
            return f"there is no argument {one_line(others[0], 40)!r}, the arguments are: {taken}"
        case _:
            return f"does not satisfy {error.validator}"
