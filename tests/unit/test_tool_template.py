"""The command line of a declared tool [CONTRACT 6.5]."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.tool_template import BadTemplate, UnfitValue, parse_entry, render


@pytest.mark.parametrize(
    ("argv", "values", "command"),
    [
        (["ls"], {}, ["ls"]),
        (
            ["show", "{key}"],
            {"key": "A 1; rm -rf / $(x) `y` 'z\" *"},
            ["show", "A 1; rm -rf / $(x) `y` 'z\" *"],
        ),
        (["show", "--key={key}"], {"key": "-rf"}, ["show", "--key=-rf"]),
        (["show", "--", "{key}"], {"key": "-rf"}, ["show", "--", "-rf"]),
        (["cp", "{a}/{b}"], {"a": "x", "b": "-y"}, ["cp", "x/-y"]),
        (["add", "{names...}", "end"], {"names": ["x", "y z"]}, ["add", "x", "y z", "end"]),
        (["add", "{names...}"], {"names": []}, ["add"]),
        (["add", "--", "{names...}"], {"names": ["-x"]}, ["add", "--", "-x"]),
        (["log", "--limit={n}", "{path}"], {"path": "a"}, ["log", "a"]),
        (
            ["log", "{n}", "{on}", "{f}", "{g}"],
            {"n": 3, "on": True, "f": 0.5, "g": 2.0},
            ["log", "3", "true", "0.5", "2"],
        ),
        (["jq", "{{a: {key}}}"], {"key": "1"}, ["jq", "{a: 1}"]),
        (["say", "{text}"], {"text": ""}, ["say", ""]),
        (["say", "{text}"], {"text": "{key}"}, ["say", "{key}"]),
    ],
)
def test_each_entry_becomes_one_argument_whatever_is_in_it(
    argv: list[str], values: dict[str, Any], command: list[str]
) -> None:
    assert list(render(argv, values)) == command


@pytest.mark.parametrize(
    ("argv", "values", "said"),
    [
        (["show", "{key}"], {"key": "-rf"}, "key must not begin with `-`"),
        (["show", "{key}"], {"key": "-"}, "key must not begin with `-`"),
        (["head", "{n}"], {"n": -5}, "n must not begin with `-`"),
        (["show", "{key}-x"], {"key": ""}, "key must not begin with `-`"),
        (["add", "{names...}"], {"names": ["x", "--all"]}, "names must not begin with `-`"),
        (["show", "x{key}"], {"key": "a\0b"}, "key has a character that no command line can hold"),
        (["show", "{a}{b}"], {"a": "", "b": "\ud800"}, "b has a character that no command line can hold"),
        (["show", "{n}"], {"n": float("inf")}, "n must be a finite number"),
    ],
)
def test_a_value_that_is_no_argument_is_refused(argv: list[str], values: dict[str, Any], said: str) -> None:
    with pytest.raises(UnfitValue) as refused:
        render(argv, values)
    assert str(refused.value) == said


@pytest.mark.parametrize("text", ["{", "}", "{a", "{a b}", "{}", "{1}", "{a..}", "${env:A}"])
def test_a_brace_that_is_no_placeholder_is_an_error(text: str) -> None:
    with pytest.raises(BadTemplate) as error:
        parse_entry(text)
    assert str(error.value) == (
        "a single brace; allowed: `{name}`, `{name...}`, and `{{` or `}}` for a brace."
    )


def test_a_list_beside_other_text_is_an_error() -> None:
    with pytest.raises(BadTemplate) as error:
        parse_entry("x{a...}")
    assert str(error.value) == "`{name...}` beside other text; allowed: as a whole entry."


@given(st.text(), st.text())
def test_whatever_is_given_no_value_becomes_an_option_or_more_than_one_argument(a: str, b: str) -> None:
    try:
        command = render(["p", "{a}", "--x={b}"], {"a": a, "b": b})
    except UnfitValue:
        return
    assert command == ("p", a, f"--x={b}")
    assert not a.startswith("-")
