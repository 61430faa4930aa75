"""One attempt's requests for permission on their way to a person and back.

The session asks here; the scheduler knows what is open, and its word comes by the attempt's control.
"""

import asyncio
from datetime import timedelta
from itertools import count

from symphony.core.event import PermissionAsked, PermissionClosed, PermissionGiven
from symphony.core.permission import PermissionAnswer, PermissionRequest, Proposal
from symphony.engine.context import AttemptContext
from symphony.engine.patience import done_within

PATIENCE = timedelta(hours=24)  # the evening's request, tomorrow's answer; longer costs memory for nothing


class Permissions:
    """Asks a person for one attempt."""

    def __init__(self, context: AttemptContext) -> None:
        """Take the attempt's context; it needs no other part of the attempt."""
        self._attempt_id = context.progress.attempt_id
        self._issue_id = context.progress.issue_id
        self._control = context.control
        self._progress = context.progress
        self._mailbox = context.mailbox
        self._clock = context.ports.clock
        self._numbers = count(1)

    async def ask(self, proposal: Proposal) -> PermissionAnswer:
        """Return a person's answer; a refusal when nobody gives one within `PATIENCE`.

        Cancellation: the request is withdrawn.
        """
        request = PermissionRequest(
            f"{self._attempt_id}.{next(self._numbers)}",
            self._issue_id,
            self._attempt_id,
            proposal,
            self._clock.now(),
        )
        answer = asyncio.create_task(self._control.permission(request.id))
        self._progress.begin_waiting()
        try:
            await self._mailbox.put(PermissionAsked(request))
            if not await done_within(answer, self._clock, PATIENCE):
                self._progress.run_log.append(
                    "permission", text=f"{proposal.title}: nobody answered in a day"
                )
                await self._mailbox.put(PermissionGiven(self._issue_id, request.id, PermissionAnswer.DENY))
            return await answer
        finally:
            answer.cancel()
            self._progress.end_waiting()
            self._mailbox.post(PermissionClosed(self._issue_id, self._attempt_id, request.id))
            await asyncio.wait({answer})
