"""Anthropic's Messages API, streaming and whole [POST /v1/messages]."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.models.offered import Call, Tool, arguments_of
from tests.models.script import Refuse, Spent

Event = tuple[str, Mapping[str, Any]]
PATH = "/v1/messages"


def tools_of(body: Mapping[str, Any]) -> list[Tool]:
    """Return what the agent offers."""
    return [
        Tool(each["name"], each.get("input_schema", {}).get("properties", {}))
        for each in body.get("tools") or ()
    ]


def stream(number: int, model: str, said: str | Call, spent: Spent) -> Iterator[Event]:
    """Yield the events of one answer."""
    usage = {
        "input_tokens": spent.input,
        "cache_read_input_tokens": spent.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield "message_start", {"type": "message_start", "message": message}
    yield from _block(number, said)
    stop = "tool_use" if isinstance(said, Call) else "end_turn"
    ended = {"stop_reason": stop, "stop_sequence": None}
    yield (
        "message_delta",
        {"type": "message_delta", "delta": ended, "usage": {**usage, "output_tokens": spent.output}},
    )
    yield "message_stop", {"type": "message_stop"}


def whole(number: int, model: str, said: str | Call, spent: Spent) -> Mapping[str, Any]:
    """Return an answer in one piece, which Claude Code asks for when a stream broke off."""
    events = [event for _, event in stream(number, model, said, spent)]
    (message,) = (event["message"] for event in events if event["type"] == "message_start")
    (block,) = (event["content_block"] for event in events if event["type"] == "content_block_start")
    (ended,) = (event for event in events if event["type"] == "message_delta")
    filled = {"input": dict(said.arguments)} if isinstance(said, Call) else {"text": said}
    return {**message, "content": [{**block, **filled}], **ended["delta"], "usage": ended["usage"]}


def refusal(refuse: Refuse) -> Mapping[str, Any]:
    """Return the body of an error."""
    return {"type": "error", "error": {"type": refuse.kind, "message": refuse.message}}


def _block(number: int, said: str | Call) -> Iterator[Event]:
    if isinstance(said, Call):
        block: dict[str, Any] = {"type": "tool_use", "id": f"toolu_{number}", "name": said.name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": arguments_of(said)}
    else:
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": said}
    yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": block}
    yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": 0}
