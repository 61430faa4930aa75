"""ACP's JSON-RPC messages as they come from an untrusted program: decoded, and mended for the SDK.

Pure. The SDK's reading loop ends on a few malformed messages and refuses unknown words in
others; what is mended here keeps one odd message from costing a whole turn.
"""

import json
from collections.abc import Mapping
from typing import Any

from symphony.agent.permission import known_kind
from symphony.core.agent import StopKind

PERMISSION = "session/request_permission"
Frame = dict[str, Any]


def encode(frame: Mapping[str, Any]) -> bytes:
    """Return the message as one line."""
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Frame | None:
    """Return the message, or None when the line is not one."""
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(frame, dict):
        return None
    identity, method = frame.get("id"), frame.get("method")
    if not isinstance(identity, int | str | None) or not isinstance(method, str | None):
        return None
    return None if identity is None and method is None else frame


def mend(frame: Frame) -> Frame:
    """Return the message with what the SDK cannot read replaced by what it can."""
    if frame.get("method") == PERMISSION:
        return _mend_permission(frame)
    if "method" in frame:
        return frame
    error = frame.get("error")
    if error is not None and not isinstance(error, dict):
        return {**frame, "error": {"code": -32603, "message": str(error)}}
    return frame


def unknown_stop(frame: Mapping[str, Any]) -> str | None:
    """Return the stop reason of a prompt's answer when symphony does not know it."""
    result = frame.get("result")
    reason = result.get("stopReason") if isinstance(result, dict) else None
    return reason if isinstance(reason, str) and reason not in set(StopKind) else None


def with_stop(frame: Frame, reason: StopKind) -> Frame:
    """Return a prompt's answer with another stop reason."""
    return {**frame, "result": {**frame["result"], "stopReason": reason.value}}


def _mend_permission(frame: Frame) -> Frame:
    params = frame.get("params")
    options = params.get("options") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(options, list):
        return frame
    mended = [
        {**option, "kind": known_kind(option["kind"])}
        for option in options
        if isinstance(option, dict) and isinstance(option.get("kind"), str)
    ]
    return {**frame, "params": {**params, "options": mended}}
