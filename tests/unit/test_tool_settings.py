"""`tools` in WORKFLOW.md: what is taken, and what is said of the rest [CONTRACT 2.3, 6.5]."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from symphony.core.workflow import Workflow
from symphony.workflow.errors import WorkflowError
from symphony.workflow.loader import parse_workflow

FILE = Path("/repo/WORKFLOW.md")
STRING = {"type": "string"}


def load(*tools: Any, environ: dict[str, str] | None = None, **sections: Any) -> Workflow:
    text = f"---\n{yaml.safe_dump({'tools': list(tools), **sections}, sort_keys=False)}---\n"
    return parse_workflow(text.encode(), FILE, environ or {})


def tool(**changes: Any) -> dict[str, Any]:
    return {"name": "ticket", "description": "Return a ticket.", "argv": ["ticket"], **changes}


def taking(*argv: str, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return tool(argv=["ticket", *argv], input={"properties": properties, "required": list(required)})


def problems(*tools: Any, environ: dict[str, str] | None = None, **sections: Any) -> list[str]:
    with pytest.raises(WorkflowError) as error:
        load(*tools, environ=environ, **sections)
    assert error.value.code == "workflow_invalid"
    return [f"{problem.where.partition(': ')[2]}: {problem.message}" for problem in error.value.problems]


def test_a_tool_has_defaults_for_all_but_its_name_description_and_command() -> None:
    (settings,) = load(tool()).settings.tools
    assert (settings.timeout_ms, settings.output_limit_bytes, settings.states) == (30_000, 32_768, None)
    assert settings.schema_of_input() == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("ticket", 'tools[0]: found "ticket" (text); allowed: a map with the keys name, description, input, '
         "argv, env, timeout_ms, output_limit_bytes, states."),
        ({"name": "x", "argv": ["x"]}, "tools[0].description: this key is missing; allowed: text."),
        (tool(argv="ls -l"), 'tools[0].argv: found "ls -l" (text); allowed: a list of text.'),
        (tool(shell=True), "tools[0].shell: unknown key; allowed: name, description, input, argv, env, "
         "timeout_ms, output_limit_bytes, states."),
        (tool(timeout_ms=60_000), "tools[0].timeout_ms: found 60000 (a whole number); allowed: a whole "
         "number from 1 to 35000."),
        (tool(output_limit_bytes=0), "tools[0].output_limit_bytes: found 0 (a whole number); allowed: a "
         "whole number from 1 to 262144."),
        (tool(name="Ticket!"), 'tools[0].name: found "Ticket!" (text); allowed: 1 to 48 small letters, '
         "digits and `_`, a letter first."),
        (tool(name="mark_done"), 'tools[0].name: found "mark_done", which is symphony\'s own; allowed: '
         "another name."),
        (tool(name="transition"), 'tools[0].name: found "transition", which is symphony\'s own; allowed: '
         "another name."),
        (tool(description=" \n"), "tools[0].description: found a blank text; allowed: when to call it and "
         "what it answers."),
        (tool(description="x" * 4_001), "tools[0].description: found 4,001 characters; allowed: 4,000 at "
         "most."),
        (tool(argv=[]), "tools[0].argv: found no program; allowed: a list of the program and its "
         "arguments."),
        (tool(argv=[" ", "x"]), "tools[0].argv: found no program; allowed: a list of the program and its "
         "arguments."),
        (tool(argv=["t", "{key}"]), "tools[0].argv[1]: found `{key}`; allowed: a name among "
         "input.properties."),
        (taking("{kye}", "{key}", key=STRING), "tools[0].argv[1]: found `{kye}`; allowed: a name among "
         "input.properties. Did you mean key?"),
        (taking(key=STRING), "tools[0].argv: found no `{key}`; allowed: every argument of input used at "
         "least once."),
        (taking("{key", "{key}", key=STRING), "tools[0].argv[1]: found a single brace; allowed: `{name}`, "
         "`{name...}`, and `{{` or `}}` for a brace."),
        (taking("{key...}", key=STRING), "tools[0].argv[1]: found `{key...}`, which is no array; allowed: "
         "`{key}`."),
        (taking("{keys}", keys={"type": "array", "items": STRING}), "tools[0].argv[1]: found `{keys}`, "
         "which is an array; allowed: `{keys...}` as a whole entry."),
        (taking("-{keys...}", keys={"type": "array", "items": STRING}), "tools[0].argv[1]: found "
         "`{name...}` beside other text; allowed: as a whole entry."),
        (tool(argv=["{key}"], input={"properties": {"key": STRING}}), 'tools[0].argv[0]: found "{key}" '
         "(text); allowed: a program's name; an agent does not choose it."),
        (tool(argv=["t", "${env:TOKEN}"]), "tools[0].argv[1]: found `${env:`; a command line is open to "
         "every program of this machine; allowed: in env."),
        (tool(argv=["t", "a\0b"]), "tools[0].argv[1]: found a character that no command line can hold; "
         "allowed: text."),
        (taking("{key}", key={"type": "object"}), 'tools[0].input.properties.key.type: found "object" '
         "(text); allowed: string, integer, number, boolean or array."),
        (taking("{key}", key={"type": "string", "format": "date"}), "tools[0].input.properties.key.format: "
         "unknown key; allowed: type, description, default, enum, pattern, minLength, maxLength, minimum, "
         "maximum, items, minItems, maxItems."),
        (taking("{key}", key={"type": "string", "minimum": 1}), "tools[0].input.properties.key.minimum: "
         "found beside `type: string`; allowed: with integer or number."),
        (taking("{key}", key={"type": "integer", "minimum": 3, "maximum": 2}),
         "tools[0].input.properties.key.maximum: found less than minimum; allowed: minimum or more."),
        (taking("{key}", key={"type": "string", "pattern": "(?=x)y"}),
         'tools[0].input.properties.key.pattern: found "(?=x)y" (text), which cannot be looked for: '
         "look-around, including look-ahead and look-behind, is not supported."),
        (taking("{key}", key={"type": "string", "pattern": "(a{1000}){1000}"}),
         'tools[0].input.properties.key.pattern: found "(a{1000}){1000}" (text), which cannot be looked '
         "for: Compiled regex exceeds size limit of 10485760 bytes."),
        (taking("{key}", key={"type": "string", "enum": []}),
         "tools[0].input.properties.key.enum: found an empty list; allowed: at least one value."),
        (taking("{key}", key={"type": "integer", "enum": [1, "2"]}),
         'tools[0].input.properties.key.enum[1]: found "2" (text), which must be a whole number.'),
        (taking("{key}", key={"type": "string", "maxLength": 2, "default": "abc"}),
         'tools[0].input.properties.key.default: found "abc" (text), which has 3 characters, at most 2 are '
         "accepted."),
        (taking("{keys...}", keys={"type": "array"}), "tools[0].input.properties.keys.items: this key is "
         "missing; allowed: what an entry is, such as `{type: string}`."),
        (taking("{keys...}", keys={"type": "array", "items": {"type": "array"}}),
         'tools[0].input.properties.keys.items.type: found "array" (text); allowed: string, integer, number '
         "or boolean."),
        (taking("{key}", key={"type": "number", "minimum": float("nan")}),
         "tools[0].input.properties.key.minimum: found nan (a number); allowed: a number or null."),
        (taking("{key}", key=STRING, required=("kye",)), 'tools[0].input.required[0]: found "kye" (text); '
         "allowed: a name among its properties. Did you mean key?"),
        (tool(input={"type": "array"}), 'tools[0].input.type: found "array" (text); allowed: only object.'),
        (tool(input={"additionalProperties": True}), "tools[0].input.additionalProperties: found true; "
         "allowed: false, since no entry of argv could hold it."),
        (tool(input={"$ref": "#"}), 'tools[0].input["$ref"]: unknown key; allowed: type, properties, '
         "required, additionalProperties."),
        (tool(env={"SYMPHONY_ISSUE_ID": "x"}), "tools[0].env.SYMPHONY_ISSUE_ID: found the name "
         '"SYMPHONY_ISSUE_ID" (text); allowed: a variable\'s name that does not begin with SYMPHONY_.'),
        (tool(env={"A=B": "x"}), 'tools[0].env["A=B"]: found the name "A=B" (text); allowed: a variable\'s '
         "name that does not begin with SYMPHONY_."),
        (tool(env={"A": "${env:TOKEN}"}), "tools[0].env.A: the variable TOKEN, which `${env:TOKEN}` names, "
         "is not set; set it for symphony."),
        (tool(env={"A": "Bearer ${env:TO-KEN}"}), "tools[0].env.A: found `${env:` without a variable's name "
         "and `}`; allowed: `${env:NAME}`."),
        (tool(states=["Todo", "In Progres"]), 'tools[0].states[1]: found "In Progres"; allowed: Todo or In '
         "Progress, the active states. Did you mean In Progress?"),
        (tool(states=["Done"]), 'tools[0].states[0]: found "Done"; allowed: Todo or In Progress, the active '
         "states."),
    ],
)  # fmt: skip
def test_each_wrong_value_says_what_was_found_and_what_is_allowed(declared: Any, said: str) -> None:
    assert problems(declared) == [said]


def test_names_differ_and_there_are_not_too_many() -> None:
    assert problems(tool(), tool()) == [
        'tools[1].name: found "ticket", which tools[0] has too; allowed: each name once.'
    ]
    many = [tool(name=f"t{number}") for number in range(41)]
    assert problems(*many) == ["tools: found 41 tools; allowed: 40 at most."]
    wide = {f"a{number}": STRING for number in range(21)}
    assert problems(taking(*(f"{{{name}}}" for name in wide), **wide)) == [
        "tools[0].input.properties: found 21 arguments; allowed: 20 at most."
    ]


def test_tools_need_the_endpoint() -> None:
    assert problems(tool(), mcp={"enabled": False}) == [
        "tools: found beside `mcp.enabled: false`; allowed: with the endpoint enabled."
    ]


def test_a_reference_is_checked_kept_as_it_is_and_its_value_is_a_secret() -> None:
    env = {"A": "Bearer ${env:TOKEN} ${env:USER_NAME}", "B": "$TOKEN", "C": "$$TOKEN ${TOKEN}"}
    workflow = load(tool(env=env), environ={"TOKEN": "s3cret-1", "USER_NAME": "me", "OTHER": "x"})
    assert workflow.settings.tools[0].env == {**env, "B": "${env:TOKEN}"}
    assert workflow.variables == {"TOKEN": "s3cret-1", "USER_NAME": "me"}
    assert workflow.secrets == {"s3cret-1"}
    assert "s3cret-1" not in repr(workflow)


def test_every_problem_of_every_tool_is_said_at_once() -> None:
    assert problems(tool(name="A"), tool(name="b", argv=["{x}"])) == [
        'tools[0].name: found "A" (text); allowed: 1 to 48 small letters, digits and `_`, a letter first.',
        'tools[1].argv[0]: found "{x}" (text); allowed: a program\'s name; an agent does not choose it.',
    ]
