"""What an agent's `session/update` means to people: one event with one line [ACP session/update].

Pure and lenient: agents are ahead of any schema, so an unknown or malformed update becomes an
event of kind `other` and never an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symphony.core.text import counted, one_line

LINE = 200  # characters of a summary
SHOWN_COMMANDS = 12
SHOWN_ENTRIES = 3  # plan entries named in a summary


@dataclass(frozen=True, slots=True)
class Update:
    """One update, read.

    Attributes:
        kind: as of AgentEvent.
        summary: one line for people.
        said: what the agent says to the user with it, unbounded.
        message_id: chunks with the same one are one message; None when the agent gives none.
        usage: the raw report, when it is one.
    """

    kind: str
    summary: str
    said: str = ""
    message_id: str | None = None
    usage: Mapping[str, Any] | None = None


def read_update(params: Any) -> Update:
    """Read the params of a `session/update` notification; never raises."""
    update = params.get("update") if isinstance(params, Mapping) else None
    if not isinstance(update, Mapping):
        return Update("other", "an update without content")
    name = update.get("sessionUpdate")
    match name:
        case "agent_message_chunk":
            said = _content_text(update.get("content"))
            identity = update.get("messageId")
            return Update("message", _line(said), said, identity if isinstance(identity, str) else None)
        case "agent_thought_chunk":
            return Update("thought", _line(_content_text(update.get("content"))))
        case "tool_call" | "tool_call_update":
            return Update("tool_call", _tool_call(update))
        case "plan":
            return Update("plan", _plan(update.get("entries")))
        case "usage_update":
            return Update("usage", _usage(update), usage=update)
        case "current_mode_update":
            return Update("mode", _line(f"mode: {_word(update.get('currentModeId'))}"))
        case "available_commands_update":
            return Update("commands", _commands(update.get("availableCommands")))
        case "config_option_update":
            return Update("options", _options(update.get("configOptions")))
        case "session_info_update":
            return Update("session", _line(f"session: {_word(update.get('title'))}"))
        case "user_message_chunk":
            return Update("other", str(name))
        case _:
            return Update("other", _line(f"unknown update: {_word(name)}"))


def _content_text(content: Any) -> str:
    if not isinstance(content, Mapping):
        return ""
    text = content.get("text")
    if isinstance(text, str):
        return text
    kind = content.get("type")
    return f"[{kind}]" if isinstance(kind, str) else ""


def _tool_call(update: Mapping[str, Any]) -> str:
    parts = [
        value
        for value in (update.get("title"), update.get("status"))
        if isinstance(value, str) and value.strip()
    ]
    if isinstance(update.get("title"), str):
        parts[1:] = [f"({part})" for part in parts[1:]]
    else:
        parts = [_word(update.get("toolCallId")), *(f"({part})" for part in parts)]
    return _line(" ".join(parts))


def _plan(entries: Any) -> str:
    steps = _maps(entries)
    done = sum(1 for step in steps if step.get("status") == "completed")
    current = [_word(step.get("content")) for step in steps if step.get("status") == "in_progress"]
    now = f": {'; '.join(current[:SHOWN_ENTRIES])}" if current else ""
    return _line(f"plan {done}/{len(steps)} done{now}")


def _commands(commands: Any) -> str:
    names = [f"/{_word(each.get('name'))}" for each in _maps(commands)]
    more = ", …" if len(names) > SHOWN_COMMANDS else ""
    return _line(f"{counted(len(names), 'command')}: {', '.join(names[:SHOWN_COMMANDS])}{more}".rstrip(": "))


def _options(options: Any) -> str:
    chosen = [f"{_word(each.get('id'))} {_shown(each.get('currentValue'))}" for each in _maps(options)]
    return _line(f"options: {', '.join(chosen)}")


def _maps(values: Any) -> list[Mapping[str, Any]]:
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else _word(value)


def _usage(update: Mapping[str, Any]) -> str:
    used, size, cost = update.get("used"), update.get("size"), update.get("cost")
    spent = f", {cost.get('amount')} {cost.get('currency')}" if isinstance(cost, Mapping) else ""
    return _line(f"context {used} of {size} tokens{spent}")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else "?"


def _line(text: str) -> str:
    return one_line(text, LINE)
