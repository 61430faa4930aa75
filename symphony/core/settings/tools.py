"""Small host commands that agents may call as tools [CONTRACT 6.5]."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from symphony.core.settings.base import AsTuple, Natural, Section, Words, digits
from symphony.core.states import state_key

TEXT_LIMIT: Final = 20_000  # characters of one text; the kernel takes 128 KiB as one argument
ITEMS_LIMIT: Final = 100  # entries of one list
LONGEST_MS: Final = 35_000  # agents are answered within 45 s, and ending a command takes some seconds
LARGEST_BYTES: Final = 262_144  # of each stream; more is of no use to a model
Scalar = Literal["string", "integer", "number", "boolean"]
Timeout = Annotated[int, BeforeValidator(digits), Field(ge=1, le=LONGEST_MS)]
Output = Annotated[int, BeforeValidator(digits), Field(ge=1, le=LARGEST_BYTES)]
Limit = Annotated[float, Field(allow_inf_nan=False)]


class ToolItem(Section):
    """One entry of a list, in the words of JSON Schema."""

    type: Scalar
    """What an entry is."""

    enum: Annotated[tuple[Any, ...] | None, AsTuple] = None
    """The values that it may have."""

    pattern: str | None = None
    """A regular expression that must be found in a text, as Rust writes them: no look-around, no
    back references."""

    min_length: Annotated[Natural | None, Field(alias="minLength")] = None
    """Least characters of a text."""

    max_length: Annotated[Natural | None, Field(alias="maxLength")] = None
    """Most characters of a text; never more than 20 000."""

    minimum: Limit | None = None
    """The least number."""

    maximum: Limit | None = None
    """The greatest number."""


class ToolArgument(Section):
    """One argument of a tool, in the words of JSON Schema."""

    type: Literal["string", "integer", "number", "boolean", "array"]
    """What it is."""

    description: str | None = None
    """What to give, for the model."""

    default: Any = None
    """The value of an argument that is left out; null is none."""

    enum: Annotated[tuple[Any, ...] | None, AsTuple] = None
    """The values that it may have."""

    pattern: str | None = None
    """A regular expression that must be found in a text, as Rust writes them: no look-around, no
    back references."""

    min_length: Annotated[Natural | None, Field(alias="minLength")] = None
    """Least characters of a text."""

    max_length: Annotated[Natural | None, Field(alias="maxLength")] = None
    """Most characters of a text; never more than 20 000."""

    minimum: Limit | None = None
    """The least number."""

    maximum: Limit | None = None
    """The greatest number."""

    items: ToolItem | None = None
    """What the entries of an array are; an array must have it."""

    min_items: Annotated[Natural | None, Field(alias="minItems")] = None
    """Least entries of an array."""

    max_items: Annotated[Natural | None, Field(alias="maxItems")] = None
    """Most entries of an array; never more than 100."""


class ToolInput(Section):
    """The arguments of a tool: the part of JSON Schema that a command line can carry."""

    type: Literal["object"] = "object"
    """Always object."""

    properties: Mapping[str, ToolArgument] = {}
    """The arguments by name."""

    required: Words = ()
    """Names of those that must be given."""

    additional_properties: Annotated[bool, Field(alias="additionalProperties")] = False
    """Always false: an argument that is not declared is refused."""


class ToolSettings(Section):
    """A command of the host that an agent may call as a tool."""

    name: str
    """What agents call: small letters, digits and `_`."""

    description: str
    """When to call it and what it answers, for the model."""

    input: ToolInput = ToolInput()
    """Its arguments."""

    argv: Words
    """The program and its arguments; no shell reads them. `{name}` is replaced by that argument, in
    whole or as part; `{{` and `}}` are braces. A list is given where `{name...}` is a whole entry."""

    env: Mapping[str, str] = {}
    """More variables for the command; `${env:X}` in a value is X of symphony's own environment."""

    timeout_ms: Timeout = 30_000
    """Milliseconds until it is ended, with all that it started."""

    output_limit_bytes: Output = 32_768
    """Bytes of stdout, and of stderr, that the agent is shown; the end is kept."""

    states: Words | None = None
    """The states in which agents are offered it; null is all."""

    def offered_in(self, state: str) -> bool:
        """Say whether agents are offered it while their issue is in this state."""
        return self.states is None or state_key(state) in map(state_key, self.states)

    def schema_of_input(self) -> Mapping[str, Any]:
        """Return the arguments as JSON Schema, with the bounds that hold whatever is declared."""
        return {
            "type": "object",
            "properties": {name: schema_of(argument) for name, argument in self.input.properties.items()},
            "required": list(self.input.required),
            "additionalProperties": False,
        }


def schema_of(argument: ToolArgument | ToolItem) -> dict[str, Any]:
    """Return one argument as JSON Schema, with the bounds that hold whatever is declared."""
    schema: dict[str, Any] = {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in argument.model_dump(by_alias=True, exclude_none=True, mode="json").items()
    }
    if argument.type == "string":
        schema["maxLength"] = min(schema.get("maxLength", TEXT_LIMIT), TEXT_LIMIT)
    if isinstance(argument, ToolArgument) and argument.items is not None:
        schema["items"] = schema_of(argument.items)
        schema["maxItems"] = min(schema.get("maxItems", ITEMS_LIMIT), ITEMS_LIMIT)
    return schema
