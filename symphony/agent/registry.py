"""The registry of adapters: starts an agent program in a sandbox and opens a session with it.

Called by the engine through `core.ports.Agents`. It starts no process of its own, and imports
the ACP SDK only when the first session opens.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from types import ModuleType

from symphony.agent.adapters import Adapter, adapter_of
from symphony.agent.advertised import Advertised
from symphony.agent.bounds import Bounds
from symphony.agent.credentials.logins import Logins
from symphony.agent.credentials.refusal import RenewingSession, explain
from symphony.agent.credentials.supply import Supplies
from symphony.agent.errors import AgentAuthRequired, AgentNotFound
from symphony.agent.launch import launch_of
from symphony.agent.needs import host_environment
from symphony.core.agent import AgentEvent, SessionSpec
from symphony.core.errors import SymphonyError
from symphony.core.machine import GuestNeeds
from symphony.core.permission import OnPermission
from symphony.core.ports import Clock, Process, Sandbox, Session
from symphony.core.settings import AcpSettings, SmolvmSettings
from symphony.host.clock import SystemClock

PROGRAM_NOT_FOUND = frozenset({"sandbox.program_not_found", "process.program_not_found"})


class AcpAgents:
    """`core.ports.Agents` over the Agent Client Protocol.

    Attributes:
        logins: the owner of the user's logins.
    """

    def __init__(
        self,
        *,
        bounds: Bounds | None = None,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
        logins: Logins | None = None,
        advertised: Advertised | None = None,
    ) -> None:
        """Take what sessions share.

        Args:
            bounds: how long to wait for what no setting bounds.
            clock: the time, for reading when a rate limit ends and for renewing logins.
            environ: the host's, where credentials are looked for; by default there are none.
            logins: the owner of the user's logins; by default one of its own.
            advertised: where what programs offer is remembered; by default it is not.
        """
        self._bounds = bounds or Bounds()
        self._advertised = advertised
        self._clock = clock or SystemClock()
        self._environ = environ or {}
        self.logins = logins or Logins(self._environ, self._clock)
        self._supplies = Supplies(self._environ, self._clock, self.logins)

    async def guest_needs(self, acp: AcpSettings, smolvm: SmolvmSettings) -> GuestNeeds:
        """Return what the adapter's program needs of its machine.

        Raises:
            AgentError: `agent.unknown_adapter`, `agent.credential_without_host`,
                `agent.credential_missing`, `agent.login_*`.
        """
        return await self._supplies.needs(adapter_of(acp), acp, smolvm)

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
        adapter = adapter_of(spec.acp)
        known = host_environment(adapter, self._environ)
        in_guest = sandbox.machine is not None
        launch = launch_of(adapter, spec.asking, known, in_guest=in_guest)
        supplied = self._supplies.in_guest if in_guest else self._supplies.for_host
        supply = await supplied(adapter, spec.acp)
        if supply.file is not None:
            await supply.file.write(sandbox)
        environment = {**launch.environment, **supply.environment, **spec.environment}
        if not in_guest:  # a machine has them already, with placeholders for secrets
            environment = {**known, **environment}
        spec = replace(spec, environment=environment, credentials=frozenset(known))
        process = await _start(adapter, launch.argv, spec, sandbox)
        try:
            conversation = await _load()
        except BaseException:
            await process.kill()
            raise
        async with AsyncExitStack() as stack:
            opening = conversation.open_conversation(
                process,
                adapter,
                spec,
                on_event,
                on_permission,
                self._bounds,
                self._clock.now,
                self._advertised,
            )
            try:
                session = await stack.enter_async_context(opening)
            except AgentAuthRequired as error:
                raise await explain(error, self._supplies.logins, supply) from error
            yield RenewingSession(session, self._supplies.logins, supply)


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
