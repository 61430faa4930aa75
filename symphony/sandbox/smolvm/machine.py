"""One running machine: pausing it, opening hosts to it, and what it costs.

Made by the driver for each sandbox. It holds no secret and keeps no state that the engine has.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psutil

from symphony.core.guest import GUEST_MCP
from symphony.core.machine import MachineState, MachineUsage, Refusal
from symphony.core.text import one_line
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.smolvm.engine import ASK_TIMEOUT, Engine
from symphony.sandbox.smolvm.errors import EngineError
from symphony.sandbox.smolvm.machines import PAUSE_TIMEOUT, list_machines

EVENTS_LIMIT = 1_000  # the newest that one look asks for; a guest that floods loses older ones
HOST_SHOWN = 253  # characters of a host name that DNS allows


class SmolvmMachine:
    """A `core.ports.Machine` of the smolvm engine.

    Args:
        engine: that holds it.
        name: its name there.
        labels: as it was made with.
        uid: the user on the host that it runs as, when that is not the caller.

    Attributes:
        kernel: the release of the guest's kernel, by its own word, once a program has started.
    """

    mcp_command = GUEST_MCP

    def __init__(self, engine: Engine, name: str, labels: Mapping[str, str], uid: int | None = None) -> None:
        self.name = name
        self.uid = uid
        self.kernel = ""
        self._engine = engine
        self._labels = dict(labels)
        self._seen: list[Any] = []
        self._vmm: psutil.Process | None = None

    async def pause(self) -> None:
        """Write its memory to disk and give it back; programs stand still until `resume`.

        Raises:
            SandboxError: `sandbox.pause_unavailable`: it runs on as it was.
        """
        try:
            await self._call("pause", doing=f"pause the machine {self.name}", timeout_s=PAUSE_TIMEOUT)
        except EngineError as error:
            raise SandboxError(error.message, code="sandbox.pause_unavailable") from error

    async def resume(self) -> None:
        """Go on where `pause` stopped; repeating it does nothing.

        Raises:
            SandboxError: `sandbox.resume_failed`: its programs are lost.
        """
        try:
            if (await self.state()) is not MachineState.RUNNING:
                await self._call("resume", doing=f"resume the machine {self.name}", timeout_s=PAUSE_TIMEOUT)
        except EngineError as error:
            raise SandboxError(
                error.message,
                code="sandbox.resume_failed",
                remedy="Nothing is lost: a fresh machine goes on with the workspace.",
            ) from error

    async def allow(self, host: str) -> None:
        """Let its next connections reach this host; repeating it does nothing.

        Raises:
            SandboxError: `sandbox.egress_unavailable`: it has no network, or an open one.
        """
        if not await self._is_open_to(host):
            await self._update("--allow-host-pattern", host)

    async def forbid(self, host: str) -> None:
        """Refuse this host from now on; repeating it does nothing.

        Raises:
            SandboxError: `sandbox.egress_unavailable`.
        """
        if await self._is_open_to(host):
            await self._update("--remove-allow-host", host)

    async def refusals(self) -> tuple[Refusal, ...]:
        """Return the connections that were refused since the last call, oldest first.

        Raises:
            EngineError: the engine does not answer.
        """
        said = await self._call(
            "egress-events",
            "--json",
            "--limit",
            str(EVENTS_LIMIT),
            doing=f"list what {self.name} was refused",
        )
        try:
            events = json.loads(said)
        except ValueError:
            return ()
        fresh = unseen(self._seen, events)
        self._seen = events
        return tuple(refusal for event in fresh if (refusal := parse_refusal(event)) is not None)

    async def usage(self) -> MachineUsage:
        """Return what it costs the host now.

        Raises:
            EngineError: the engine does not answer.
        """
        row = next((row for row in await list_machines(self._engine) if row.name == self.name), None)
        if row is None:
            return MachineUsage(self.name, MachineState.FAILED, labels=self._labels)
        memory, cpu = await asyncio.to_thread(self._measure, row.pid)
        return MachineUsage(self.name, row.state, memory, cpu, self._labels)

    async def state(self) -> MachineState:
        """Return what it does now; one that is gone has failed.

        Raises:
            EngineError: the engine does not answer.
        """
        rows = await list_machines(self._engine)
        return next((row.state for row in rows if row.name == self.name), MachineState.FAILED)

    async def _is_open_to(self, host: str) -> bool:
        rows = await list_machines(self._engine)
        hosts = next((row.hosts for row in rows if row.name == self.name), ())
        return host in hosts or f"={host}" in hosts

    async def _update(self, *words: str) -> None:
        host = words[-1]
        try:
            await self._call("update", *words, doing=f"change what {self.name} may reach")
        except EngineError as error:
            raise SandboxError(
                f"The machine of this issue cannot open or close {host} while it runs: {error.message}",
                code="sandbox.egress_unavailable",
                remedy="It holds for the next attempt. `smolvm: {net: false}` closes everything for good.",
            ) from error

    async def _call(self, command: str, *words: str, doing: str, timeout_s: float = ASK_TIMEOUT) -> bytes:
        return await self._engine.call(
            "machine", command, "--name", self.name, *words, doing=doing, timeout_s=timeout_s
        )

    def _measure(self, pid: int | None) -> tuple[int, float]:
        """Return the VMM's resident bytes, and its share of a core since the last look."""
        with suppress(psutil.Error):
            if pid is not None:
                if self._vmm is None or self._vmm.pid != pid:
                    self._vmm = psutil.Process(pid)
                return self._vmm.memory_info().rss, self._vmm.cpu_percent()
        return 0, 0.0


def unseen(before: Sequence[Any], now: Sequence[Any]) -> Sequence[Any]:
    """Return what is new in a list that grows at its end and may lose its beginning."""
    for start in range(len(before) + 1):
        kept = len(before) - start
        if list(before[start:]) == list(now[:kept]):
            return now[kept:]
    return now


def parse_refusal(event: Any) -> Refusal | None:
    """Return the refusal that the engine tells of; None for what it does not tell well."""
    if not isinstance(event, Mapping) or not isinstance(event.get("dest"), str):
        return None
    host, port = event["dest"], None
    if event.get("operation") != "resolve":
        host, _, number = event["dest"].rpartition(":")
        port = int(number) if number.isdecimal() else None
    try:
        at = datetime.fromisoformat(str(event.get("timestamp")).replace("Z", "+00:00"))
    except ValueError:
        at = datetime.now(UTC)
    named = one_line(host.strip("[]").rstrip("."), HOST_SHOWN).casefold()
    return Refusal(named, port, at) if named else None
