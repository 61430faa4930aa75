"""The system of an image from another image, made inside a machine: for hosts without mmdebstrap.

Called by builds with `--base`. The machine has a network while it is built, never the host's private
one, and is removed however the build ends.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from symphony.sandbox.images import tools
from symphony.sandbox.images.definition import Debian
from symphony.sandbox.images.errors import ImageError, disk_full, stage_failed
from symphony.sandbox.images.files import is_full
from symphony.sandbox.smolvm.engine import find_program

START_BOUND = 1200.0  # seconds: the first start of a registry's image downloads it
INSTALL_BOUND = 1800.0
PACK_BOUND = 1200.0
END_BOUND = 120.0
CPUS, MEMORY_MIB = "2", "2048"  # the engine's own default, 8 GiB, is more than many hosts have free
ROOM_GIB = "20"  # of the machine's own disk; only what is written takes room on the host
FULL = ("no space left on device",)
UNFIT = 90  # the status of INSTALL for a system that it cannot serve
NO_NETWORK = 91
APT, APK, DNF = "apt-get", "apk", "dnf"
COMMANDS = ("bash", "curl", "git", "pgrep", "python3", "rg", "socat", "ssh")
INSTALL = """
set -u
missing=""
for command in {commands}; do command -v $command >/dev/null 2>&1 || missing="$missing $command"; done
[ -s /etc/ssl/certs/ca-certificates.crt ] || missing="$missing certificates"
{glibc}
[ -n "$missing" ] || exit 0
echo "installing$missing"
if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update || exit {no_network}
    apt-get install --yes --no-install-recommends {packages} || exit {no_network}
    apt-get clean
elif command -v dnf >/dev/null; then
    dnf --assumeyes --setopt=install_weak_deps=False install {fedora} || exit {no_network}
    dnf clean all
elif command -v apk >/dev/null; then
    apk add --no-cache {packages} || exit {no_network}
else
    echo "it has none of apt-get, dnf and apk, and lacks$missing"
    exit {unfit}
fi
"""
GLIBC = """
ls /lib/ld-linux* /lib64/ld-linux* >/dev/null 2>&1 || {
    echo "it has no glibc, which the agents need"
    exit 90
}
"""
FEDORA = {"openssh-client": "openssh-clients", "procps": "procps-ng"}
PACK = (
    "exec tar --create --file=- --one-file-system --numeric-owner"
    " --exclude=./proc --exclude=./sys --exclude=./dev --exclude=./run --exclude=./tmp"
    " --directory=/ ."
)


def build_from_base(
    base: str,
    debian: Debian,
    archive: Path,
    watch: tools.Watch,
    environ: Mapping[str, str],
    *,
    binary: str | None = None,
    with_agents: bool = True,
) -> None:
    """Write the files of a system that begins as another image into an archive.

    Args:
        archive: is written; what is there is replaced.
        watch: is told how it goes.
        environ: of smolvm.
        base: what smolvm's `--image` takes: a reference, a `docker save` archive or a rootfs folder.
        debian: whose packages are added; of other systems, the packages of the same names.
        binary: the smolvm program, as `smolvm.binary` names it.
        with_agents: whether agents will be put into it, which need glibc.

    Raises:
        ImageError: `image.base_unfit`, `image.network`, `image.disk_full`, `image.stage_failed`,
            `image.stage_timeout`.
        EngineError: `sandbox.engine_missing`.
    """
    machine = str(find_program(binary, environ)), "machine"
    name = f"symphony-image-{secrets.token_hex(4)}"
    with _machine(machine, name, base, watch, environ):
        watch.note("installing packages in a machine")
        script = INSTALL.format(
            commands=" ".join(COMMANDS),
            packages=" ".join(debian.packages),
            fedora=" ".join(FEDORA.get(package, package) for package in debian.packages),
            glibc=GLIBC if with_agents else "",
            unfit=UNFIT,
            no_network=NO_NETWORK,
        )
        argv = (*machine, "exec", "--name", name, "--", "sh", "-c", script)
        ended = tools.run(argv, watch, bound_s=INSTALL_BOUND, environ=environ, cwd=Path("/"))
        if ended.status:
            raise _failed(base, "smolvm machine exec", ended, watch.log)
        watch.note("packing its files")
        with archive.open("wb") as packed:
            argv = (*machine, "exec", "--name", name, "--", "sh", "-c", PACK)
            ended = tools.run(argv, watch, bound_s=PACK_BOUND, environ=environ, cwd=Path("/"), stdout=packed)
        if ended.status:
            raise _failed(base, "tar in the machine", ended, watch.log)


@contextmanager
def _machine(
    machine: tuple[str, str], name: str, base: str, watch: tools.Watch, environ: Mapping[str, str]
) -> Iterator[None]:
    watch.note(f"starting a machine from {base}")
    create = ("create", "--name", name, "--image", base, "--net", "--block-private")
    size = ("--cpus", CPUS, "--mem", MEMORY_MIB, "--storage", ROOM_GIB)
    try:
        for argv in (
            (*machine, *create, *size, "--", "sleep", "infinity"),
            (*machine, "start", "--name", name),
        ):
            ended = tools.run(argv, watch, bound_s=START_BOUND, environ=environ, cwd=Path("/"))
            if ended.status:
                raise _failed(base, f"smolvm {argv[1]} {argv[2]}", ended, watch.log)
        yield
    finally:
        tools.run(
            (*machine, "delete", "--name", name, "-f"),
            watch,
            bound_s=END_BOUND,
            environ=environ,
            cwd=Path("/"),
        )


def _failed(base: str, program: str, ended: tools.Ended, log: Path) -> ImageError:
    if ended.says(*FULL) or is_full(log.parent):
        return disk_full(log.parent.parent, "make the stage base")
    if ended.status == UNFIT:
        return ImageError(
            f"The image {base} cannot be a base: {ended.reason}.",
            code="image.base_unfit",
            remedy="Name one of Debian, Ubuntu or Fedora in `--base`, or give `--minimal`, without agents.",
        )
    if ended.status == NO_NETWORK:
        return ImageError(
            f"The stage base could not install packages inside {base}: {ended.reason}",
            code="image.network",
            remedy=f"Check that the machine reaches its package archive; {log} says more. Then try again.",
        )
    return stage_failed("base", program, ended.status, ended.reason, log)
