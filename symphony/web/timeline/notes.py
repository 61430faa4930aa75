"""Lines of a run log that are no agent's message, each as a note [the engine's `run_log.append`]."""

import json
from collections.abc import Mapping
from typing import Any, Final

from symphony.core.text import counted, duration, one_line, plain
from symphony.web.timeline.entries import LINE_LIMIT, TEXT_LIMIT, VALUE_LIMIT, Note, Tone

HEAD: Final = frozenset({"at", "attempt", "kind"})
LABEL: Final = 30  # characters of an unknown kind's name
CALM_ENDS: Final = frozenset(
    {"held_back", "sent_back", "turns_exhausted", "waiting_for_reply", "rate_limited"}
)
JOINED: Final = frozenset({"stderr", "garbage"})
"""Kinds that come line by line and are one note as long as nothing else comes in between."""


def note_of(fields: Mapping[str, Any]) -> Note:
    """Return what a line says; one that is not as expected is shown field by field."""
    match fields:
        case {"kind": "permission", "text": str(text)}:
            return _note("permission", text, tone=Tone.ATTENTION)
        case {"kind": "warning", "text": str(text)}:
            return _note("warning", text, tone=Tone.ATTENTION)
        case {"kind": "hook", "name": name, "status": status}:
            return _hook(str(name), status, fields)
        case {"kind": "host_tool", "name": name, "arguments": str(arguments)}:
            return _host_tool(str(name), arguments, fields)
        case {"kind": "question", "question": str(question)}:
            return _note("question", question, fields.get("context"), Tone.ATTENTION)
        case {"kind": "mark_done", "title": str(title), "summary": str(summary)}:
            return _note("mark_done", title, summary, Tone.GOOD)
        case {"kind": "transition_asked", "to": str(state), "notes": str(notes)}:
            return _note("transition", f"to {state}", notes, Tone.GOOD)
        case {"kind": "transition", "note": str(note)}:
            return _note("moved", note, tone=Tone.GOOD)
        case {"kind": "handoff", "note": str(note)}:
            return _note("handoff", note, tone=Tone.GOOD)
        case {"kind": "problem", "step": step, "message": message}:
            return _note("problem", f"{step}: {message}", tone=Tone.BAD)
        case {"kind": "guard", "text": str(text)}:
            return _note("guard", text, tone=Tone.ATTENTION)
        case {"kind": "access", "text": str(text)}:
            return _note("access", text, tone=Tone.ATTENTION)
        case {"kind": "machine", "text": str(text)}:
            return _note("machine", f"{fields.get('name') or 'the machine'} {text}", tone=Tone.QUIET)
        case {"kind": "ended", "outcome": outcome}:
            return _ended(str(outcome), fields)
        case {"kind": "uncommitted_work_saved"}:
            return _note("saved", "Work that the agent had not committed was committed to the branch.")
        case {"kind": "mcp_connected", "client": client}:
            return _note("connected", f"The agent can reach symphony ({client}).", tone=Tone.QUIET)
        case {"kind": "proposed_issue", "id": issue_id, "title": title}:
            return _note("proposes", f"issue {issue_id}: {title}")
        case {"kind": "dropped", "lines": lines}:
            return _note(
                "dropped", f"{lines} lines are missing: the disk was slower than the agent.", tone=Tone.BAD
            )
        case {"kind": "stderr" | "garbage" as kind, "text": str(text)}:
            return Note(kind, "", plain(text, TEXT_LIMIT), Tone.QUIET if kind == "stderr" else Tone.BAD)
        case {"kind": str(kind), "text": str(text)}:
            return _note(kind, text, tone=Tone.QUIET)
        case _:
            shown = "  ".join(_field(name, value) for name, value in fields.items() if name not in HEAD)
            return _note(str(fields.get("kind", "?")), shown)


def _hook(name: str, status: Any, fields: Mapping[str, Any]) -> Note:
    how = "killed at its timeout" if status is None else "passed" if status == 0 else f"exit status {status}"
    seconds = fields.get("seconds")
    took = f" after {duration(seconds)}" if isinstance(seconds, int | float) and seconds >= 1 else ""
    output = plain(str(fields.get("output") or "").rstrip(), TEXT_LIMIT)
    tone = Tone.GOOD if status == 0 else Tone.BAD
    return Note("hook", one_line(f"{name}: {how}{took}", LINE_LIMIT), output, tone, folded=status == 0)


def _host_tool(name: str, arguments: str, fields: Mapping[str, Any]) -> Note:
    status, problem = fields.get("status"), str(fields.get("problem") or "")
    how = problem or f"ended with status {status}"
    seconds = fields.get("seconds")
    took = f" after {duration(seconds)}" if isinstance(seconds, int | float) and seconds >= 1 else ""
    tone = Tone.QUIET if status == 0 else Tone.BAD
    return _note("host tool", f"{name} {how}{took}", arguments, tone)


def _ended(outcome: str, fields: Mapping[str, Any]) -> Note:
    turns = fields.get("turns")
    after = f" after {counted(turns, 'turn')}" if isinstance(turns, int) else ""
    words = outcome.replace("_", " ")
    tone = Tone.GOOD if outcome == "delivered" else Tone.ATTENTION if outcome in CALM_ENDS else Tone.BAD
    return _note("ended", f"{words}{after}", fields.get("message"), tone)


def _note(label: str, title: str, text: object = "", tone: Tone = Tone.PLAIN) -> Note:
    """Return a note; a title of several lines has its rest in the text."""
    first, _, rest = title.strip().partition("\n")
    both = "\n".join(part for part in (rest, str(text or "").strip()) if part.strip())
    if len(first) > LINE_LIMIT:
        first, both = f"{first[: LINE_LIMIT - 1]}…", f"{title.strip()}\n{both}".strip()
    return Note(one_line(label, LABEL), one_line(first, LINE_LIMIT), plain(both, TEXT_LIMIT), tone)


def _field(name: str, value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return one_line(f"{name}={shown}", VALUE_LIMIT)
