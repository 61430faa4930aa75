"""The system of an image from another image, made inside a machine: for hosts without mmdebstrap.

Called by builds with `--base`. The machine has a network while it is built, never the host's private
one, and is removed however the build ends.
"""

import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from symphony.sandbox.images import tools
from symphony.sandbox.images.definition import Debian
from symphony.sandbox.images.errors import ImageError, disk_full, stage_failed
from symphony.sandbox.images.files import complete_root, is_full
from symphony.sandbox.images.source import unpack_for_engine
from symphony.sandbox.smolvm.engine import PATIENCE, find_program
from symphony.sandbox.smolvm.ownership import check_reachable

COPY_BOUND = 900.0  # seconds for a gigabyte on a slow disk
START_BOUND = 1200.0  # the first start of a registry's image downloads it
INSTALL_BOUND = 1800.0
PACK_BOUND = 1200.0
END_BOUND = 120.0
CPUS, MEMORY_MIB = "2", "2048"  # the engine's own default, 8 GiB, is more than many hosts have free
ROOM_GIB = "20"  # of the machine's own disk; only what is written takes room on the host
FULL = ("no space left on device",)
UNFIT = 90  # the status of INSTALL for a system that it cannot serve
NO_NETWORK = 91
UNKNOWN = (
    "unable to locate package",
    "no installation candidate",
    "no match for argument",
    "no such package",
)
# what shows that a package's program is there, whoever brought it
COMMANDS = {
    "bash": "bash",
    "curl": "curl",
    "git": "git",
    "openssh-client": "ssh",
    "procps": "pgrep",
    "python3": "python3",
    "ripgrep": "rg",
    "socat": "socat",
}
INSTALL = """
set -u
missing=""
lacks() {{ missing="$missing $1"; }}
known() {{ dpkg -s $1 || rpm -q $1 || apk info -e $1; }}
{{
{checks}
}} >/dev/null 2>&1
{glibc}
[ -n "$missing" ] || exit 0
echo "installing$missing"
if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -o Acquire::Languages=none || exit {no_network}
    apt-get install --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io $missing \\
        || exit {no_network}
    apt-get clean
    rm -rf /var/lib/apt/lists/*
elif command -v dnf >/dev/null; then
    dnf --assumeyes --setopt=install_weak_deps=False install $(echo "$missing" | sed {fedora}) \\
        || exit {no_network}
    dnf clean all
elif command -v apk >/dev/null; then
    apk add --no-cache $missing || exit {no_network}
else
    echo "it has none of apt-get, dnf and apk, and lacks$missing"
    exit {unfit}
fi
"""
GLIBC = """
[ -n "$(ls /lib/ld-linux* /lib64/ld-linux* 2>/dev/null)" ] || {
    echo "it has no glibc, which the agents need"
    exit 90
}
"""
FEDORA = {"openssh-client": "openssh-clients", "procps": "procps-ng"}
# in the machine, whose output would be cut off after 11 MiB
PACKED = "/tmp/symphony-system.tar"  # noqa: S108  # nobody else is in it
NOT_PACKED = ("proc", "sys", "dev", "run", "tmp", "lost+found", "storage", "workspace")  # two are smolvm's
PACK = "exec tar --create --file={file} --one-file-system --numeric-owner {left_out} --directory=/ ."


def build_from_base(
    base: str,
    debian: Debian,
    archive: Path,
    work: Path,
    watch: tools.Watch,
    environ: Mapping[str, str],
    *,
    binary: str | None = None,
    with_agents: bool = True,
) -> None:
    """Write the files of a system that begins as another image into an archive.

    Args:
        archive: is written; what is there is replaced.
        work: an empty folder that the machine's own user can enter.
        watch: is told how it goes.
        environ: of smolvm.
        base: a registry's reference, a `docker save` archive, or a rootfs folder or archive.
        debian: whose packages are added; of other systems, the packages of the same names.
        binary: the smolvm program, as `smolvm.binary` names it.
        with_agents: whether agents will be put into it, which need glibc.

    Raises:
        ImageError: `image.base_unfit`, `image.network`, `image.package_missing`, `image.disk_full`,
            `image.stage_failed`, `image.stage_timeout`.
        EngineError: `sandbox.engine_missing`, `sandbox.mount_failed`.
    """
    machine = str(find_program(binary, environ)), "machine"
    name = f"symphony-image-{secrets.token_hex(4)}"
    environ = {**PATIENCE, **environ}
    installs = install_script(debian, with_agents=with_agents)
    given = _readable(base, work, watch, environ)
    with _machine(machine, name, given, base, watch, environ):
        execute = (*machine, "exec", "-i", "--name", name, "--", "sh", "-c")  # -i: all that it says, at once
        left_out = " ".join(f"--exclude=./{folder}" for folder in NOT_PACKED)
        pack = PACK.format(file=PACKED, left_out=left_out)
        steps: tuple[tuple[str, str, float, tuple[str, ...]], ...] = (
            ("installing packages in a machine", "the machine", INSTALL_BOUND, (*execute, installs)),
            ("packing its files", "tar in the machine", PACK_BOUND, (*execute, pack)),
            (
                "taking its files",
                "smolvm machine cp",
                PACK_BOUND,
                (*machine, "cp", f"{name}:{PACKED}", str(archive)),
            ),
        )
        for doing, program, bound_s, argv in steps:
            watch.note(doing)
            ended = tools.run(argv, watch, bound_s=bound_s, environ=environ, cwd=Path("/"))
            if ended.status:
                raise _failed(base, program, ended, watch.log)


def install_script(debian: Debian, *, with_agents: bool) -> str:
    """Return what installs in a machine, of the packages, those that it lacks."""
    checks = ["tar --version | grep GNU || lacks tar"]
    for package in debian.packages:
        if package == "ca-certificates":
            found = "[ -s /etc/ssl/certs/ca-certificates.crt ]"
        elif package in COMMANDS:
            found = f"command -v {COMMANDS[package]}"
        else:
            found = f"known {package}"
        checks.append(f"{found} || lacks {package}")
    return INSTALL.format(
        checks="\n".join(checks),
        fedora=shlex.quote("; ".join(f"s/{debians}/{fedoras}/" for debians, fedoras in FEDORA.items())),
        glibc=GLIBC if with_agents else "",
        unfit=UNFIT,
        no_network=NO_NETWORK,
    )


def _readable(base: str, work: Path, watch: tools.Watch, environ: Mapping[str, str]) -> str:
    """Return the base as the engine is given it: of a folder, a machine of root's gets a copy.

    It runs as a user of its own, who may not read all of a system's files, and then its guest's root
    cannot change them either.
    """
    path = Path(base)
    if path.is_file():
        watch.note("unpacking the base")
        path = unpack_for_engine(base, work)
    elif path.is_dir() and os.geteuid() == 0:
        watch.note("copying the base")
        path = work / "rootfs"
        path.mkdir()
        argv = ("cp", "-a", "-x", f"{base}/.", str(path))
        ended = tools.run(argv, watch, bound_s=COPY_BOUND, environ=environ, cwd=Path("/"))
        if ended.status:
            raise _failed(base, "cp", ended, watch.log)
        complete_root(path)
    else:
        return base
    if path.is_dir():
        path.chmod(0o755)
    if os.geteuid() == 0:
        check_reachable(path, "the base")
    return str(path)


@contextmanager
def _machine(
    machine: tuple[str, str],
    name: str,
    given: str,
    base: str,
    watch: tools.Watch,
    environ: Mapping[str, str],
) -> Iterator[None]:
    watch.note(f"starting a machine from {base}")
    create = ("create", "--name", name, "--image", given, "--net", "--block-private")
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
    if ended.status == NO_NETWORK and ended.says(*UNKNOWN):
        return ImageError(
            f"The package archive of {base} lacks a package of the image: {ended.reason}",
            code="image.package_missing",
            remedy="Name the packages as that system does, in a definition of yours: `--definition FILE`.",
        )
    if ended.status == NO_NETWORK:
        return ImageError(
            f"The stage base could not install packages inside {base}: {ended.reason}",
            code="image.network",
            remedy=f"Check that the machine reaches its package archive; {log} says more. Then try again.",
        )
    return stage_failed("base", program, ended.status, ended.reason, log)
