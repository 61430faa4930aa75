"""What holds of any WORKFLOW.md, whatever is in it [CONTRACT 2.1-2.3]."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.settings import Settings
from symphony.core.settings.base import Section
from symphony.core.settings.servers import NamedValue
from symphony.core.states import StateRole, state_key
from symphony.workflow.document import SHORT_FORMS, dotted
from symphony.workflow.errors import WorkflowError
from symphony.workflow.loader import parse_workflow
from symphony.workflow.words import annotation_of, choices, keys_of, strip

FILE = Path("/repo/WORKFLOW.md")
CODES = {"workflow_parse_error", "workflow_front_matter_not_a_map", "workflow_invalid"}
SAMPLE: Mapping[str, Any] = {
    "adapter": "demo",
    "host": "127.0.0.1",
    "host_url": "http://10.0.0.1:80",
    "author": "Ada <ada@example.org>",
    "interval_ms": 10_000,
    "branch": "symphony/train",
    "allowed_transitions": ["Done"],
    "allow": ["pypi.org"],
    "guest": "/folder",
    "max_concurrent_agents_by_state": {"Todo": 2},
    "active_states": ["Todo"],
    "terminal_states": ["Done"],
}  # for keys that a rule ties to others
TOOL: Mapping[str, Any] = {
    "name": "look",
    "description": "Look it up.",
    "input": {
        "type": "object",
        "properties": {
            "a": {"type": "string", "enum": ["x"], "pattern": "x", "minLength": 1, "maxLength": 2},
            "b": {"type": "number", "description": "How many.", "default": 2, "minimum": 1.5, "maximum": 3},
            "c": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        },
        "required": ["a"],
        "additionalProperties": False,
    },
    "argv": ["look", "--count={b}", "--", "{a}", "{c...}"],
    "env": {"A": "b"},
    "timeout_ms": 7,
    "output_limit_bytes": 7,
    "states": ["Todo"],
}
WRONG_NUMBERS: list[Any] = ["many", 1.5, True, None, [1], {"a": 1}, "1.5", "$lower"]
WRONG_TEXTS: list[Any] = [5, 2.5, False, ["x"], {"a": "b"}]


def valid(name: str, annotation: Any) -> Any:
    """Return a value that the key accepts and that no rule refuses."""
    if name in SAMPLE:
        return SAMPLE[name]
    bare, _, _ = strip(annotation)
    if choices(annotation):
        return choices(annotation)[0]
    if isinstance(bare, type) and issubclass(bare, Section):
        return {key: valid(key, annotation_of(info)) for key, info in keys_of(bare).items()}
    if get_origin(bare) is tuple:
        item = get_args(bare)[0]
        return [valid(name, item)]
    if get_origin(bare) is Mapping:
        return {"a": "b" if get_args(bare)[1] is Any else valid(name, get_args(bare)[1])}
    return {bool: True, int: 7, float: 2.5, str: "text", Path: "/folder"}.get(bare, "x")


def whole() -> dict[str, Any]:
    """Return front matter with every key of the settings, nested ones too."""
    data: dict[str, Any] = valid("", Settings)
    data["smolvm"]["from"] = None
    data["workspace"]["root"] = "/another"
    data["tools"] = [TOOL]
    data["acp"]["mcp_servers"] = [
        {"name": "a", "type": "stdio", "command": "b", "args": ["c"], "env": [{"name": "d", "value": "e"}]},
        {"name": "f", "url": "https://example.org", "headers": [{"name": "g", "value": "h"}]},
    ]
    data["notify"] = [{"kind": "webhook", "target": "https://example.org", "secret": "text"}]
    data["states"] = {"Todo": {"role": "active"}, "Done": {"role": "terminal"}}
    data["states"]["Todo"] |= {
        "adapter": "demo",
        "max_turns": 3,
        "allowed_transitions": ["Done"],
        "hooks": {"before_run": "true", "timeout_ms": 5},
        "checks": [{"name": "a", "run": "b", "timeout_ms": 5}],
    }
    return data


def leaves(data: Any, annotation: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Yield every key path of the data that has a type of its own, with that type."""
    bare, _, _ = strip(annotation)
    if path and bare is not Any:
        yield path, annotation
    if isinstance(bare, type) and issubclass(bare, Section):
        for key, value in (data or {}).items():
            yield from leaves(value, annotation_of(keys_of(bare)[key]), (*path, key))
    elif get_origin(bare) is tuple:
        for number, value in enumerate(data or ()):
            yield from leaves(value, get_args(bare)[0], (*path, number))
    elif get_origin(bare) is Mapping and get_args(bare)[1] is not Any:
        for key, value in (data or {}).items():
            yield from leaves(value, get_args(bare)[1], (*path, key))


WHOLE = list(leaves(whole(), Settings))


def wrong(annotation: Any) -> list[Any]:
    """Return values of types that this one never accepts."""
    bare, _, nullable = strip(annotation)
    if bare in (int, float):
        values = WRONG_NUMBERS
    elif bare is bool:
        values = ["true", 1, [True], None]
    elif bare in (str, Path) or choices(annotation):
        values = [*WRONG_TEXTS, None]
    elif get_origin(bare) is tuple:
        values = ["x", 3, {"a": "b"}, None]
    else:
        values = ["x", 3, ["x"], None]
    if bare is float:
        values = [value for value in values if value not in (1.5, "1.5") or value is True]
    if bare == tuple[NamedValue, ...]:  # which may be written as a map
        values = [value for value in values if not isinstance(value, dict)]
    if "off" in choices(annotation):  # which YAML reads as false
        values = [value for value in values if value is not False]
    return [value for value in values if not (value is None and nullable)]


def replaced(data: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    if isinstance(data, list):
        return [
            replaced(item, path[1:], value) if number == path[0] else item for number, item in enumerate(data)
        ]
    return {key: replaced(item, path[1:], value) if key == path[0] else item for key, item in data.items()}


def parse(data: Any) -> Settings:
    text = f"---\n{yaml.safe_dump(data, sort_keys=False, allow_unicode=True)}---\nWork.\n"
    return parse_workflow(text.encode(), FILE, {}, exists=lambda _: False).settings


def refusal(data: Any) -> WorkflowError:
    with pytest.raises(WorkflowError) as caught:
        parse(data)
    return caught.value


def test_front_matter_with_every_key_loads() -> None:
    assert parse(whole()).acp.adapter == "demo"
    assert len(WHOLE) > 80


@given(st.data())
def test_one_wrong_value_is_exactly_one_problem_at_its_own_path(data: st.DataObject) -> None:
    path, annotation = data.draw(st.sampled_from(WHOLE))
    value = data.draw(st.sampled_from(wrong(annotation)))
    document = replaced(whole(), path, value)
    (problem,) = refusal(document).problems
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    place, _, key = problem.where.partition(": ")
    (section, *inner) = path
    short = SHORT_FORMS.get(str(section)) if not inner and isinstance(value, str | bool) else None
    assert key == dotted(path if short is None else (*path, short))
    line = text.splitlines()[int(place.rpartition(":")[2]) - 2]
    assert isinstance(path[-1], int) or f"{path[-1]}:" in line
    assert problem.message.startswith("found ")
    assert "; allowed: " in problem.message


@given(st.data())
def test_one_unknown_key_in_a_section_is_exactly_one_problem_at_its_own_path(data: st.DataObject) -> None:
    sections = [path for path, annotation in WHOLE if isinstance(strip(annotation)[0], type(Section))]
    path = data.draw(st.sampled_from(sections))
    inner: Any = whole()
    for part in path:
        inner = inner[part]
    document = replaced(whole(), path, {**inner, "timout_msec": 5})
    (problem,) = refusal(document).problems
    assert problem.where.endswith(f": {dotted((*path, 'timout_msec'))}")
    assert problem.message.startswith("unknown key; allowed: ")


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda raw: b"---\n" + raw + b"\n---\nx"))
def test_any_bytes_load_or_are_refused_with_a_code(raw: bytes) -> None:
    check_refusal(raw)


PIECES = """\
agent states tracker root smolvm image mcp host_url active_states role active Todo true \
[ ] { } - ? : , | > >- # " ' ~ = <<: &a *a !x !!int !!set !!binary !!timestamp %YAML --- ... \
0x 0b 1_ 1:2 .inf 2026-13-40 2026-01-01 $HOME $UNSET ~root/x ~nobody-here http://[ \\0 \\x \\uD800"""
YAML_PIECES = st.sampled_from([*PIECES.split(), ": ", "- ", "\n", "\n  ", " ", "\u2028", "\x85", "\t"])


@given(st.lists(YAML_PIECES, max_size=40).map("".join))
def test_any_front_matter_loads_or_is_refused_with_a_code(text: str) -> None:
    check_refusal(f"---\n{text}\n---\nx".encode())


def check_refusal(raw: bytes) -> None:
    refused: WorkflowError | None = None
    try:
        parse_workflow(raw, FILE, {"HOME": "/home/me"}, exists=lambda _: False)
    except WorkflowError as error:
        refused = error
    if refused is not None:
        assert refused.code in CODES
        assert {problem.code for problem in refused.problems} == {refused.code}
        for problem in refused.problems:
            assert problem.where.startswith(f"{FILE}:")
            assert problem.message.endswith((".", "?"))
            assert "\n" not in str(problem)
            str(problem).encode()


NAMES = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["Todo", "TODO", "Done ", ".x", "a/b", "In Progress"]
)


@given(active=st.lists(NAMES, max_size=4), terminal=st.lists(NAMES, max_size=4))
def test_states_load_exactly_when_they_can_be_told_apart(active: list[str], terminal: list[str]) -> None:
    document = {"tracker": {"active_states": active, "terminal_states": terminal}}
    names = active + terminal
    usable = all(
        name.strip() and "/" not in name and not name.strip().startswith(".") and name.isprintable()
        for name in names
    )
    distinct = len({state_key(name) for name in names}) == len(names)
    unset = any(name.startswith("$") for name in names)
    if not (active and terminal and usable and distinct) or unset:
        for problem in refusal(document).problems:
            assert ": tracker." in problem.where
        return
    table = parse(document).state_table()
    for name in active:
        assert table.role(f" {name} ") is StateRole.ACTIVE
    for name in terminal:
        assert table.role(f" {name} ") is StateRole.TERMINAL
