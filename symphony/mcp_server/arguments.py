"""Checks what an agent gives to a tool and says, all at once, what to fix [CONTRACT 6.2-6.4]."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from symphony.core.errors import SymphonyError
from symphony.core.text import one_line, plain
from symphony.core.tool import OWN_TOOLS, Tool
from symphony.core.tool_input import input_faults
from symphony.mcp_server.tools import (
    LABEL_LIMIT,
    LABELS_LIMIT,
    NOTES_LIMIT,
    PRIORITY_LIMIT,
    TEXT_LIMIT,
    TITLE_ADVISED,
    TITLE_LIMIT,
)

SURROGATE = re.compile(r"[\ud800-\udfff]")
NAME_SHOWN = 40  # of a misspelt argument's name in the answer
TYPE_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class BadArguments(SymphonyError):
    """A call that cannot be made as it stands."""

    code = "invalid_arguments"


@dataclass(frozen=True, slots=True)
class MarkDone:
    """A checked `mark_done`.

    Attributes:
        advice: one sentence for the agent about a title that is accepted but long; may be empty.
    """

    title: str
    summary: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class RequestHumanSteering:
    """A checked `request_human_steering`."""

    question: str
    context: str | None


@dataclass(frozen=True, slots=True)
class ProposeIssue:
    """A checked `propose_issue`."""

    title: str
    description: str | None
    labels: tuple[str, ...]
    priority: int | None
    advice: str = ""


@dataclass(frozen=True, slots=True)
class UseTool:
    """A checked call of one of the workflow's own tools."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transition:
    """A `transition` of the right shape; whether the issue may go there is the engine's to say."""

    to_state: str
    notes: str | None


Call: TypeAlias = MarkDone | Transition | RequestHumanSteering | ProposeIssue | UseTool


def parse_call(tool: Tool, arguments: Mapping[str, Any]) -> Call:
    """Return the call; the texts of symphony's own tools are cleaned.

    Raises:
        BadArguments: with every problem in one text.
    """
    if tool.name not in OWN_TOOLS:
        if faults := input_faults(tool.schema, arguments):
            raise not_accepted(tool, faults)
        return UseTool(tool.name, arguments)
    given = Arguments(tool, arguments)
    match tool.name:
        case "mark_done":
            title = given.line("title", "give one line that says what was done")
            summary = given.text("summary", "say what changed, why, and how it was verified")
            given.check()
            return MarkDone(title, summary, advice_on(title))
        case "transition":
            to_state = given.line("to_state", "name the state that the issue goes to")
            notes = given.optional_text("notes", NOTES_LIMIT)
            given.check()
            return Transition(to_state, notes)
        case "request_human_steering":
            question = given.text("question", "ask what you need to know")
            context = given.optional_text("context")
            given.check()
            return RequestHumanSteering(question, context)
        case _:
            title = given.line("title", "give one line that names the issue")
            description = given.optional_text("description")
            labels = given.labels("labels")
            priority = given.priority("priority")
            given.check()
            return ProposeIssue(title, description, labels, priority, advice_on(title))


def not_accepted(tool: Tool, problems: Sequence[str]) -> BadArguments:
    """Return the error that names every problem of a call."""
    return BadArguments(
        f"{tool.name} was not accepted: {'; '.join(problems)}.", remedy="Call it again with this corrected."
    )


def advice_on(title: str) -> str:
    """Return the sentence on a title that is longer than advised; empty when it is not."""
    if len(title) <= TITLE_ADVISED:
        return ""
    return f"The title has {len(title)} characters; {TITLE_ADVISED} or fewer are shown whole everywhere."


def blank(text: str) -> bool:
    """Say whether there is nothing in the text that a person could see."""
    return not any(letter.isprintable() and not letter.isspace() for letter in text)


def clean(text: str) -> str:
    """Return the text without outer space, control characters and halves of characters."""
    return plain(SURROGATE.sub("\ufffd", text.strip()), len(text) + 1).strip()


class Arguments:
    """The raw arguments of one call, and what is wrong with them so far."""

    def __init__(self, tool: Tool, raw: Mapping[str, Any]) -> None:
        self._tool = tool
        self._raw = raw
        self._problems: list[str] = []
        known = tool.arguments
        for name in raw:
            if name not in known:
                taken = ", ".join(known[:-1]) + f" and {known[-1]}"
                self._problems.append(
                    f"there is no argument {one_line(clean(name), NAME_SHOWN)!r}, {tool.name} takes {taken}"
                )

    def check(self) -> None:
        """Return if nothing is wrong.

        Raises:
            BadArguments: with every problem.
        """
        if self._problems:
            raise not_accepted(self._tool, self._problems)

    def text(self, name: str, hint: str) -> str:
        """Return a required text; empty after a problem was noted."""
        value = self._raw.get(name)
        if name not in self._raw:
            self._problems.append(f"{name} is missing, {hint}")
        elif not isinstance(value, str):
            self._wrong_type(name, "a string", value)
        elif blank(value):
            self._problems.append(f"{name} is blank, {hint}")
        else:
            return self._bounded(name, clean(value), TEXT_LIMIT)
        return ""

    def optional_text(self, name: str, limit: int = TEXT_LIMIT) -> str | None:
        """Return a text, or None when it is absent, null or blank."""
        value = self._raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self._wrong_type(name, "a string", value)
            return None
        return None if blank(value) else self._bounded(name, clean(value), limit)

    def line(self, name: str, hint: str) -> str:
        """Return a required text of one line; empty after a problem was noted."""
        value = self._raw.get(name)
        if isinstance(value, str) and not blank(value):
            lines = len(value.strip().splitlines())
            if lines > 1:
                self._problems.append(f"{name} has {lines} lines, put it on one line")
                return ""
            return self._bounded(name, clean(value), TITLE_LIMIT)
        return self.text(name, hint)

    def labels(self, name: str) -> tuple[str, ...]:
        """Return an optional list of short words, each once."""
        value = self._raw.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._wrong_type(name, "an array of strings", value)
            return ()
        if len(value) > LABELS_LIMIT:
            self._problems.append(f"{name} has {len(value)} entries, at most {LABELS_LIMIT} are accepted")
            return ()
        words: dict[str, None] = {}
        for entry in value:
            if not isinstance(entry, str):
                self._wrong_type(f"every entry of {name}", "a string", entry)
                return ()
            word = one_line(clean(entry), LABEL_LIMIT + 1)
            if blank(word) or len(word) > LABEL_LIMIT:
                self._problems.append(f"every entry of {name} must have 1 to {LABEL_LIMIT} characters")
                return ()
            words[word.lower()] = None
        return tuple(words)

    def priority(self, name: str) -> int | None:
        """Return an optional small whole number."""
        value = self._raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self._wrong_type(name, "a whole number", value)
            return None
        if not 0 <= value <= PRIORITY_LIMIT:
            self._problems.append(f"{name} must be from 0 to {PRIORITY_LIMIT}")
            return None
        return value

    def _bounded(self, name: str, text: str, limit: int) -> str:
        if len(text) > limit:
            self._problems.append(
                f"{name} has {len(text):,} characters, at most {limit:,} are accepted, shorten it"
            )
        return text

    def _wrong_type(self, name: str, wanted: str, value: Any) -> None:
        self._problems.append(f"{name} must be {wanted}, not {TYPE_NAMES.get(type(value), 'this')}")
