"""What the demo agent shows of its work: messages, a plan, and tool calls with diffs."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from acp import (
    plan_entry,
    start_tool_call,
    text_block,
    tool_content,
    tool_diff_content,
    update_agent_message_text,
    update_plan,
    update_tool_call,
)
from acp.interfaces import Client
from acp.schema import PlanEntryStatus, ToolCallLocation, ToolKind

from symphony.agent.demo.edits import Edit
from symphony.agent.demo.shell import Ran

SHOWN = 4_000  # characters of a command's output in a tool call
DIFF_SHOWN = 100_000  # characters of a file; longer ones are named only


class Voice:
    """Speaks in one session."""

    def __init__(self, client: Client, session_id: str) -> None:
        self._client = client
        self._session_id = session_id
        self._calls = count(1)

    async def say(self, text: str) -> None:
        """Say something to the person."""
        await self._send(update_agent_message_text(text))

    async def plan(self, steps: Sequence[str], done: int) -> None:
        """Show the plan: so many steps are done, and the next one is under way."""
        await self._send(
            update_plan([plan_entry(step, status=_status(n, done)) for n, step in enumerate(steps)])
        )

    async def start(self, title: str, kind: ToolKind) -> str:
        """Show that something begins; return its id for the end."""
        call = f"call-{next(self._calls)}"
        await self._send(start_tool_call(call, title, kind=kind, status="in_progress"))
        return call

    async def ran(self, call: str, ran: Ran) -> None:
        """Show how a command ended."""
        await self.ended(call, ran.ok, f"{ran.output[-SHOWN:]}\n({ran.verdict})".lstrip())

    async def ended(self, call: str, ok: bool, text: str) -> None:
        """Show how something ended."""
        content = [tool_content(text_block(text))] if text else None
        await self._send(update_tool_call(call, status="completed" if ok else "failed", content=content))

    async def edited(self, path: str, edit: Edit) -> None:
        """Show a file's change."""
        call = f"call-{next(self._calls)}"
        small = len(edit.after) + len(edit.before or "") <= DIFF_SHOWN
        await self._send(
            start_tool_call(
                call,
                f"Edit {edit.path}",
                kind="edit",
                status="completed",
                content=[tool_diff_content(path, edit.after, edit.before)] if small else None,
                locations=[ToolCallLocation(path=path)],
            )
        )

    async def _send(self, update: Any) -> None:
        await self._client.session_update(session_id=self._session_id, update=update)


def _status(number: int, done: int) -> PlanEntryStatus:
    if number < done:
        return "completed"
    return "in_progress" if number == done else "pending"
