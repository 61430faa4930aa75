"""What `tools` must satisfy beyond the type of each key; its one rule is among `rules.RULES`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from pydantic_core import SchemaError

from symphony.core.settings import Settings
from symphony.core.settings.tools import ToolArgument, ToolItem, ToolSettings, schema_of
from symphony.core.states import StateRole
from symphony.core.text import one_line
from symphony.core.tool import OWN_TOOLS
from symphony.core.tool_input import input_faults, matcher
from symphony.core.tool_template import UNFIT, BadTemplate, parse_entry
from symphony.workflow.document import KeyPath
from symphony.workflow.variables import VARIABLE_NAME
from symphony.workflow.words import found, meant, one_of

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}\Z")  # `mcp__symphony__` before it, and models allow 64
ARGUMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}\Z")
TOOLS_LIMIT: Final = 40  # a model reads all of them before each turn
ARGUMENTS_LIMIT: Final = 20
DESCRIPTION_LIMIT: Final = 4_000  # characters
PREFIX: Final = "SYMPHONY_"  # variables that say for which issue a command runs
FITS: Final[Mapping[str, tuple[str, ...]]] = {
    "pattern": ("string",),
    "minLength": ("string",),
    "maxLength": ("string",),
    "minimum": ("integer", "number"),
    "maximum": ("integer", "number"),
    "items": ("array",),
    "minItems": ("array",),
    "maxItems": ("array",),
    "enum": ("string", "integer", "number"),
}
RANGES: Final = (("minLength", "maxLength"), ("minimum", "maximum"), ("minItems", "maxItems"))

Finding: TypeAlias = tuple[KeyPath, str]


def tool_faults(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the declared tools."""
    if settings.tools and not settings.mcp.enabled:
        yield ("tools",), "found beside `mcp.enabled: false`; allowed: with the endpoint enabled."
    if len(settings.tools) > TOOLS_LIMIT:
        yield ("tools",), f"found {len(settings.tools)} tools; allowed: {TOOLS_LIMIT} at most."
    seen: dict[str, int] = {}
    for number, tool in enumerate(settings.tools):
        key: KeyPath = ("tools", number)
        yield from _name((*key, "name"), tool.name, seen)
        seen.setdefault(tool.name, number)
        yield from _description((*key, "description"), tool.description)
        yield from _input((*key, "input"), tool)
        yield from _argv((*key, "argv"), tool)
        yield from _environment((*key, "env"), tool)
        yield from _states(settings, (*key, "states"), tool)


def _name(key: KeyPath, name: str, seen: Mapping[str, int]) -> Iterator[Finding]:
    if not NAME.match(name):
        yield key, f"found {found(name)}; allowed: 1 to 48 small letters, digits and `_`, a letter first."
    elif name in OWN_TOOLS:
        yield key, f'found "{name}", which is symphony\'s own; allowed: another name.'
    elif name in seen:
        yield key, f'found "{name}", which tools[{seen[name]}] has too; allowed: each name once.'


def _description(key: KeyPath, text: str) -> Iterator[Finding]:
    if not text.strip():
        yield key, "found a blank text; allowed: when to call it and what it answers."
    elif len(text) > DESCRIPTION_LIMIT:
        yield key, f"found {len(text):,} characters; allowed: {DESCRIPTION_LIMIT:,} at most."


def _input(key: KeyPath, tool: ToolSettings) -> Iterator[Finding]:
    properties = tool.input.properties
    if tool.input.additional_properties:
        yield (
            (*key, "additionalProperties"),
            "found true; allowed: false, since no entry of argv could hold it.",
        )
    if len(properties) > ARGUMENTS_LIMIT:
        yield (*key, "properties"), f"found {len(properties)} arguments; allowed: {ARGUMENTS_LIMIT} at most."
    for name, argument in properties.items():
        below: KeyPath = (*key, "properties", name)
        if not ARGUMENT.match(name):
            yield below, f"found the name {found(name)}; allowed: 1 to 48 letters, digits and `_`."
        yield from _argument(below, argument)
    for number, name in enumerate(tool.input.required):
        if name not in properties:
            allowed = f"a name among its properties.{meant(name, properties)}"
            yield (*key, "required", number), f"found {found(name)}; allowed: {allowed}"


def _argument(key: KeyPath, argument: ToolArgument | ToolItem) -> Iterator[Finding]:
    given = {
        info.alias or name: value
        for name, info in type(argument).model_fields.items()
        if (value := getattr(argument, name)) is not None
    }
    for keyword, types in FITS.items():
        if keyword in given and argument.type not in types:
            yield (*key, keyword), f"found beside `type: {argument.type}`; allowed: with {one_of(types)}."
    for least, most in RANGES:
        if least in given and most in given and given[least] > given[most]:
            yield (*key, most), f"found less than {least}; allowed: {least} or more."
    if "pattern" in given and (fault := _pattern_fault(given["pattern"])):
        yield (*key, "pattern"), fault
        return
    yield from _values(key, argument, given)
    if isinstance(argument, ToolArgument) and argument.items is not None:
        yield from _argument((*key, "items"), argument.items)
    elif argument.type == "array":
        yield (*key, "items"), "this key is missing; allowed: what an entry is, such as `{type: string}`."


def _pattern_fault(pattern: str) -> str | None:
    try:
        matcher(pattern)
    except SchemaError as error:
        reason = one_line(str(error).rpartition("error:")[2].rpartition("SchemaError:")[2])
        return f"found {found(pattern)}, which cannot be looked for: {reason.rstrip('.')}."
    return None


def _values(key: KeyPath, argument: ToolArgument | ToolItem, given: Mapping[str, Any]) -> Iterator[Finding]:
    """Hold the values that the schema itself has against it."""
    if (values := given.get("enum")) is not None:
        if not values:
            yield (*key, "enum"), "found an empty list; allowed: at least one value."
        for number, value in enumerate(values):
            for fault in input_faults({"type": argument.type}, value):
                yield (*key, "enum", number), f"found {found(value)}, which {fault}."
    items = argument.items if isinstance(argument, ToolArgument) else None
    if "default" in given and (items is None or items.pattern is None or not _pattern_fault(items.pattern)):
        for fault in input_faults(schema_of(argument), given["default"]):
            yield (*key, "default"), f"found {found(given['default'])}, which {fault}."


def _argv(key: KeyPath, tool: ToolSettings) -> Iterator[Finding]:
    properties = tool.input.properties
    if not tool.argv or not tool.argv[0].strip():
        yield key, "found no program; allowed: a list of the program and its arguments."
        return
    unused = dict.fromkeys(properties)
    read = True
    for number, text in enumerate(tool.argv):
        below: KeyPath = (*key, number)
        if "${env:" in text:
            yield (
                below,
                "found `${env:`; a command line is open to every program of this machine; allowed: in env.",
            )
            continue
        if UNFIT.search(text):
            yield below, "found a character that no command line can hold; allowed: text."
            continue
        try:
            entry = parse_entry(text)
        except BadTemplate as error:
            yield below, f"found {error}"
            read = False
            continue
        if number == 0 and entry.names:
            yield below, f"found {found(text)}; allowed: a program's name; an agent does not choose it."
        for name in entry.names:
            unused.pop(name, None)
            yield from _placeholder(below, name, entry.spread, properties)
    for name in unused if read else ():
        yield key, f"found no `{{{name}}}`; allowed: every argument of input used at least once."


def _placeholder(
    key: KeyPath, name: str, spread: bool, properties: Mapping[str, ToolArgument]
) -> Iterator[Finding]:
    argument = properties.get(name)
    if argument is None:
        allowed = f"a name among input.properties.{meant(name, properties)}"
        yield key, f"found `{{{name}}}`; allowed: {allowed}"
    elif spread and argument.type != "array":
        yield key, f"found `{{{name}...}}`, which is no array; allowed: `{{{name}}}`."
    elif not spread and argument.type == "array":
        yield key, f"found `{{{name}}}`, which is an array; allowed: `{{{name}...}}` as a whole entry."


def _environment(key: KeyPath, tool: ToolSettings) -> Iterator[Finding]:
    for name, value in tool.env.items():
        if not VARIABLE_NAME.fullmatch(name) or name.startswith(PREFIX):
            allowed = f"a variable's name that does not begin with {PREFIX}"
            yield (*key, name), f"found the name {found(name)}; allowed: {allowed}."
        if "\0" in value:
            yield (*key, name), "found a character that no variable can hold; allowed: text."


def _states(settings: Settings, key: KeyPath, tool: ToolSettings) -> Iterator[Finding]:
    table = settings.state_table()
    for number, state in enumerate(tool.states or ()):
        if not table.is_active(state):
            active = table.with_role(StateRole.ACTIVE)
            message = f'found "{state}"; allowed: {one_of(active)}, the active states.{meant(state, active)}'
            yield (*key, number), message
