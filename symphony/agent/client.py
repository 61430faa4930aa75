"""Symphony as the agent sees it: what it answers to an agent's requests [CONTRACT 5.1].

Imported only when a session opens, since the SDK is slow to import.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from acp import RequestError
from acp.schema import (
    AllowedOutcome,
    DeniedOutcome,
    PermissionOption,
    RequestPermissionResponse,
    ToolCallUpdate,
)

from symphony.agent.permission import OnPermission, PermissionChoice, PermissionRequest, allow, deny
from symphony.core.agent import AgentEvent
from symphony.core.text import one_line


class Client:
    """Answers permission requests and refuses everything that was not advertised."""

    def __init__(
        self,
        policy: str,
        cwd: Path,
        on_event: Callable[[AgentEvent], None],
        on_permission: OnPermission | None,
    ) -> None:
        self._policy = policy
        self._cwd = cwd
        self._on_event = on_event
        self._on_permission = on_permission
        self._cancelled = asyncio.Event()

    def begin_turn(self) -> None:
        """Answer requests of a new turn by the policy again."""
        self._cancelled.clear()

    def cancel_turn(self) -> None:
        """Answer what is open, and all that comes until the next turn, with `cancelled`."""
        self._cancelled.set()

    async def request_permission(
        self, session_id: str, tool_call: ToolCallUpdate, options: list[PermissionOption], **_: Any
    ) -> RequestPermissionResponse:
        """Choose one of the options."""
        choices = tuple(PermissionChoice(option.option_id, option.name, option.kind) for option in options)
        title = one_line(tool_call.title or tool_call.tool_call_id)
        allowed, why = await self._decide(PermissionRequest(session_id, self._cwd, title, choices))
        choice = None if allowed is None else allow(choices) if allowed else deny(choices)
        answered = "cancelled" if choice is None else one_line(choice.name or choice.id, 80)
        self._on_event(AgentEvent("permission", f"{title}: {answered} ({why})"))
        if choice is None:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=choice.id))

    async def _decide(self, request: PermissionRequest) -> tuple[bool | None, str]:
        """Return whether to allow, None for a cancelled turn, and the reason."""
        if self._cancelled.is_set():
            return None, "the turn is being cancelled"
        if self._policy != "ask":
            return self._policy == "allow", f"acp.permission is {self._policy}"
        if self._on_permission is None:
            return False, "acp.permission is ask, and nobody can be asked here"
        asking = asyncio.ensure_future(self._on_permission(request))
        cancelling = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({asking, cancelling}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return None, "the turn is being cancelled"
            if (failure := asking.exception()) is not None:
                return False, f"asking a person failed: {one_line(str(failure))}"
            return asking.result(), "a person was asked"
        finally:
            asking.cancel()
            cancelling.cancel()

    async def session_update(self, **_: Any) -> None:
        """Do nothing: the wire hands updates to the session in their order."""

    async def read_text_file(self, **_: Any) -> NoReturn:
        """Refuse: the agent has the files itself."""
        self._refuse("fs/read_text_file")

    async def write_text_file(self, **_: Any) -> NoReturn:
        """Refuse: the agent has the files itself."""
        self._refuse("fs/write_text_file")

    async def create_terminal(self, **_: Any) -> NoReturn:
        """Refuse: the agent runs commands itself."""
        self._refuse("terminal/create")

    async def terminal_output(self, **_: Any) -> NoReturn:
        """Refuse: no terminal was created."""
        self._refuse("terminal/output")

    async def release_terminal(self, **_: Any) -> NoReturn:
        """Refuse: no terminal was created."""
        self._refuse("terminal/release")

    async def wait_for_terminal_exit(self, **_: Any) -> NoReturn:
        """Refuse: no terminal was created."""
        self._refuse("terminal/wait_for_exit")

    async def kill_terminal(self, **_: Any) -> NoReturn:
        """Refuse: no terminal was created."""
        self._refuse("terminal/kill")

    def _refuse(self, method: str) -> NoReturn:
        self._on_event(AgentEvent("other", f"refused {method}: symphony does not offer it"))
        raise RequestError.method_not_found(method)
