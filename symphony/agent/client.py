"""Symphony as the agent sees it: what it answers to an agent's requests [CONTRACT 5.1].

Imported only when a session opens, since the SDK is slow to import.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from acp import RequestError
from acp.schema import (
    AllowedOutcome,
    DeniedOutcome,
    PermissionOption,
    RequestPermissionResponse,
    ToolCallUpdate,
)

from symphony.agent.asking import answer_of, asked_again, settled
from symphony.agent.permission import PermissionChoice, allow, allow_once, deny, read_proposal
from symphony.agent.watch import Watch
from symphony.core.agent import AgentEvent
from symphony.core.permission import OnPermission, PermissionAnswer, Proposal
from symphony.core.settings import AcpSettings
from symphony.core.text import one_line

SAID = {PermissionAnswer.ONCE: allow_once, PermissionAnswer.ALWAYS: allow, PermissionAnswer.DENY: deny}


class Client:
    """Answers permission requests and refuses everything that was not advertised.

    Attributes:
        on_wait: told when the turn begins to wait for a person, and when it no longer does.
    """

    def __init__(
        self,
        acp: AcpSettings,
        on_event: Callable[[AgentEvent], None],
        on_permission: OnPermission | None,
        calls: Mapping[str, Mapping[str, Any]],
        watch: Watch,
    ) -> None:
        """Take what answers requests, and the tool calls that the agent has told of, by their ids."""
        self._watch = watch
        self._calls = calls
        self._acp = acp
        self._on_event = on_event
        self._on_permission = on_permission
        self._cancelled = asyncio.Event()
        self._asking = 0
        self.on_wait: Callable[[bool], None] = lambda _: None

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
        del session_id  # a process has one
        choices = tuple(PermissionChoice(option.option_id, option.name, option.kind) for option in options)
        call = tool_call.model_dump(by_alias=True, mode="json")
        known = self._calls.get(tool_call.tool_call_id, {})
        proposal = read_proposal(call, choices, known)
        said = {name: value for name, value in {**known, **call}.items() if value}
        against = self._watch.asked(tool_call.tool_call_id, said, proposal)
        answer, why = await self._decide(proposal, against)
        if answer is not None and self._watch.blocks:
            answer = asked_again(answer, proposal)
        choice = None if answer is None else SAID[answer](choices)
        answered = "cancelled" if choice is None else one_line(choice.name or choice.id, 80)
        self._on_event(AgentEvent("permission", f"{proposal.title}: {answered} ({why})"))
        if choice is None:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=choice.id))

    async def _decide(self, proposal: Proposal, against: str) -> tuple[PermissionAnswer | None, str]:
        """Return the answer, None for a cancelled turn, and the reason."""
        if self._cancelled.is_set():
            return None, "the turn is being cancelled"
        ask = self._on_permission
        answer, why = settled(self._acp, proposal, can_ask=ask is not None, against=against)
        if answer is not None or ask is None:
            return answer, why
        self._on_event(AgentEvent("permission", f"{proposal.title}: a person is asked ({why})"))
        with self._waiting():
            return await answer_of(ask(proposal), self._cancelled)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Tell while any request waits for a person: agents may have several open at once."""
        self._asking += 1
        if self._asking == 1:
            self.on_wait(True)
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self.on_wait(False)

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
