"""From what an attempt wants to what the engine makes: the one place that decides what a guest gets.

Pure but for what it is told: the image, the kit and the daemon's variables.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from symphony.core.guest import GUEST_KIT, GUEST_SOCKET
from symphony.core.machine import Credential
from symphony.core.ports import SandboxSpec
from symphony.core.settings import SmolvmSettings
from symphony.sandbox.images.source import ImageSource
from symphony.sandbox.smolvm.machine_spec import EgressPolicy, MachineSpec, Mount, MountedSocket


def plan_machine(name: str, spec: SandboxSpec, image: ImageSource, kit: Path) -> MachineSpec:
    """Return the machine for an attempt.

    The workspace and the checkouts are at the same paths as on the host; the kit and the volumes
    beside them. The only host service that it reaches is the socket of this dispatch.
    """
    settings = spec.smolvm
    mounts = [Mount(spec.folder, str(spec.folder), readonly=False), Mount(kit, GUEST_KIT)]
    if spec.checkouts is not None:
        mounts.append(Mount(spec.checkouts, str(spec.checkouts), readonly=False))
    mounts += [Mount(volume.host, volume.guest, volume.readonly) for volume in settings.volumes]
    sockets = () if spec.mcp_socket is None else (MountedSocket(spec.mcp_socket, GUEST_SOCKET),)
    egress = plan_egress(spec)
    return MachineSpec(
        name,
        image.arguments,
        image.digest,
        settings.cpus,
        settings.mem_mib,
        tuple(mounts),
        sockets,
        egress,
        spec.needs.credentials if egress.open else (),
        spec.labels,
    )


def plan_egress(spec: SandboxSpec) -> EgressPolicy:
    """Return where the guest may connect to [CONTRACT 2.3, `smolvm.net` and `smolvm.egress`]."""
    if spec.smolvm.net is False:
        return EgressPolicy(open=False)
    of_credentials = (host for credential in spec.needs.credentials for host in credential.hosts)
    hosts = (*spec.needs.hosts, *of_credentials, *spec.smolvm.egress.allow, *spec.allowed_hosts)
    return EgressPolicy(everything=spec.smolvm.net is True, hosts=tuple(dict.fromkeys(hosts)))


def forwarded(settings: SmolvmSettings, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the host's variables that `smolvm.forward_env` names and the host has."""
    return {name: environ[name] for name in settings.forward_env if name in environ}


def secrets_of(credentials: Sequence[Credential], environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables for the engine's process alone that hold the credentials' values.

    A value that a credential brings with it beats a variable of the host of the same name.
    """
    return {
        credential.source: value
        for credential in credentials
        if (value := credential.value or environ.get(credential.source)) is not None
    }
