"""Tool calls as an agent reports them, from loose JSON to a bounded value [ACP session/update].

Lenient: agents are ahead of any schema, and whatever is not as expected is left out.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from symphony.core.branch import LINES_SHOWN, FileDiff
from symphony.core.text import one_line, plain
from symphony.web.timeline.comparison import compare
from symphony.web.timeline.entries import (
    ARGUMENTS,
    BLOCKS,
    LINE_LIMIT,
    TEXT_LIMIT,
    VALUE_LIMIT,
    Argument,
    ToolCall,
)

PATHS: Final = 20
SHOWN_BY_DIFF: Final = frozenset(
    {"old_string", "new_string", "content", "oldText", "newText", "old_str", "new_str"}
)


def with_update(call: ToolCall, update: Mapping[str, Any]) -> ToolCall:
    """Return the call after an update; what the update does not name stays as it was."""
    changed: dict[str, Any] = {
        name: one_line(value, LINE_LIMIT)
        for name in ("title", "kind", "status")
        if isinstance(value := update.get(name), str) and value.strip()
    }
    if isinstance(locations := update.get("locations"), list):
        changed["paths"] = tuple(_paths(locations))
    if isinstance(content := update.get("content"), list):
        diffs, outputs = _content(content)
        changed |= {"diffs": diffs, "outputs": outputs}
    shows = changed.get("outputs") or changed.get("diffs") or call.outputs or call.diffs
    if terminal := _terminal_output(update):
        changed["outputs"] = (*changed.get("outputs", call.outputs), terminal)[-BLOCKS:]
    elif not shows and (raw := _raw_output(update.get("rawOutput"))):
        changed["outputs"] = (raw,)
    if update.get("rawInput") not in (None, {}):
        has_diff = bool(changed.get("diffs", call.diffs))
        changed["arguments"] = tuple(_arguments(update["rawInput"], has_diff=has_diff))
    elif changed.get("diffs"):
        changed["arguments"] = tuple(each for each in call.arguments if each.name not in SHOWN_BY_DIFF)
    return replace(call, **changed)


def _paths(locations: list[Any]) -> Iterator[str]:
    for location in locations[:PATHS]:
        match location:
            case {"path": str(path), "line": int(line)}:
                yield one_line(f"{path}:{line}", LINE_LIMIT)
            case {"path": str(path)}:
                yield one_line(path, LINE_LIMIT)


def _content(content: list[Any]) -> tuple[tuple[FileDiff, ...], tuple[str, ...]]:
    diffs: list[FileDiff] = []
    outputs: list[str] = []
    for block in content[:BLOCKS]:
        if sum(len(diff.lines) for diff in diffs) > LINES_SHOWN or sum(map(len, outputs)) > 2 * TEXT_LIMIT:
            outputs.append("[the rest is not shown]")
            break
        match block:
            case {"type": "diff", "path": str(path), "newText": str(after)}:
                before = block.get("oldText")
                diffs.append(compare(path, before if isinstance(before, str) else None, after))
            case {"type": "content", "content": {"text": str(text)}} if text.strip():
                outputs.append(_ends(text))
            case {"type": "content", "content": {"resource": {"text": str(text)}}} if text.strip():
                outputs.append(_ends(text))
            case {"type": "terminal", "terminalId": str(terminal)}:
                outputs.append(f"[terminal {one_line(terminal, 40)}]")
            case {"type": "content", "content": {"type": str(kind)}} if kind != "text":
                outputs.append(f"[{one_line(kind, 40)}]")
    if len(content) > BLOCKS:
        outputs.append(f"[{len(content) - BLOCKS} more parts are not shown]")
    return tuple(diffs), tuple(outputs)


def _terminal_output(update: Mapping[str, Any]) -> str:
    match update.get("_meta"):
        case {"terminal_output": {"data": str(text)}}:
            return _ends(text)
    return ""


def _raw_output(output: Any) -> str:
    match output:
        case _ if not output:
            return ""
        case str(text):
            return _ends(text)
        case {"formatted_output": str(text)} | {"output": str(text)} | {"stdout": str(text)} if text:
            return _ends(text)
        case _:
            return plain(_json(output, indent=1), VALUE_LIMIT)


def _arguments(given: Any, *, has_diff: bool) -> Iterator[Argument]:
    if not isinstance(given, Mapping):
        yield Argument("", _value(given))
        return
    for number, (name, value) in enumerate(given.items()):
        if number == ARGUMENTS:
            yield Argument("…", f"{len(given) - ARGUMENTS} more are not shown")
            return
        if not (has_diff and name in SHOWN_BY_DIFF):
            yield Argument(one_line(str(name), 80), _value(value))


def _value(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return plain(" ".join(value), VALUE_LIMIT)
    return plain(value if isinstance(value, str) else _json(value), VALUE_LIMIT)


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def _ends(text: str) -> str:
    """Return a text, the middle of a long one left out: commands say how it went at their end."""
    if len(text) <= TEXT_LIMIT:
        return plain(text.rstrip(), TEXT_LIMIT)
    half = TEXT_LIMIT // 2
    left_out = len(text) - 2 * half
    return (
        f"{plain(text[:half], half)}\n[… {left_out} characters are not shown …]\n{plain(text[-half:], half)}"
    )
