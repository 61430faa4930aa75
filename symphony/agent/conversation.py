"""Puts a session together around a started process: wire, link, listener, session.

The registry imports this module, and the ACP SDK with it, when the first session opens.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from symphony.agent.adapters import Adapter
from symphony.agent.advertised import Advertised, Offers
from symphony.agent.bounds import Bounds
from symphony.agent.client import Client
from symphony.agent.link import Link, open_link
from symphony.agent.listener import Listener
from symphony.agent.opening import open_acp_session
from symphony.agent.session import AcpSession
from symphony.agent.transport import OnEvent
from symphony.agent.usage import Meter
from symphony.agent.watch import Watch
from symphony.core.agent import AgentEvent, SessionSpec
from symphony.core.permission import OnPermission
from symphony.core.ports import Process


@asynccontextmanager
async def open_conversation(
    process: Process,
    adapter: Adapter,
    spec: SessionSpec,
    on_event: OnEvent,
    on_permission: OnPermission | None,
    bounds: Bounds,
    now: Callable[[], datetime],
    advertised: Advertised | None,
) -> AsyncIterator[AcpSession]:
    """Open a session with a started agent program, and end the program with it.

    Raises:
        AgentError: on entering, `agent.*`.
    Cancellation: the program is ended first, in bounded time.
    """
    meter = Meter(
        adapter.tokens, resumed=spec.resume is not None, cost_survives_load=adapter.cost_survives_load
    )
    watch = Watch(spec, on_event)
    listener = Listener(meter, on_event, watch)
    client = Client(spec.acp, on_event, on_permission, listener.calls, watch)
    link = Link(process, adapter, spec, client, on_event, listener.notified, bounds, now)

    async def remember(version: str, offers: Offers) -> None:
        try:
            if advertised is not None:
                await asyncio.to_thread(advertised.note, adapter.name, version, offers)
        except OSError as error:
            on_event(AgentEvent("other", f"what the agent offers could not be noted: {error.strerror}"))

    async with open_link(link):
        listener.replaying = spec.resume is not None
        opened = await open_acp_session(link, adapter, spec, on_event, remember)
        listener.replaying = False
        if not opened.resumed:
            listener.meter = Meter(adapter.tokens)  # nothing of an earlier process is in its counts
        yield AcpSession(link, opened, client, listener, spec.acp.prompt_timeout_ms, bounds)
