"""What the orchestrator may tell one running attempt."""

import asyncio
from dataclasses import dataclass, field

from symphony.core.budget import Ceilings
from symphony.core.issue import Issue
from symphony.core.outcome import StopReason
from symphony.core.permission import PermissionAnswer
from symphony.core.steering import SteeringRequest
from symphony.engine.access import AccessDoor


@dataclass
class Control:
    """One attempt's ear: the latest issue text, a reply, permissions, the word to stop, and hosts to open."""

    issue: Issue | None
    edited: bool = False
    stop_reason: StopReason | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    hurried: asyncio.Event = field(default_factory=asyncio.Event)
    access: AccessDoor = field(default_factory=AccessDoor)
    ceilings: Ceilings = Ceilings()
    spending: asyncio.Event = field(default_factory=asyncio.Event)
    _permissions: dict[str, asyncio.Future[PermissionAnswer]] = field(default_factory=dict)
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

    def set_ceilings(self, own: Ceilings) -> None:
        """Hold the attempt to other ceilings from now on."""
        self.ceilings = own
        self.spending.set()

    def resume(self, steering: SteeringRequest) -> None:
        """Hand over the reply that the attempt waits for."""
        if self._reply.empty():
            self._reply.put_nowait(steering)

    def permit(self, request_id: str, answer: PermissionAnswer) -> None:
        """Hand over the answer to a request for permission, if it is still waited for."""
        waiting = self._permissions.get(request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def permission(self, request_id: str) -> PermissionAnswer:
        """Return the answer to a request for permission, waiting for it."""
        waiting: asyncio.Future[PermissionAnswer] = asyncio.get_running_loop().create_future()
        self._permissions[request_id] = waiting
        try:
            return await waiting
        finally:
            del self._permissions[request_id]

    async def reply(self) -> SteeringRequest:
        """Return the reply, waiting for it."""
        return await self._reply.get()
