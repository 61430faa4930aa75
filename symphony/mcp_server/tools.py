"""The tools as an agent sees them: names, descriptions and input schemas [CONTRACT 6.2-6.4].

The texts are written for a model that reads them once: when to call, what to give, what
happens then. The limits are those that `arguments` enforces.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from symphony.core.ports import AgentReports
from symphony.core.text import one_line
from symphony.core.tool import Tool
from symphony.core.transition import Exits

TITLE_ADVISED: Final = 72  # a commit subject is shown whole up to here
TITLE_LIMIT: Final = 200
TEXT_LIMIT: Final = 20_000  # what a person can still read; the request's own bound is 1 MiB
LABELS_LIMIT: Final = 20
LABEL_LIMIT: Final = 50
PRIORITY_LIMIT: Final = 1_000
NOTES_LIMIT: Final = 8_000  # they become a part of the issue, and of every later prompt


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

TRANSITION: Final = "transition"
INTRODUCTION: Final = "These tools report to symphony, which runs you on one issue."


def transition_tool(exits: Exits) -> Tool:
    """Return the tool that sends an issue to another state, with the states that it takes."""
    where = "; ".join(map(str, exits.targets))
    return Tool(
        TRANSITION,
        "Send the issue to another state, when your part of it is done or another has to take over. Commit "
        "your work first: whoever works on it next goes on in the same folder and branch. Call it once, as "
        "the last thing you do, then end your turn. Checks may run then; if they fail you are told why and "
        f"go on. The states: {where}.",
        schema_of(
            {
                "to_state": {
                    "type": "string",
                    "enum": [target.state for target in exits.targets],
                    "description": "The state that the issue goes to.",
                },
                "notes": {
                    "type": ["string", "null"],
                    "maxLength": NOTES_LIMIT,
                    "description": "What the next one has to know, in Markdown: what you did, what you "
                    "found, what is wanted. It is added to the issue. Optional.",
                },
            },
            ("to_state",),
        ),
    )


def tools_of(reports: AgentReports) -> Mapping[str, Tool]:
    """Return what one dispatch offers, by name: symphony's own tools first, then the workflow's."""
    tools = dict(TOOLS)
    if not reports.exits.finishes:
        del tools[MARK_DONE.name]
    if reports.exits.targets:
        tools[TRANSITION] = transition_tool(reports.exits)
    return {**tools, **{tool.name: tool for tool in reports.tools}}


def instructions_of(exits: Exits) -> str:
    """Return what one dispatch's agent reads about its tools as a whole."""
    ends = []
    if exits.finishes:
        ends.append("mark_done when the issue is finished")
    if exits.targets:
        ends.append("transition when another state has to take over")
    ends.append("request_human_steering when only a person can decide")
    return f"{INTRODUCTION} Call {', '.join(ends[:-1])}, or {ends[-1]}."


def unknown_tool(name: str, offered: Iterable[str]) -> str:
    """Return the sentence about a tool that is not offered."""
    return f"There is no tool {one_line(name, 60)!r}. The tools are {', '.join(offered)}."
