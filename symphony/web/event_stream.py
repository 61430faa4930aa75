"""Server-sent events to one open page: begun, written in bounded time, kept alive (HTML Standard, 9.2)."""

import asyncio
from typing import Final

from aiohttp import web

BEAT_S: Final = 15.0  # an unchanged page is sent a sign of life, so that both ends find out a dead connection
BEAT: Final = b"event: beat\ndata: \n\n"
RETRY_MS: Final = 1_000  # a browser comes back so soon after a restart
WRITE_S: Final = 30.0  # a viewer who takes nothing in for so long comes back when it can


class EventStream:
    """A page's stream, begun by `open_event_stream`."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request = request
        self.response = response

    async def send(self, cursor: object, html: bytes) -> bool:
        """Write an event, or a beat without any news; say whether the viewer takes it in."""
        try:
            async with asyncio.timeout(WRITE_S):
                await self.response.write(event_of(cursor, html) if html else BEAT)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            return False
        return True


async def open_event_stream(request: web.Request) -> EventStream:
    """Begin to answer with a stream of events."""
    response = web.StreamResponse()
    response.content_type = "text/event-stream"
    response.headers["X-Accel-Buffering"] = "no"
    await response.prepare(request)
    await response.write(b"retry: %d\n\n" % RETRY_MS)
    return EventStream(request, response)


def event_of(cursor: object, html: bytes) -> bytes:
    """Return an event whose id is the cursor."""
    lines = b"".join(b"data: %b\n" % line for line in html.splitlines())
    return b"id: %b\n%b\n" % (str(cursor).encode(), lines)
