"""The tools as an agent sees them: names, descriptions and input schemas [CONTRACT 6.2-6.4].

The texts are written for a model that reads them once: when to call, what to give, what
happens then. The limits are those that `arguments` enforces.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from symphony.core.ports import AgentReports
from symphony.core.text import one_line
from symphony.core.tool import Tool

TITLE_ADVISED: Final = 72  # a commit subject is shown whole up to here
TITLE_LIMIT: Final = 200
TEXT_LIMIT: Final = 20_000  # what a person can still read; the request's own bound is 1 MiB
LABELS_LIMIT: Final = 20
LABEL_LIMIT: Final = 50
PRIORITY_LIMIT: Final = 1_000


def schema_of(properties: Mapping[str, Any], required: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


MARK_DONE: Final = Tool(
    "mark_done",
    "Report that the issue is finished. Call it once, as the last thing you do: after the work is "
    "in the workspace, its tests pass and it is committed. Checks may run then; if they fail you are "
    "told why and go on. Calling it again with the same result is harmless. Do not call it when you "
    "are stuck or a decision is missing: use request_human_steering.",
    schema_of(
        {
            "title": {
                "type": "string",
                "minLength": 1,
                "maxLength": TITLE_LIMIT,
                "description": "What was done, on one line, in the imperative, like a commit subject: "
                f"{TITLE_ADVISED} characters or fewer.",
            },
            "summary": {
                "type": "string",
                "minLength": 1,
                "maxLength": TEXT_LIMIT,
                "description": "For the person who reviews the work, in Markdown: what changed and why, "
                "how it was verified, what is left open.",
            },
        },
        ("title", "summary"),
    ),
)

REQUEST_HUMAN_STEERING: Final = Tool(
    "request_human_steering",
    "Ask a person a question that only a person can answer: a missing decision, an ambiguous "
    "requirement, an access you lack. Commit or save your work first, call this, then end your turn "
    "without further work: the answer arrives as your next prompt. Only one question can be open, so "
    "put everything you need into it. Do not ask what the repository can tell you.",
    schema_of(
        {
            "question": {
                "type": "string",
                "minLength": 1,
                "maxLength": TEXT_LIMIT,
                "description": "The question, complete in itself, with the choices you see.",
            },
            "context": {
                "type": ["string", "null"],
                "maxLength": TEXT_LIMIT,
                "description": "What the person needs to know to answer: what you found and tried. Optional.",
            },
        },
        ("question",),
    ),
)

PROPOSE_ISSUE: Final = Tool(
    "propose_issue",
    "Propose a new issue for something you noticed that is outside the issue you work on. It is put "
    "aside until a person approves it; nobody starts on it before that. Go on with your own issue "
    "afterwards.",
    schema_of(
        {
            "title": {
                "type": "string",
                "minLength": 1,
                "maxLength": TITLE_LIMIT,
                "description": f"One line, {TITLE_ADVISED} characters or fewer.",
            },
            "description": {
                "type": ["string", "null"],
                "maxLength": TEXT_LIMIT,
                "description": "The issue in Markdown: what is wrong or wanted, where, how to tell that it "
                "is done. Optional.",
            },
            "labels": {
                "type": ["array", "null"],
                "items": {"type": "string", "minLength": 1, "maxLength": LABEL_LIMIT},
                "maxItems": LABELS_LIMIT,
                "description": "Short words to find it by. Optional.",
            },
            "priority": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": PRIORITY_LIMIT,
                "description": "Smaller is more urgent. Optional.",
            },
        },
        ("title",),
    ),
)

TOOLS: Final[Mapping[str, Tool]] = {
    tool.name: tool for tool in (MARK_DONE, REQUEST_HUMAN_STEERING, PROPOSE_ISSUE)
}

INSTRUCTIONS: Final = (
    "These tools report to symphony, which runs you on one issue. Call mark_done when the issue is "
    "finished, or request_human_steering when only a person can decide."
)


def tools_of(reports: AgentReports) -> Mapping[str, Tool]:
    """Return what one dispatch offers, by name: symphony's own tools first, then the workflow's."""
    return {**TOOLS, **{tool.name: tool for tool in reports.tools}}


def unknown_tool(name: str, offered: Iterable[str]) -> str:
    """Return the sentence about a tool that is not offered."""
    return f"There is no tool {one_line(name, 60)!r}. The tools are {', '.join(offered)}."
