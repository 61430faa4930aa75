"""Where programs of an attempt run, and the byte pipes to them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from symphony.core.machine import GuestNeeds, MachineUsage, Refusal
from symphony.core.settings import SmolvmSettings


class Process(Protocol):
    """A program in a sandbox with three byte pipes."""

    async def write(self, data: bytes) -> None:
        """Write to its stdin, waiting while the pipe is full.

        Raises:
            ProcessGone: it has closed its stdin or ended.
        """
        ...

    async def close_stdin(self) -> None:
        """Close its stdin; repeating it does nothing."""
        ...

    async def read_stdout(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        ...

    async def read_stderr(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        ...

    async def wait(self) -> int:
        """Return the exit status; negative is the signal that ended it."""
        ...

    async def kill(self) -> None:
        """End it and all that it started; return when it is gone or after a bounded wait.

        It gives the pipes back, so it is awaited also after a program ended by itself.
        """
        ...


@dataclass(frozen=True, slots=True)
class RunResult:
    """A command that ran to its end in a sandbox.

    Attributes:
        exit_status: None when it was killed at the timeout.
        stdout, stderr: each at most the limit that was asked for, the end kept.
    """

    exit_status: int | None
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What an attempt wants of its sandbox.

    Attributes:
        folder: the workspace; the guest sees it at the same path.
        environment: of every process in it, nothing else is inherited but what the driver
            needs to start a program (PATH, HOME and the like).
        labels: issue, attempt and installation, for finding what a dead run left behind.
        smolvm: the microVM as the attempt's settings want it; drivers without one ignore it.
        needs: what the agent's program needs of the network; ignored where nothing is closed.
        allowed_hosts: what a person has approved for this issue beside the settings.
        mcp_socket: the host's Unix socket that speaks MCP for this dispatch, shown in the guest.
        checkouts: a second folder that the guest sees at the same path; None without one.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    smolvm: SmolvmSettings = SmolvmSettings()
    needs: GuestNeeds = GuestNeeds()
    allowed_hosts: tuple[str, ...] = ()
    mcp_socket: Path | None = None
    checkouts: Path | None = None


class Machine(Protocol):
    """The microVM around a sandbox: what only a machine of its own can do."""

    @property
    def name(self) -> str:
        """The engine's name for it."""
        ...

    @property
    def mcp_command(self) -> tuple[str, ...]:
        """The program in the guest that is a stdio MCP server, with its arguments."""
        ...

    async def pause(self) -> None:
        """Write its memory to disk and give it back; programs stand still until `resume`.

        Raises:
            SandboxError: `sandbox.pause_unavailable`: it runs on as it was.
        """
        ...

    async def resume(self) -> None:
        """Go on where `pause` stopped; repeating it does nothing.

        Raises:
            SandboxError: `sandbox.resume_failed`: its programs are lost.
        """
        ...

    async def allow(self, host: str) -> None:
        """Let its next connections reach this host.

        Raises:
            SandboxError: `sandbox.egress_unavailable`, `sandbox.host_unresolvable`.
        """
        ...

    async def forbid(self, host: str) -> None:
        """Refuse this host from now on; repeating it does nothing."""
        ...

    async def refusals(self) -> tuple[Refusal, ...]:
        """Return the connections that were refused since the last call, oldest first."""
        ...

    async def usage(self) -> MachineUsage:
        """Return what it costs the host now."""
        ...


class Sandbox(Protocol):
    """An open place in which programs of one attempt run."""

    @property
    def kind(self) -> str:
        """The driver's name."""
        ...

    @property
    def place(self) -> str:
        """Where its programs run, for people: the kind, and what is known of the machine."""
        ...

    @property
    def machine(self) -> Machine | None:
        """The machine around it; None where programs run on the host itself."""
        ...

    async def start(
        self, argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program, by default in the spec's folder.

        Raises:
            SandboxError: `sandbox.program_not_found`, `sandbox.start_failed`.
        """
        ...

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float,
        output_limit: int = 65_536,
    ) -> RunResult:
        """Run a program to its end, killed with all that it started at the timeout."""
        ...

    async def lend(self, folder: Path) -> None:
        """Let the sandbox's programs own a folder of the host and all in it, before they see it.

        Raises:
            SandboxError: `sandbox.mount_failed`: its files cannot be given to them.
        """
        ...


class SandboxDriver(Protocol):
    """A way to make sandboxes."""

    @property
    def kind(self) -> str:
        """The name in the settings."""
        ...

    @property
    def isolation(self) -> str:
        """One sentence for people: what it keeps apart; says so when it keeps nothing apart."""
        ...

    @property
    def has_machines(self) -> bool:
        """Say whether its sandboxes have a machine of their own, which reaches MCP by a socket."""
        ...

    def open_sandbox(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Sandbox]:
        """Open a sandbox; leaving the context ends every process in it.

        Raises:
            SandboxError: on entering, `sandbox.*` with the remedy.
        """
        ...

    async def reap(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """End what dead runs with these labels left behind; return a word for each."""
        ...
