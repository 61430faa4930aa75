"""One open ACP session: turns, what is heard in them, and their end [CONTRACT 5.2, 5.4].

Made by the registry; imported only when a session opens.
"""

import asyncio
from contextlib import suppress

from acp import text_block
from acp.schema import PromptResponse

from symphony.agent.bounds import Bounds
from symphony.agent.client import Client
from symphony.agent.errors import AgentError, AgentIgnoredCancel, AgentPromptTimeout, last_words
from symphony.agent.link import Link
from symphony.agent.listener import Listener
from symphony.agent.opening import Opened
from symphony.agent.transport import PROMPT
from symphony.core.agent import StopKind, TurnEnd
from symphony.host.process import finish_first


class AcpSession:
    """The `Session` of an agent process.

    Attributes:
        resumed: whether it goes on with a session of an earlier process.
    """

    def __init__(
        self, link: Link, opened: Opened, client: Client, listener: Listener, prompt_ms: int, bounds: Bounds
    ) -> None:
        self.resumed = opened.resumed
        self.model = opened.model
        self._id = opened.id
        self._link = link
        self._client = client
        self._listener = listener
        self._seconds = prompt_ms / 1000
        self._bounds = bounds
        self._bound: asyncio.Timeout | None = None
        self._left_s: float | None = None
        self._cancelling = False
        client.on_wait = self._hold

    @property
    def id(self) -> str:
        """The agent's name for it."""
        return self._id

    @property
    def last_words(self) -> str:
        """The last of what it wrote to stderr as one bounded line, without the secrets that it was given."""
        return last_words(self._link.stderr)

    async def lost(self) -> AgentError:
        """Return why nothing more can be said to the agent, once its program has ended by itself."""
        return await self._link.lost("connecting to its tools")

    async def prompt(self, text: str) -> TurnEnd:
        """Run one turn to its end.

        Raises:
            AgentError: `agent.*`.
        Cancellation: the agent is told to cancel and given a bounded time for it.
        """
        self._cancelling = False
        self._client.begin_turn()
        self._listener.speech.begin_turn()
        self._listener.meter.begin_turn()
        request = asyncio.create_task(
            self._link.connection.prompt(session_id=self._id, prompt=[text_block(text)])
        )
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds) as self._bound:
                    try:
                        await asyncio.wait({request})
                    finally:
                        self._bound = None  # one that was left cannot be moved any more
        except asyncio.CancelledError:
            await finish_first(asyncio.create_task(self._abandon(request)))
            raise
        if request.done():
            return self._end(await self._link.result(PROMPT, request))
        await finish_first(asyncio.create_task(self._abandon(request)))
        if self._cancelling:
            raise AgentIgnoredCancel(self._link.agent, self._bounds.cancel_grace_s, self._link.stderr)
        raise AgentPromptTimeout(self._link.agent, self._seconds, self._link.stderr)

    async def cancel(self) -> None:
        """Ask the agent to end the running turn; `prompt` then returns or raises in bounded time."""
        if self._bound is None or self._bound.expired():
            return
        self._cancelling = True
        self._bound.reschedule(asyncio.get_running_loop().time() + self._bounds.cancel_grace_s)
        await self._tell_to_cancel()

    def _hold(self, waits: bool) -> None:
        """Stop the turn's clock while the turn waits for a person; one that is cancelled has no time."""
        if self._bound is None or self._cancelling or self._bound.expired():
            return
        now = asyncio.get_running_loop().time()
        if waits and (until := self._bound.when()) is not None:
            self._left_s = until - now
            self._bound.reschedule(None)
        elif not waits and self._left_s is not None:
            self._bound.reschedule(now + self._left_s)
            self._left_s = None

    async def _tell_to_cancel(self) -> None:
        self._client.cancel_turn()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._bounds.cancel_grace_s):
                await self._link.connection.cancel(session_id=self._id)

    async def _abandon(self, request: "asyncio.Task[PromptResponse]") -> None:
        """End a turn that nobody waits for any more; the process with it if it does not."""
        if not self._cancelling:
            await self._tell_to_cancel()
            await asyncio.wait({request}, timeout=self._bounds.cancel_grace_s)
        if not request.done():
            await self._link.kill()
            request.cancel()
        await asyncio.gather(request, return_exceptions=True)

    def _end(self, response: PromptResponse) -> TurnEnd:
        usage = response.usage
        self._listener.answered(None if usage is None else usage.model_dump(by_alias=True))
        return TurnEnd(StopKind(response.stop_reason), self._listener.speech.last, self._listener.meter.turn)
