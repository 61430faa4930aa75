"""What a machine is made of, as the engine's command line has it.

Pure: the same spec gives the same arguments and the same hash, so that a machine that was made
from other settings is known for what it is.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from symphony.core.machine import Credential

SETTINGS_LABEL = "settings"
DISK_GIB = 16  # of a sparse disk: only what the guest writes takes room on the host
CLOSED = "closed.invalid"  # a name that never exists: a list with only it allows nothing, and logs
HASH_LENGTH = 16  # hex digits: enough to tell the settings of one issue apart


@dataclass(frozen=True, slots=True)
class Mount:
    """A host folder in the guest."""

    host: Path
    guest: str
    readonly: bool = True

    def argument(self) -> str:
        """Return it as `-v` takes it."""
        return f"{self.host}:{self.guest}{':ro' if self.readonly else ''}"


@dataclass(frozen=True, slots=True)
class MountedSocket:
    """A Unix socket of the host in the guest."""

    host: Path
    guest: str


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Where the guest may connect to.

    Attributes:
        open: False gives the guest no network at all, and nothing can be opened later.
        everything: all but private, link-local and loopback addresses.
        hosts: names that are open when not everything is. With none the guest reaches nothing, but
            what it tries is told, and a host can be opened while it runs.
    """

    open: bool = True
    everything: bool = False
    hosts: tuple[str, ...] = ()

    def arguments(self) -> Iterator[str]:
        """Return it as `machine create` takes it."""
        if not self.open:
            return
        yield "--block-private"  # without it an allowed name may lead to the host's own network
        for host in () if self.everything else (CLOSED, *self.hosts):
            yield from ("--allow-host-pattern", host)


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """One machine.

    Attributes:
        source: the arguments that name the image or the packed machine.
        source_digest: of what those arguments name.
        labels: installation, issue and attempt; the hash of the rest is added.
    """

    name: str
    source: tuple[str, ...]
    source_digest: str
    cpus: int
    mem_mib: int
    mounts: tuple[Mount, ...] = ()
    sockets: tuple[MountedSocket, ...] = ()
    egress: EgressPolicy = EgressPolicy()
    credentials: tuple[Credential, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings_hash(self) -> str:
        """The hash of all but name, labels and sockets, which belong to one attempt."""
        parts = [
            self.source_digest,
            self.cpus,
            self.mem_mib,
            [mount.argument() for mount in self.mounts],
            list(self.egress.arguments()),
            [[credential.name, credential.source, *credential.hosts] for credential in self.credentials],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:HASH_LENGTH]

    def create_arguments(self) -> tuple[str, ...]:
        """Return the arguments of `machine create`; they hold no secret."""
        return ("machine", "create", "--name", self.name, *self._arguments())

    def _arguments(self) -> Iterator[str]:
        yield from self.source
        yield from ("--cpus", str(self.cpus), "--mem", str(self.mem_mib))
        yield from ("--storage", str(DISK_GIB), "--overlay", str(DISK_GIB))
        for name, value in {**self.labels, SETTINGS_LABEL: self.settings_hash}.items():
            yield from ("--label", f"{name}={value}")
        for mount in self.mounts:
            yield from ("-v", mount.argument())
        for socket in self.sockets:
            yield from ("--mount-socket", f"{socket.host}:{socket.guest}")
        yield from self.egress.arguments()
        for credential in self.credentials:
            yield from ("--credential", f"{credential.name}={credential.name}@{','.join(credential.hosts)}")
            yield from ("--secret-env", f"{credential.name}={credential.source}")
