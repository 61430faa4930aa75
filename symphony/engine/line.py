"""The line from one attempt to its agent: a session, and another one when the pipe broke in its sleep.

The attempt opens it, the conversation prompts over it. It is open once the agent has connected to
symphony's tools: without them a turn is spent for nothing [CONTRACT 5.2]. A machine that slept may have
lost the pipe to the agent while the agent's own record of the session is still on its disk: the agent is
started again in the same machine and goes on with that session, if it can.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from symphony.core.agent import AgentEvent, ModelResting, SessionSpec, TurnEnd
from symphony.core.errors import SymphonyError
from symphony.core.ports import Sandbox, Session
from symphony.core.usage import Usage
from symphony.engine.context import AttemptContext
from symphony.engine.patience import any_done_within
from symphony.engine.permissions import Permissions
from symphony.engine.reports import DispatchReports

NO_ANSWERS = frozenset({"frame_out", "stderr", "garbage"})


class LineBroken(SymphonyError):
    """After its machine slept the agent failed without a word: most likely the pipe did not survive."""

    code = "agent.line_broken"


class NotConnected(SymphonyError):
    """The agent's session is ready and its tools are not."""

    code = "mcp_not_connected"

    def __init__(self, seconds: float, last_words: str) -> None:
        said = f' Its last words on stderr: "{last_words}".' if last_words else ""
        super().__init__(
            "The agent opened its session but did not connect to symphony's MCP endpoint within "
            f"{seconds:g} s, so it could not report; nothing was asked of its model.{said}",
            remedy="Check that the agent supports MCP, over HTTP or, in a machine, by a program on stdio, "
            "and that mcp.host_url, if it is set, is reachable; or raise acp.read_timeout_ms.",
        )


class Line:
    """One attempt's line to its agent; `open_line` makes it."""

    def __init__(
        self, context: AttemptContext, sandbox: Sandbox, spec: SessionSpec, reports: DispatchReports
    ) -> None:
        self._context = context
        self._reports = reports
        self._sandbox = sandbox
        self._spec = spec
        self._permissions = Permissions(context)
        self._scope = AsyncExitStack()
        self._session: Session | None = None
        self._doubtful = False
        self._heard = False
        self._spent_before = Usage()

    def doubt(self) -> None:
        """Take it that the pipe may have broken: the machine slept."""
        self._doubtful = True

    async def prompt(self, text: str) -> TurnEnd:
        """Run one turn to its end.

        Raises:
            LineBroken: `reopen` may help, and the text has reached nobody.
            AgentError: as of the session.
        """
        doubtful, self._doubtful, self._heard = self._doubtful, False, False
        try:
            return await self.session.prompt(text)
        except ModelResting:
            raise
        except SymphonyError as error:
            if doubtful and not self._heard:
                raise LineBroken(str(error)) from error
            raise

    async def cancel(self) -> None:
        """Ask the agent to end the running turn."""
        await self.session.cancel()

    async def open(self) -> None:
        """Start the agent, open its session, and see it connect to symphony's tools.

        Raises:
            AgentError: as of `Agents.open_session`; it was lost before it had connected.
            NotConnected: it did not connect in time.
        """
        opening = self._context.ports.agents.open_session(
            self._spec, self._sandbox, self._hear, self._permissions.ask
        )
        session = self._session = await self._scope.enter_async_context(opening)
        if self._context.settings.mcp.enabled and not self._reports.connection.is_set():
            await self._see_it_connect(session)

    async def reopen(self) -> bool:
        """Start the agent again in its session; False when that cannot be done, and the line is of no use."""
        said, spent = self._context.progress.run_log, self._context.progress.usage
        self._spent_before = replace(spent, seconds=0.0)  # the new process counts from nothing
        self._spec = replace(self._spec, resume=self.session.id)
        await self.close()
        try:
            await self.open()
            failure = "" if self.session.resumed else "The agent cannot go on with its session."
        except SymphonyError as error:
            failure = str(error)
        if failure:
            message = f"{failure} The reply starts a new attempt."
            said.append("problem", step="reopen_session", message=message)
            return False
        said.append("machine", text="the pipe to the agent had broken; it was started again in its session")
        return True

    async def close(self) -> None:
        """End the session and its agent."""
        await self._scope.aclose()
        self._session = None
        self._reports.disconnected()

    @property
    def session(self) -> Session:
        """The session that is open.

        Raises:
            LineBroken: none is.
        """
        if self._session is None:
            raise LineBroken("No session is open.")
        return self._session

    async def _see_it_connect(self, session: Session) -> None:
        """Return once the agent has its tools: most have before their session is ready, Codex just after."""
        bound = timedelta(milliseconds=self._context.settings.acp.read_timeout_ms)
        connected = asyncio.create_task(self._reports.connection.wait())
        lost = asyncio.create_task(session.lost())
        try:
            in_time = await any_done_within({connected, lost}, self._context.ports.clock, bound)
            if lost.done() and not connected.done():
                raise lost.result()
            if not in_time:
                raise NotConnected(bound.total_seconds(), session.last_words)
        finally:
            connected.cancel()
            lost.cancel()
            await asyncio.wait({connected, lost})

    def _hear(self, event: AgentEvent) -> None:
        self._heard = self._heard or event.kind not in NO_ANSWERS
        if event.usage is not None:
            event = replace(event, usage=self._spent_before.plus(event.usage))
        self._context.progress.hear(event)


@asynccontextmanager
async def open_line(
    context: AttemptContext, sandbox: Sandbox, spec: SessionSpec, reports: DispatchReports
) -> AsyncIterator[Line]:
    """Open a session whose agent can report, and end whatever session is open at the end.

    Raises:
        AgentError: on entering, as of `Line.open`.
        NotConnected: likewise.
    """
    line = Line(context, sandbox, spec, reports)
    try:
        await line.open()
        yield line
    finally:
        await line.close()
