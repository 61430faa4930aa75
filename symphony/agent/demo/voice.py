"""What the demo agent shows of its work: messages, a plan, and tool calls with diffs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from symphony.agent.demo.edits import Edit
from symphony.agent.demo.peer import Peer
from symphony.agent.demo.shell import Ran

SHOWN = 4_000  # characters of a command's output in a tool call
DIFF_SHOWN = 100_000  # characters of a file; longer ones are named only


class Voice:
    """Speaks in one session."""

    def __init__(self, peer: Peer, session_id: str) -> None:
        self._peer = peer
        self._session_id = session_id
        self._calls = count(1)

    async def say(self, text: str) -> None:
        """Say something to the person."""
        await self._show("agent_message_chunk", content=_block(text))

    async def plan(self, steps: Sequence[str], done: int) -> None:
        """Show the plan: so many steps are done, and the next one is under way."""
        entries = [
            {"content": step, "priority": "medium", "status": _status(number, done)}
            for number, step in enumerate(steps)
        ]
        await self._show("plan", entries=entries)

    async def start(self, title: str, kind: str) -> str:
        """Show that something begins; return its id for the end."""
        call = f"call-{next(self._calls)}"
        await self._show("tool_call", toolCallId=call, title=title, kind=kind, status="in_progress")
        return call

    async def ran(self, call: str, ran: Ran) -> None:
        """Show how a command ended."""
        await self.ended(call, ran.ok, f"{ran.output[-SHOWN:]}\n({ran.verdict})".lstrip())

    async def ended(self, call: str, ok: bool, text: str) -> None:
        """Show how something ended."""
        shown = {"content": [{"type": "content", "content": _block(text)}]} if text else {}
        await self._show("tool_call_update", toolCallId=call, status="completed" if ok else "failed", **shown)

    async def edited(self, path: str, edit: Edit) -> None:
        """Show a file's change."""
        small = len(edit.after) + len(edit.before or "") <= DIFF_SHOWN
        diff = {"type": "diff", "path": path, "oldText": edit.before, "newText": edit.after}
        await self._show(
            "tool_call",
            toolCallId=f"call-{next(self._calls)}",
            title=f"Edit {edit.path}",
            kind="edit",
            status="completed",
            locations=[{"path": path}],
            **({"content": [diff]} if small else {}),
        )

    async def _show(self, update: str, /, **fields: Any) -> None:
        params = {"sessionId": self._session_id, "update": {"sessionUpdate": update, **fields}}
        await self._peer.tell("session/update", params)


def _block(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _status(number: int, done: int) -> str:
    if number < done:
        return "completed"
    return "in_progress" if number == done else "pending"
