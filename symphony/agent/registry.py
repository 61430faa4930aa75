"""The registry of adapters: starts an agent program in a sandbox and opens a session with it.

Called by the engine through `core.ports.Agents`. It starts no process of its own, and imports
the ACP SDK only when the first session opens.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType

from symphony.agent.adapters import Adapter, find_adapter
from symphony.agent.bounds import Bounds
from symphony.agent.errors import AgentNotFound
from symphony.agent.launch import launch_of
from symphony.agent.needs import guest_needs, host_environment
from symphony.core.agent import AgentEvent, SessionSpec
from symphony.core.errors import SymphonyError
from symphony.core.machine import GuestNeeds
from symphony.core.permission import OnPermission
from symphony.core.ports import Process, Sandbox, Session
from symphony.core.settings import AcpSettings

PROGRAM_NOT_FOUND = frozenset({"sandbox.program_not_found", "process.program_not_found"})


class AcpAgents:
    """`core.ports.Agents` over the Agent Client Protocol."""

    def __init__(
        self,
        *,
        bounds: Bounds | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Take what sessions share.

        Args:
            bounds: how long to wait for what no setting bounds.
            now: the time, for reading when a rate limit ends.
            environ: the host's, where credentials are looked for; by default there are none.
        """
        self._bounds = bounds or Bounds()
        self._now = now
        self._environ = environ or {}

    def guest_needs(self, acp: AcpSettings, credentials: Mapping[str, str]) -> GuestNeeds:
        """Return what the adapter's program needs of the network when it runs in a guest.

        Raises:
            AgentError: `agent.unknown_adapter`, `agent.credential_without_host`.
        """
        return guest_needs(find_adapter(acp.adapter), credentials, self._environ)

    async def preload(self) -> None:
        """Import the SDK in a thread, so that the first session does not wait for it."""
        await _load()

    @asynccontextmanager
    async def open_session(
        self,
        spec: SessionSpec,
        sandbox: Sandbox,
        on_event: Callable[[AgentEvent], None],
        on_permission: OnPermission | None = None,
    ) -> AsyncIterator[Session]:
        """Start the adapter's program in the sandbox and open a session.

        Raises:
            AgentError: on entering, `agent.*` with stderr's tail.
        Cancellation: the program is ended first, in bounded time.
        """
        adapter = find_adapter(spec.acp.adapter)
        known = host_environment(adapter, self._environ)
        launch = launch_of(adapter, spec.acp, known, in_guest=sandbox.machine is not None)
        environment = {**launch.environment, **spec.environment}
        if sandbox.machine is None:  # a machine has them already, with placeholders for secrets
            environment = {**known, **environment}
        spec = replace(spec, environment=environment, credentials=frozenset(known))
        process = await _start(adapter, launch.argv, spec, sandbox)
        try:
            conversation = await _load()
        except BaseException:
            await process.kill()
            raise
        async with conversation.open_conversation(
            process, adapter, spec, on_event, on_permission, self._bounds, self._now
        ) as session:
            yield session


async def _load() -> ModuleType:
    return await asyncio.to_thread(importlib.import_module, "symphony.agent.conversation")


async def _start(adapter: Adapter, argv: tuple[str, ...], spec: SessionSpec, sandbox: Sandbox) -> Process:
    try:
        return await sandbox.start(argv, cwd=spec.cwd, environment=spec.environment)
    except SymphonyError as error:
        if error.code not in PROGRAM_NOT_FOUND:
            raise
        if spec.acp.command is not None:
            message = f'The shell "{argv[0]}" that runs `acp.command` was not found in the sandbox.'
            raise AgentNotFound(message, remedy="Install it, or set `acp.shell`.") from error
        message = f'The program "{argv[0]}" of the adapter "{adapter.name}" was not found in the sandbox.'
        raise AgentNotFound(message, remedy=adapter.install) from error
