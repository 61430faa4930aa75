"""The agent protocol's messages in a run log: what each of them adds to the story [ACP]."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from symphony.core.text import one_line, plain
from symphony.web.timeline.entries import LINE_LIMIT, STEPS, TEXT_LIMIT, Note, Plan, Step, Tone, Voice

VOICES: Final = {"agent_message_chunk": Voice.MESSAGE, "agent_thought_chunk": Voice.THOUGHT}
PROMPT_PIECES: Final = 50


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of speech.

    Attributes:
        message: pieces with the same one belong together; None when the agent does not say.
    """

    voice: Voice
    text: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class CallUpdated:
    """News of a tool call, as the agent sent them."""

    call: str
    update: Mapping[str, Any]


Message: TypeAlias = Said | CallUpdated | Plan | Note


def read_incoming(frame: Any) -> tuple[Message | None, str]:
    """Return what an agent's message adds, and the kind of the summary line that follows it."""
    match frame:
        case {"method": "session/update", "params": {"update": {"sessionUpdate": str(name)} as update}}:
            return _update(name, update)
        case {"error": {"message": message} as error}:
            text = f"{message}\n{_detail(error.get('data'))}".strip()
            return Note("error", "The agent answered with an error.", plain(text, TEXT_LIMIT), Tone.BAD), ""
        case {"result": {"stopReason": str(reason)}} if reason != "end_turn":
            words = one_line(reason.replace("_", " "), LINE_LIMIT)
            return Note("turn", f"The turn ended: {words}.", tone=Tone.ATTENTION), ""
        case _:
            return None, ""


def read_outgoing(frame: Any) -> Said | None:
    """Return what symphony says to the agent, if the message is a prompt."""
    match frame:
        case {"method": "session/prompt", "params": {"prompt": list(blocks)}}:
            texts = [
                str(block["text"])
                for block in blocks[:PROMPT_PIECES]
                if isinstance(block, dict) and "text" in block
            ]
            return Said(Voice.PROMPT, plain("\n\n".join(texts), TEXT_LIMIT))
        case _:
            return None


def _update(name: str, update: Mapping[str, Any]) -> tuple[Message | None, str]:
    match name, update:
        case (("agent_message_chunk" | "agent_thought_chunk"), {"content": {"text": str(text)}}):
            message = update.get("messageId")
            said = Said(VOICES[name], text, message if isinstance(message, str) else None)
            return said, said.voice.value
        case (("tool_call" | "tool_call_update"), {"toolCallId": str(call)}):
            return CallUpdated(one_line(call, LINE_LIMIT), update), "tool_call"
        case "plan", {"entries": list(entries)}:
            return Plan(tuple(_step(entry) for entry in entries[:STEPS] if isinstance(entry, dict))), "plan"
        case "usage_update", {"used": int(used), "size": int(size)}:
            return Note(
                "usage", f"context {used:,} of {size:,} tokens{_cost(update)}", tone=Tone.QUIET
            ), "usage"
        case _:
            return None, ""


def _step(entry: Mapping[str, Any]) -> Step:
    return Step(
        one_line(str(entry.get("content", "")), LINE_LIMIT), one_line(str(entry.get("status", "")), 20)
    )


def _cost(update: Mapping[str, Any]) -> str:
    match update.get("cost"):
        case {"amount": (int() | float()) as amount, "currency": str(currency)}:
            return f", {amount:.2f} {one_line(currency, 8)}"
    return ""


def _detail(data: Any) -> str:
    match data:
        case {"details": str(text)} | {"message": str(text)} | str(text):
            return text
        case _:
            return ""
