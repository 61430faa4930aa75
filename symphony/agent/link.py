"""The line to one agent process: requests with bounds and named failures, and its orderly end.

Made by the registry around a process; used by the opening and the session. Imported only when
a session opens, since the SDK is slow to import.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar, cast

from acp import Client as SdkClient
from acp import RequestError, connect_to_agent
from pydantic import ValidationError

from symphony.agent.adapters import Adapter
from symphony.agent.bounds import Bounds
from symphony.agent.client import Client
from symphony.agent.errors import (
    REASON_SHOWN,
    AgentAuthRequired,
    AgentClosedPipe,
    AgentError,
    AgentExited,
    AgentFrameTooLarge,
    AgentNotFound,
    AgentProtocolError,
    AgentRateLimited,
    AgentReadTimeout,
    AgentRequestFailed,
)
from symphony.agent.faults import fault_of
from symphony.agent.limits import error_text, is_refused_for_now, lacks_credentials, seconds_until_reset
from symphony.agent.transport import (
    LEFT_BEHIND_WAIT,
    MAX_FRAME_BYTES,
    PROMPT,
    OnEvent,
    OnNotification,
    Stderr,
    Wire,
)
from symphony.core.agent import SessionSpec
from symphony.core.errors import SymphonyError
from symphony.core.ports import Process
from symphony.core.text import one_line
from symphony.host.process import finish_first

AUTH_REQUIRED = -32000  # ACP's code for it
COMMAND_NOT_FOUND = 127  # a shell's exit status for it
SHORTEST_SECRET = 8  # characters; shorter values are words such as "true" and stay readable

T = TypeVar("T")


class Link:
    """One agent process that is spoken to.

    Attributes:
        connection: the SDK's side of the protocol.
    """

    def __init__(
        self,
        process: Process,
        adapter: Adapter,
        spec: SessionSpec,
        client: Client,
        on_event: OnEvent,
        on_notification: OnNotification,
        bounds: Bounds,
        now: Callable[[], datetime],
    ) -> None:
        self.agent = f'The agent "{adapter.name}"'
        self._process = process
        self._adapter = adapter
        self._spec = spec
        self._bounds = bounds
        self._now = now
        self._wire = Wire(process, on_event, on_notification)
        self._stderr = Stderr(process, on_event)
        self.connection = connect_to_agent(cast("SdkClient", client), self._wire)

    async def ask(self, method: str, answer: Awaitable[T]) -> T:
        """Return the answer to a request that is no turn.

        Raises:
            AgentError: `agent.read_timeout`, and as of `result`.
        """
        seconds = self._spec.acp.read_timeout_ms / 1000
        try:
            async with asyncio.timeout(seconds):
                return await self.result(method, answer)
        except TimeoutError:
            raise AgentReadTimeout(self.agent, method, seconds, self.stderr) from None

    async def result(self, method: str, answer: Awaitable[T]) -> T:
        """Return the answer to a request.

        Raises:
            AgentError: what went wrong, by its own name.
        """
        try:
            return await answer
        except RequestError as error:
            raise self._refusal(method, error) from error
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(map(str, fault["loc"])) or "it"
            fact = f"answered `{method}` with what ACP does not allow ({where}: {fault['msg']})"
            raise AgentProtocolError(self.agent, one_line(fact, REASON_SHOWN), self.stderr) from error
        except ConnectionError as error:
            doing = "working on a turn" if method == PROMPT else "opening its session"
            raise await self.broken(doing) from error

    async def lost(self, doing: str) -> AgentError:
        """Return why nothing more can be said to the agent, once its process has ended."""
        await self._process.wait()
        return await self.broken(doing)

    async def broken(self, doing: str) -> AgentError:
        """Return why nothing more can be said to the agent, once that is known."""
        if self._wire.overrun:
            return AgentFrameTooLarge(self.agent, MAX_FRAME_BYTES, self.stderr)
        try:
            async with asyncio.timeout(self._bounds.exit_wait_s):
                status = await self._process.wait()
        except TimeoutError:
            return AgentClosedPipe(self.agent, doing, self.stderr)
        with suppress(TimeoutError):  # a child that it left behind may hold its stderr open
            async with asyncio.timeout(LEFT_BEHIND_WAIT):
                await self._stderr.drained.wait()
        command = self._spec.acp.command
        if status == COMMAND_NOT_FOUND and command is not None:
            return AgentNotFound(
                f"The shell could not find the program of `acp.command` ({one_line(command)}).",
                remedy="Install it, or correct `acp.command`.",
                stderr=self.stderr,
            )
        return AgentExited(self.agent, status, doing, self.stderr)

    @property
    def stderr(self) -> str:
        """The last of what it wrote to stderr, without the secrets that it was given."""
        return self._without_secrets(self._stderr.tail)

    async def kill(self) -> None:
        """End the process and all that it started; what is being asked then fails."""
        await self._process.kill()

    async def run(self) -> None:
        """Drain stderr and watch for the exit, until cancelled."""
        async with asyncio.TaskGroup() as scope:
            scope.create_task(self._stderr.drain())
            scope.create_task(self._watch())

    async def close(self) -> None:
        """Close its stdin, give it the grace to leave, and end what is left of it."""
        try:
            with suppress(SymphonyError, OSError, TimeoutError):
                async with asyncio.timeout(self._bounds.close_grace_s):
                    await self._process.close_stdin()
                    await self._process.wait()
        finally:
            await self._process.kill()
            with suppress(Exception):  # a request of the agent that was cut off may still complain
                await self.connection.close()

    async def _watch(self) -> None:
        await self._process.wait()
        self._wire.process_exited()

    def _refusal(self, method: str, error: RequestError) -> AgentError:
        message, data = str(error), error.data
        said = self._without_secrets(error_text(message, data))
        if is_refused_for_now(message, data):
            here = self._now().astimezone()  # agents tell times of day as of the place where they run
            return AgentRateLimited(self.agent, said, seconds_until_reset(message, data, here))
        if error.code == AUTH_REQUIRED or lacks_credentials(message, data):
            return AgentAuthRequired(
                f"{self.agent} has no valid credentials for its model: {one_line(said, REASON_SHOWN)}.",
                remedy=self._adapter.login,
            )
        if (fault := fault_of(message, data)) is not None:
            return AgentRequestFailed(
                f"{self.agent} {fault.fact}: {one_line(said, REASON_SHOWN)}.",
                code=fault.code,
                remedy=fault.remedy,
            )
        return AgentRequestFailed(
            f"{self.agent} answered `{method}` with error {error.code}: {one_line(said, REASON_SHOWN)}.",
            remedy="The run log has the whole answer.",
            stderr=self.stderr,
        )

    def _without_secrets(self, text: str) -> str:
        for secret in _secrets(self._spec):
            text = text.replace(secret, "[secret]")
        return text


@asynccontextmanager
async def open_link(link: Link) -> AsyncIterator[Link]:
    """Keep a link running, and end it with its process.

    Cancellation: the process is ended first, in bounded time.
    """
    running = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        try:
            await finish_first(asyncio.create_task(link.close()))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def _secrets(spec: SessionSpec) -> list[str]:
    """Return what the agent was given in confidence, longest first."""
    values: list[Any] = [*spec.environment.values()]
    for server in spec.mcp_servers:
        values += [*server.environment.values(), *server.headers.values()]
        values += [value.partition(" ")[2] for value in server.headers.values()]
        values += server.secrets
    return sorted((value for value in values if len(value) >= SHORTEST_SECRET), key=len, reverse=True)
