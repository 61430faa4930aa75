"""What the orchestrator may tell one running attempt."""

import asyncio
from dataclasses import dataclass, field

from symphony.core.issue import Issue
from symphony.core.outcome import StopReason
from symphony.core.steering import SteeringRequest
from symphony.engine.access import AccessDoor


@dataclass
class Control:
    """One attempt's ear: the latest issue text, a reply, the word to stop, and hosts to open."""

    issue: Issue | None
    edited: bool = False
    stop_reason: StopReason | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    hurried: asyncio.Event = field(default_factory=asyncio.Event)
    access: AccessDoor = field(default_factory=AccessDoor)
    _reply: asyncio.Queue[SteeringRequest] = field(default_factory=lambda: asyncio.Queue(1))

    def stop(self, reason: StopReason) -> None:
        """End the attempt, for the first reason given; a second word ends its last steps, too."""
        if self.stop_reason is None:
            self.stop_reason = reason
            self.stopped.set()
        else:
            self.hurried.set()

    def update(self, issue: Issue) -> None:
        """Let the next turn see the new text."""
        self.issue = issue
        self.edited = True

    def take_edited(self) -> bool:
        """Say once whether the issue was edited since the last call."""
        edited, self.edited = self.edited, False
        return edited

    def resume(self, steering: SteeringRequest) -> None:
        """Hand over the reply that the attempt waits for."""
        if self._reply.empty():
            self._reply.put_nowait(steering)

    async def reply(self) -> SteeringRequest:
        """Return the reply, waiting for it."""
        return await self._reply.get()
