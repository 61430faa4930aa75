"""One dispatch's tools on a Unix socket: JSON-RPC messages, one a line, as on MCP's stdio.

The gate opens one for a dispatch whose agent runs in a machine. The file is the capability: whoever
can connect is that agent. What it may cost is bounded for the dispatch as a whole, whatever the
agent does: connections, requests, and the bytes of both.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from symphony.mcp_server.door import Refused
from symphony.mcp_server.socket_client import CHUNK_BYTES, Allowance, Answering, Client, as_line

log = structlog.get_logger(__name__)

CONNECTIONS_LIMIT: Final = 32  # an agent and its helpers hold a handful; each may hold a line of 1 MiB
BACKLOG: Final = 512  # who connects while the loop is busy waits instead of failing
LAST_WRITE_BOUND_S: Final = 2.0  # for answers on their way when the dispatch ends
MACHINE_USERS_FROM: Final = 2_000_000  # smolvm gives the machines of a root daemon users from here on
OWN_ONLY, EVERYBODY = 0o600, 0o666
CREDENTIALS: Final = struct.Struct("3i")  # of SO_PEERCRED: process, user, group


class SocketServer:
    """Serves one dispatch; open it once, close it once.

    Attributes:
        path: the socket, which is there from `open` to `retire`.
    """

    def __init__(self, issue_id: str, line: Answering, path: Path) -> None:
        self._issue_id = issue_id
        self._line = line
        self.path = path
        self._allowance = Allowance()
        self._clients: dict[Client, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the socket cannot be made.
        """
        listening = bind(self.path)
        try:
            self._server = await asyncio.start_unix_server(
                self._accept, sock=listening, backlog=BACKLOG, limit=CHUNK_BYTES
            )
        except BaseException:
            listening.close()
            self.retire()
            raise

    def retire(self) -> None:
        """Let nobody in any more; who is connected still gets answers."""
        if self._server is not None:
            self._server.close()
        self.path.unlink(missing_ok=True)

    async def aclose(self) -> None:
        """Let answers on their way arrive and close every connection, in bounded time."""
        clients = dict(self._clients)
        for client in clients:
            client.end()
        if clients:
            await asyncio.wait(clients.values(), timeout=LAST_WRITE_BOUND_S)
        for task in clients.values():
            task.cancel()
        if clients:
            await asyncio.wait(clients.values(), timeout=LAST_WRITE_BOUND_S)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or not self._server.is_serving():
            writer.transport.abort()  # it was accepted by the loop in the moment of `retire`
            return
        user = user_of(writer)
        if user is not None and not is_welcome(user, os.geteuid()):
            log.warning("mcp.stranger_refused", issue=self._issue_id, user=user)
            writer.transport.abort()
            return
        if len(self._clients) >= CONNECTIONS_LIMIT:
            log.warning("mcp.connections_refused", issue=self._issue_id, limit=CONNECTIONS_LIMIT)
            full = Refused(429, "too_many_connections", "Too many connections: close others first.")
            writer.write(as_line(None, full))
            writer.close()
            return
        client = Client(self._issue_id, self._line, reader, writer, self._allowance)
        task = asyncio.create_task(client.serve(), name=f"mcp socket {self._issue_id}")
        self._clients[client] = task
        task.add_done_callback(self._forget(client))

    def _forget(self, client: Client) -> Callable[[asyncio.Task[None]], None]:
        def forget(task: asyncio.Task[None]) -> None:
            self._clients.pop(client, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("mcp.connection_broke", issue=self._issue_id, exc_info=error)

        return forget


def bind(path: Path) -> socket.socket:
    """Return a socket that is bound, and open to the users that `is_welcome`.

    It is made on the loop, since a thread's would be lost to a cancellation.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(EVERYBODY if os.geteuid() == 0 else OWN_ONLY)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        with suppress(OSError):
            path.unlink()
        raise
    return listening


def user_of(writer: asyncio.StreamWriter) -> int | None:
    """Return the user at the other end; None where the kernel does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    told = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, option, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(told)[1])


def is_welcome(user: int, own: int) -> bool:
    """Say whether this may be the agent's machine.

    The path of a root daemon's socket stands on the engine's command line, where every user of the
    host can read it: so other users of the host are told apart from machines by their number.
    """
    return user in (0, own) or (own == 0 and user >= MACHINE_USERS_FROM)
