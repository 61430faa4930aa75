"""OpenAI's Chat Completions API, streaming [POST /v1/chat/completions]."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.models.offered import Call, Tool, arguments_of
from tests.models.script import Refuse, Spent

Event = tuple[str, Mapping[str, Any]]
PATH = "/v1/chat/completions"


def tools_of(body: Mapping[str, Any]) -> list[Tool]:
    """Return what the agent offers."""
    functions = [each.get("function", {}) for each in body.get("tools") or ()]
    return [Tool(each["name"], each.get("parameters", {}).get("properties", {})) for each in functions]


def stream(number: int, model: str, said: str | Call, spent: Spent) -> Iterator[Event]:
    """Yield the events of one answer; they have no names in this dialect."""
    chunk = {"id": f"chat_{number}", "object": "chat.completion.chunk", "created": 0, "model": model}
    if isinstance(said, Call):
        function = {"name": said.name, "arguments": arguments_of(said)}
        call = {"index": 0, "id": f"call_{number}", "type": "function", "function": function}
        delta: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call]}
    else:
        delta = {"role": "assistant", "content": said}
    yield "", {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    stop = "tool_calls" if isinstance(said, Call) else "stop"
    usage = {
        "prompt_tokens": spent.input + spent.cached,
        "completion_tokens": spent.output,
        "total_tokens": spent.input + spent.cached + spent.output,
        "prompt_tokens_details": {"cached_tokens": spent.cached},
    }
    yield "", {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": stop}], "usage": usage}


def refusal(refuse: Refuse) -> Mapping[str, Any]:
    """Return the body of an error."""
    return {"error": {"type": refuse.kind, "code": refuse.kind, "message": refuse.message}}
