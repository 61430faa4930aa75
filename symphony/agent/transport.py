"""The wire to one agent process: whole JSON-RPC messages over its byte pipes, in bounded memory.

Made by the session; the ACP SDK's connection sends and receives through it, and every message
in either direction is reported before anything else happens to it. Notifications are handed on
in the order of the wire and go no further, since the SDK would start a task for each.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from symphony.agent import frames
from symphony.agent.lines import LineBuffer, LineTooLong
from symphony.core.agent import AgentEvent, StopKind
from symphony.core.errors import SymphonyError
from symphony.core.ports import Process
from symphony.core.text import one_line

MAX_FRAME_BYTES = 16 * 2**20  # agents embed files in messages; more than this is a runaway one
CHUNK_BYTES = 65_536  # a pipe's usual capacity
STDERR_LINE_BYTES = 8_192  # longer lines are cut; stderr is for people
STDERR_TAIL_BYTES = 4_096  # kept for error messages
LEFT_BEHIND_WAIT = 0.5  # seconds for the last output of a process that has exited
GARBAGE_SHOWN = 200  # characters of a line that is not a message
PROMPT = "session/prompt"

OnEvent = Callable[[AgentEvent], None]
OnNotification = Callable[[str, Any], None]


class Wire:
    """A message transport for the SDK over a sandbox's process.

    Attributes:
        overrun: whether it ended because a message was too large.
    """

    def __init__(self, process: Process, on_event: OnEvent, on_notification: OnNotification) -> None:
        self.overrun = False
        self._process = process
        self._on_event = on_event
        self._on_notification = on_notification
        self._lines = LineBuffer(MAX_FRAME_BYTES)
        self._waiting: list[bytes] = []
        self._ended = False
        self._exited = False
        self._bound: asyncio.Timeout | None = None
        self._sending = asyncio.Lock()  # a message that waits for a full pipe must not be cut by the next
        self._prompts: set[int | str] = set()

    async def send(self, message: dict[str, Any]) -> None:
        """Write one message whole.

        Raises:
            ConnectionError: the agent is gone and the message was a request.
        """
        if message.get("method") == PROMPT and "id" in message:
            self._prompts.add(message["id"])
        self._on_event(AgentEvent("frame_out", frame=message))
        async with self._sending:
            try:
                await self._process.write(frames.encode(message))
            except (SymphonyError, OSError) as error:
                if "method" in message:
                    raise ConnectionError(str(error)) from error

    async def receive(self) -> dict[str, Any] | None:
        """Return the next request or answer; None when there will be no more."""
        while True:
            while self._waiting:
                frame = self._take(self._waiting.pop(0))
                await asyncio.sleep(0)  # a flood must not keep the loop from everything else
                if frame is not None:
                    return frame
            if self._ended:
                return None
            await self._read()

    async def close(self) -> None:
        """Do nothing: the link ends the process."""

    def process_exited(self) -> None:
        """Read what is left, and stop when nothing comes: a child may hold the pipe open."""
        self._exited = True
        if self._bound is not None and not self._bound.expired():
            self._bound.reschedule(asyncio.get_running_loop().time() + LEFT_BEHIND_WAIT)

    async def _read(self) -> None:
        chunk = b""
        try:
            async with asyncio.timeout(LEFT_BEHIND_WAIT if self._exited else None) as self._bound:
                chunk = await self._process.read_stdout(CHUNK_BYTES)
            self._waiting = self._lines.feed(chunk) if chunk else self._lines.rest()
        except TimeoutError:
            self._waiting = self._lines.rest()
        except LineTooLong:
            self.overrun = True
            chunk = b""
        finally:
            self._bound = None
        self._ended = not chunk

    def _take(self, line: bytes) -> dict[str, Any] | None:
        if not line.strip():
            return None
        frame = frames.decode(line)
        if frame is None:
            text = line[: GARBAGE_SHOWN * 4].decode("utf-8", "replace")
            self._on_event(AgentEvent("garbage", one_line(text, GARBAGE_SHOWN)))
            return None
        self._on_event(AgentEvent("frame_in", frame=frame))
        method = frame.get("method")
        if method is not None and "id" not in frame:
            self._on_notification(method, frame.get("params"))
            return None
        return self._answer_known(frames.mend(frame))

    def _answer_known(self, frame: dict[str, Any]) -> dict[str, Any]:
        if "method" in frame or frame.get("id") not in self._prompts:
            return frame
        self._prompts.discard(frame["id"])
        reason = frames.unknown_stop(frame)
        if reason is None:
            return frame
        shown = one_line(reason, 80)
        self._on_event(
            AgentEvent("other", f'the turn ended for the unknown reason "{shown}"; taken as end_turn')
        )
        return frames.with_stop(frame, StopKind.END_TURN)


class Stderr:
    """Drains the agent's stderr: an event for each line, and the tail for error messages."""

    def __init__(self, process: Process, on_event: OnEvent) -> None:
        self._process = process
        self._on_event = on_event
        self._lines = LineBuffer(STDERR_LINE_BYTES, cut=True)
        self._tail = bytearray()
        self.drained = asyncio.Event()

    @property
    def tail(self) -> str:
        """The last few KiB."""
        return self._tail.decode("utf-8", "replace")

    async def drain(self) -> None:
        """Read until the end, which `drained` tells."""
        while chunk := await self._process.read_stderr(CHUNK_BYTES):
            self._tail = (self._tail + chunk)[-STDERR_TAIL_BYTES:]
            self._report(self._lines.feed(chunk))
            await asyncio.sleep(0)
        self._report(self._lines.rest())
        self.drained.set()

    def _report(self, lines: list[bytes]) -> None:
        for line in lines:
            self._on_event(AgentEvent("stderr", one_line(line.decode("utf-8", "replace"), STDERR_LINE_BYTES)))
