"""Agent programs and their sessions [CONTRACT 5]."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from symphony.core.agent import AgentEvent, SessionSpec, TurnEnd
from symphony.core.errors import SymphonyError
from symphony.core.machine import GuestNeeds
from symphony.core.permission import OnPermission
from symphony.core.ports.sandbox import Sandbox
from symphony.core.settings import AcpSettings, SmolvmSettings


class Session(Protocol):
    """An open ACP session."""

    @property
    def id(self) -> str:
        """The agent's name for it."""
        ...

    @property
    def model(self) -> str:
        """The model that it works with, as the agent calls it; empty when the agent does not say."""
        ...

    @property
    def resumed(self) -> bool:
        """Say whether it goes on with the session that was asked for."""
        ...

    @property
    def last_words(self) -> str:
        """Return the last of what it wrote to stderr as one bounded line, without secrets."""
        ...

    async def lost(self) -> SymphonyError:
        """Return why nothing more can be said to the agent, once its program has ended by itself."""
        ...

    async def prompt(self, text: str) -> TurnEnd:
        """Run one turn to its end.

        Raises:
            AgentError: `agent.*`: exited, closed, timed out, frame too large, and the like.
        Cancellation: the agent is told to cancel and given a bounded time for it.
        """
        ...

    async def cancel(self) -> None:
        """Ask the agent to end the running turn; `prompt` then returns or raises in bounded time."""
        ...


class Agents(Protocol):
    """The registry of adapters."""

    async def guest_needs(self, acp: AcpSettings, smolvm: SmolvmSettings) -> GuestNeeds:
        """Return what the adapter's program needs of its machine, asked just before that is made.

        Args:
            acp: names the adapter.
            smolvm: its `credentials` come beside the adapter's own and in their place.

        Raises:
            AgentError: `agent.unknown_adapter`, `agent.credential_without_host`,
                `agent.credential_missing`, `agent.login_*`.
        """
        ...

    def open_session(
        self,
        spec: SessionSpec,
        sandbox: Sandbox,
        on_event: Callable[[AgentEvent], None],
        on_permission: OnPermission | None = None,
    ) -> AbstractAsyncContextManager[Session]:
        """Start the adapter's program in the sandbox and open a session.

        Args:
            spec: what the attempt wants.
            sandbox: where the program runs.
            on_event: hears every sign of life.
            on_permission: asks a person what the settings leave to one; without it that is refused. The
                bound of a turn does not run while it is awaited.

        Raises:
            AgentError: on entering, `agent.*` with stderr's tail.
        """
        ...
