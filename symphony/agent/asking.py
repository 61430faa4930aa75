"""How a request for permission is settled: by the settings, or by a person for as long as its turn wants it.

The session and the agents in memory settle theirs here alike.
"""

import asyncio
from collections.abc import Awaitable

from symphony.agent.permission import is_own_tool
from symphony.core.permission import PermissionAnswer, Proposal, policy_of
from symphony.core.settings import AcpSettings
from symphony.core.text import one_line


def settled(
    acp: AcpSettings, proposal: Proposal, *, can_ask: bool, against: str = ""
) -> tuple[PermissionAnswer | None, str]:
    """Return the answer that needs no person, None when one is to be asked, and the reason.

    `against` is what the guard rails have against it; empty for nothing.
    """
    if against:
        return PermissionAnswer.DENY, against
    if is_own_tool(proposal):
        return PermissionAnswer.ALWAYS, "symphony's own tools are always allowed"
    policy, why = policy_of(acp, proposal)
    if policy != "ask":
        return PermissionAnswer.ALWAYS if policy == "allow" else PermissionAnswer.DENY, why
    return (None, why) if can_ask else (PermissionAnswer.DENY, f"{why}, and nobody can be asked here")


def asked_again(answer: PermissionAnswer, proposal: Proposal) -> PermissionAnswer:
    """Return an answer that does not outlast its call: what is not asked again is not looked at again."""
    lasts = answer is PermissionAnswer.ALWAYS and not is_own_tool(proposal)
    return PermissionAnswer.ONCE if lasts else answer


async def answer_of(
    asked: Awaitable[PermissionAnswer], cancelled: asyncio.Event
) -> tuple[PermissionAnswer | None, str]:
    """Return a person's answer, None when the turn was cancelled before it came, and the reason."""
    asking = asyncio.ensure_future(asked)
    cancelling = asyncio.create_task(cancelled.wait())
    try:
        await asyncio.wait({asking, cancelling}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            return None, "the turn is being cancelled"
        if (failure := asking.exception()) is not None:
            return PermissionAnswer.DENY, f"asking a person failed: {one_line(str(failure))}"
        return asking.result(), "a person was asked"
    finally:
        asking.cancel()
        cancelling.cancel()
        await asyncio.wait({asking, cancelling})
