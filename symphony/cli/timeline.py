"""A run log's lines as a story: one entry for each thing that a person cares about.

An agent speaks in chunks, a few letters each; the protocol's messages have them whole, and they are
joined here into one entry.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from symphony.core.text import one_line, plain

TEXT = 4_000  # characters of one entry
FRAME = 400  # characters of one protocol message under --raw
LABEL = 24  # characters of an unknown kind's name
VALUE = 200  # characters of one field of an entry of an unknown kind
TITLES = 500  # tool calls that are under way at once, and many more
CHUNKS = {"agent_message_chunk": "message", "agent_thought_chunk": "thought"}
LABELS = {
    "message": "agent",
    "thought": "thinks",
    "tool_call": "tool",
    "mcp_connected": "tools",
    "mark_done": "done",
    "transition_asked": "transition",
    "transition": "moved",
    "uncommitted_work_saved": "saved",
    "proposed_issue": "proposes",
    "host_tool": "host tool",
    "frame_in": "<-",
    "frame_out": "->",
}
STYLES = {
    "phase": "dim",
    "thought": "dim italic",
    "tool_call": "cyan",
    "plan": "blue",
    "usage": "dim",
    "stderr": "dim red",
    "garbage": "red",
    "problem": "bold red",
    "question": "bold yellow",
    "permission": "yellow",
    "warning": "yellow",
    "mode": "dim",
    "commands": "dim",
    "options": "dim",
    "session": "dim",
    "program": "dim",
    "mark_done": "bold green",
    "transition_asked": "bold green",
    "transition": "green",
    "guard": "yellow",
    "handoff": "green",
    "ended": "bold",
    "dropped": "red",
}
HEAD = frozenset({"at", "attempt", "kind"})


@dataclass(frozen=True, slots=True)
class Entry:
    """What is shown of one thing that happened.

    Attributes:
        clock: the time of day in UTC.
        text: may have several lines; safe to print.
    """

    clock: str
    label: str
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A new attempt, or a new day."""

    text: str


class Timeline:
    """Turns lines into entries, in order; what an agent is still saying is held back."""

    def __init__(self, *, raw: bool = False) -> None:
        """Show the protocol's messages too if `raw`, and then nothing is joined."""
        self._raw = raw
        self._under: tuple[str, str] | None = None
        self._said: list[str] = []
        self._speech: tuple[str, str] = ("", "")
        self._expected: str | None = None
        self._titles: dict[str, str] = {}

    def take(self, fields: Mapping[str, Any]) -> Iterator[Entry | Heading]:
        """Yield what this line adds."""
        kind, at = str(fields.get("kind", "?")), str(fields.get("at", ""))
        if kind == "frame_in" and not self._raw:
            frame = fields.get("frame")
            self._remember(frame)
            if (chunk := _chunk(frame)) is not None:
                yield from self._hear(at, *chunk, fields)
            return
        if kind == "frame_out" and not self._raw:
            return
        if kind == self._expected:  # the chunk's own summary, whose text was taken from its message
            self._expected = None
            return
        yield from self.flush()
        text = self._titled(_text(fields)) if kind == "tool_call" else _text(fields)
        if text or kind not in CHUNKS.values():
            yield from self._head(fields)
            yield Entry(_clock(at), LABELS.get(kind) or one_line(kind, LABEL), text, STYLES.get(kind, ""))

    def flush(self) -> Iterator[Entry]:
        """Yield what the agent was saying."""
        text = "".join(self._said).strip()
        self._said.clear()
        self._expected = None
        if text:
            kind, at = self._speech
            yield Entry(_clock(at), LABELS[kind], plain(text, TEXT), STYLES.get(kind, ""))

    def _hear(self, at: str, kind: str, text: str, fields: Mapping[str, Any]) -> Iterator[Entry | Heading]:
        if self._said and self._speech[0] != kind:
            yield from self.flush()
        if not self._said:
            yield from self._head(fields)
            self._speech = (kind, at)
        self._said.append(text)
        self._expected = kind

    def _remember(self, frame: Any) -> None:
        """Keep the title of a tool call, which its later updates leave out."""
        match frame:
            case {"params": {"update": {"toolCallId": str(call), "title": str(title)}}}:
                while len(self._titles) >= TITLES:
                    del self._titles[next(iter(self._titles))]
                self._titles[call] = one_line(title)

    def _titled(self, text: str) -> str:
        call, space, rest = text.partition(" ")
        return f"{self._titles.get(call, call)}{space}{rest}"

    def _head(self, fields: Mapping[str, Any]) -> Iterator[Heading]:
        attempt, day = str(fields.get("attempt", "")), str(fields.get("at", ""))[:10]
        if (attempt, day) != self._under:
            self._under = (attempt, day)
            yield Heading(one_line(f"attempt {attempt or '?'}, {day} (UTC)"))


def _chunk(frame: Any) -> tuple[str, str] | None:
    """Return kind and text of a message that carries a piece of the agent's speech."""
    match frame:
        case {
            "method": "session/update",
            "params": {"update": {"sessionUpdate": str(name), "content": {"text": str(text)}}},
        } if name in CHUNKS:
            return CHUNKS[name], text
        case _:
            return None


def _clock(at: str) -> str:
    return one_line(at[11:19], 8)


def _text(fields: Mapping[str, Any]) -> str:
    """Return an entry's text, safe to print; a line that is not as expected is shown field by field."""
    match fields:
        case {"kind": "frame_in" | "frame_out", "frame": frame}:
            return one_line(_json(frame), FRAME)
        case {"kind": "phase", "phase": phase, "turn": turn}:
            return one_line(f"{phase}{f', turn {turn}' if turn else ''}")
        case {"kind": "question", "question": question}:
            return plain(f"{question}\n{fields.get('context') or ''}".strip(), TEXT)
        case {"kind": "mark_done", "title": title, "summary": summary}:
            return plain(f"{title}\n{summary}".strip(), TEXT)
        case {"kind": "hook", "name": name, "status": status}:
            ended = "killed at its timeout" if status is None else f"exit status {status}"
            return plain(f"{name}: {ended}\n{fields.get('output') or ''}".strip(), TEXT)
        case {"kind": "host_tool", "name": name, "arguments": arguments, "status": status}:
            how = fields.get("problem") or f"ended with status {status}"
            return plain(f"{name} {how}\n{arguments}".strip(), TEXT)
        case {"kind": "transition_asked", "to": state, "notes": notes}:
            return plain(f"to {state}\n{notes}".strip(), TEXT)
        case {"kind": "handoff" | "transition", "note": note}:
            return plain(str(note), TEXT)
        case {"kind": "problem", "step": step, "message": message}:
            return plain(f"{step}: {message}", TEXT)
        case {"kind": "ended", "outcome": outcome, "turns": turns}:
            said = f": {fields['message']}" if fields.get("message") else ""
            return plain(f"{outcome} after turn {turns}{said}", TEXT)
        case {"kind": "uncommitted_work_saved"}:
            return "work that the agent had not committed was committed to the branch"
        case {"kind": "mcp_connected", "client": client}:
            return one_line(f"the agent can reach symphony ({client})")
        case {"kind": "proposed_issue", "id": issue_id, "title": title}:
            return one_line(f"issue {issue_id}: {title}")
        case {"kind": "dropped", "lines": lines}:
            return one_line(f"{lines} lines are missing: the disk was slower than the agent")
        case {"text": str(text)}:
            return plain(text, TEXT)
        case _:
            return "  ".join(_field(name, value) for name, value in fields.items() if name not in HEAD)


def _field(name: str, value: Any) -> str:
    return one_line(f"{name}={value if isinstance(value, str) else _json(value)}", VALUE)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
