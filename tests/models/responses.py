"""OpenAI's Responses API, streaming [POST /v1/responses]."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.models.offered import Call, Tool, arguments_of
from tests.models.script import Refuse, Spent

Event = tuple[str, Mapping[str, Any]]
PATH = "/v1/responses"


def tools_of(body: Mapping[str, Any]) -> list[Tool]:
    """Return what the agent offers, the tools of a namespace with it."""
    found: list[Tool] = []
    for each in body.get("tools") or ():
        if each.get("type") == "namespace":
            found += [
                Tool(inner["name"], _properties(inner), each["name"]) for inner in each.get("tools", ())
            ]
        elif "name" in each:
            found.append(Tool(each["name"], _properties(each)))
        elif each.get("type") == "local_shell":
            found.append(Tool("shell", {"command": {"type": "array"}}))
    return found


def stream(number: int, model: str, said: str | Call, spent: Spent) -> Iterator[Event]:
    """Yield the events of one answer."""
    response = {"id": f"resp_{number}", "object": "response", "model": model, "status": "in_progress"}
    yield "response.created", {"type": "response.created", "response": response}
    if isinstance(said, Call):
        item: dict[str, Any] = {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "name": said.name,
            "arguments": arguments_of(said),
        }
        if said.namespace is not None:
            item["namespace"] = said.namespace
        if said.text is not None:
            item = {
                "type": "custom_tool_call",
                "id": f"ct_{number}",
                "call_id": f"call_{number}",
                "name": said.name,
                "input": said.text,
            }
    else:
        identity = f"msg_{number}"
        item = {
            "type": "message",
            "id": identity,
            "role": "assistant",
            "content": [{"type": "output_text", "text": said}],
        }
        yield (
            "response.output_item.added",
            {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        )
        yield (
            "response.output_text.delta",
            {
                "type": "response.output_text.delta",
                "item_id": identity,
                "output_index": 0,
                "content_index": 0,
                "delta": said,
            },
        )
    yield (
        "response.output_item.done",
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    )
    usage = {
        "input_tokens": spent.input + spent.cached,
        "input_tokens_details": {"cached_tokens": spent.cached},
        "output_tokens": spent.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": spent.input + spent.cached + spent.output,
    }
    done = {**response, "status": "completed", "output": [item], "usage": usage}
    yield "response.completed", {"type": "response.completed", "response": done}


def refusal(refuse: Refuse) -> Mapping[str, Any]:
    """Return the body of an error."""
    return {"error": {"type": refuse.kind, "code": refuse.kind, "message": refuse.message}}


def _properties(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (tool.get("parameters") or {}).get("properties", {})
    return found
