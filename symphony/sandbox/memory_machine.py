"""A machine in memory: remembers what was asked of it, for the engine's tests."""

from symphony.core.machine import MachineState, MachineUsage, Refusal
from symphony.core.ports import SandboxSpec
from symphony.sandbox.errors import SandboxError


class MemoryMachine:
    """A `core.ports.Machine` that refuses and fails as it is told.

    Attributes:
        state: what it does.
        reachable: the hosts that it may reach.
        refused: what the next `refusals` returns.
        can_pause: False makes `pause` fail.
        can_resume: False makes `resume` fail.
        unresolvable: hosts whose `allow` fails.
        mcp_command: a program `mcp`, to be registered with the driver, and the dispatch's socket.
    """

    def __init__(self, spec: SandboxSpec) -> None:
        self.name = f"memory-{spec.labels.get('issue', '')}"
        self.mcp_command = ("mcp", str(spec.mcp_socket or ""))
        self.state = MachineState.RUNNING
        self.reachable = {*spec.needs.hosts, *spec.smolvm.egress.allow, *spec.allowed_hosts}
        self.refused: list[Refusal] = []
        self.can_pause = self.can_resume = True
        self.unresolvable: set[str] = set()
        self._labels = dict(spec.labels)
        self._memory_bytes = spec.smolvm.mem_mib << 20

    async def pause(self) -> None:
        """Stand still.

        Raises:
            SandboxError: `sandbox.pause_unavailable` when told so.
        """
        if not self.can_pause:
            raise SandboxError("The memory machine was told not to pause.", code="sandbox.pause_unavailable")
        self.state = MachineState.PAUSED

    async def resume(self) -> None:
        """Go on.

        Raises:
            SandboxError: `sandbox.resume_failed` when told so.
        """
        if self.state is MachineState.PAUSED and not self.can_resume:
            raise SandboxError("The memory machine was told not to resume.", code="sandbox.resume_failed")
        self.state = MachineState.RUNNING

    async def allow(self, host: str) -> None:
        """Let it reach a host.

        Raises:
            SandboxError: `sandbox.host_unresolvable` when told so.
        """
        if host in self.unresolvable:
            raise SandboxError(f"The name {host} cannot be resolved.", code="sandbox.host_unresolvable")
        self.reachable.add(host)

    async def forbid(self, host: str) -> None:
        """Refuse a host."""
        self.reachable.discard(host)

    async def refusals(self) -> tuple[Refusal, ...]:
        """Return what was refused since the last call."""
        refused, self.refused = tuple(self.refused), []
        return refused

    async def usage(self) -> MachineUsage:
        """Return its state, with all of its memory in use while it runs."""
        running = self.state is MachineState.RUNNING
        return MachineUsage(self.name, self.state, self._memory_bytes if running else 0, 0.0, self._labels)
