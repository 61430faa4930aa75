"""The system of an image by mmdebstrap: Debian's packages, without a container engine.

Called by builds on Debian and Ubuntu. The host's own sources and proxies are used where they lead
to the wanted release; what the guest keeps of them holds no user name and no password.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from symphony.sandbox.images import tools
from symphony.sandbox.images.definition import Debian
from symphony.sandbox.images.errors import ImageError, disk_full, no_network, stage_failed
from symphony.sandbox.images.files import is_full

PROGRAM = "mmdebstrap"
INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", PROGRAM)
INSTALL_BOUND = 600.0  # seconds; mmdebstrap brings a dozen packages
BOUND = 3600.0  # seconds; about 70 MB have to come over the line
ASK_BOUND = 30.0  # seconds for what apt knows by heart
HOST_SETTINGS = ("Acquire::http", "Acquire::https", "Acquire::Retries", "Acquire::Check-")
NO_NETWORK = (
    "could not resolve",
    "temporary failure resolving",
    "could not connect",
    "cannot initiate the connection",
    "connection failed",
    "connection timed out",
    "unable to connect",
    "network is unreachable",
    "failed to fetch",
)
UNSIGNED = ("no_pubkey", "is not signed", "couldn't be verified", "keyring")
FULL = ("no space left on device", "disk quota exceeded", "you don't have enough free space")
TRIM = (  # texts that no agent reads, in languages that none speaks; licences stay
    'rm -rf "$1"/usr/share/man/* "$1"/usr/share/info/* "$1"/usr/share/locale/*'
    ' "$1"/var/cache/apt/*.bin "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old;'
    ' find "$1/usr/share/doc" -type f ! -name copyright -delete'
)
FORGET = (  # a mirror's password or a proxy's is the host's affair
    'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/auth.conf;'
    ' find "$1/etc/apt" -name "*.list" -o -name "*.sources" | while read -r f;'
    ' do sed -i "s#://[^/@ ]*@#://#" "$f"; done'
)


@dataclass(frozen=True, slots=True)
class HostApt:
    """What the host's apt is set up with.

    Attributes:
        sources: files, or lines, for mmdebstrap; empty when none leads to the release.
        settings: `Name "value";`, proxies and the like.
    """

    sources: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


def ensure_mmdebstrap(watch: tools.Watch, environ: Mapping[str, str], *, install: bool) -> Path:
    """Return the program; install it when that is wanted and possible.

    Raises:
        ImageError: `image.tool_missing`, `image.network`, `image.stage_failed`.
    """
    path = environ.get("PATH", os.defpath)
    if found := shutil.which(PROGRAM, path=path):
        return Path(found)
    root = os.geteuid() == 0
    if install and root and shutil.which("apt-get", path=path):
        watch.note(f"installing {PROGRAM}")
        for argv in (("apt-get", "update"), INSTALL):
            apt = {**environ, "DEBIAN_FRONTEND": "noninteractive"}
            ended = tools.run(argv, watch, bound_s=INSTALL_BOUND, environ=apt, cwd=Path("/"))
            if ended.status and argv is INSTALL:
                raise _failed("base", "apt-get", ended, watch.log)
        if found := shutil.which(PROGRAM, path=path):
            return Path(found)
    if not shutil.which("apt-get", path=path):
        raise ImageError(
            f"{PROGRAM}, which makes the image's system, is not on this machine, and apt-get is not either.",
            code="image.tool_missing",
            remedy="Build from an image that smolvm starts: `symphony image build --base debian:bookworm`.",
        )
    itself = " Or let `symphony image build --install` do it." if root else ""
    raise ImageError(
        f"{PROGRAM}, which makes the image's system, is not installed.",
        code="image.tool_missing",
        remedy=f"Install it with `{'' if root else 'sudo '}apt-get install {PROGRAM}`.{itself}",
    )


def build_debian(
    debian: Debian,
    target: Path,
    work: Path,
    watch: tools.Watch,
    environ: Mapping[str, str],
    *,
    sources: Path | None = None,
    install: bool = False,
) -> None:
    """Write the system's files into an archive or, as root, into a folder.

    Args:
        debian: which release and which packages.
        target: an archive, which ends in `.tar`, or a folder, which must not be there yet.
        work: a folder for what is written meanwhile.
        watch: is told how it goes.
        environ: of mmdebstrap.
        sources: a file of apt's in place of the host's own.
        install: whether mmdebstrap may be installed.

    Raises:
        ImageError: what `ensure_mmdebstrap` raises, `image.unsigned`, `image.disk_full`,
            `image.stage_timeout`.
    """
    program = ensure_mmdebstrap(watch, environ, install=install)
    apt = HostApt((str(sources),)) if sources else host_apt(debian.suite, environ)
    argv = [
        *_own_mounts(environ),
        str(program),
        "--variant=minbase",
        *([f"--include={','.join(debian.packages)}"] if debian.packages else []),
        f"--format={'tar' if target.suffix == '.tar' else 'directory'}",
        "--skip=output/dev",
        "--dpkgopt=force-unsafe-io",
        '--aptopt=Acquire::Languages "none"',
        *(f"--aptopt={setting}" for setting in apt.settings),
        f"--customize-hook={TRIM}",
        f"--customize-hook={FORGET}",
        debian.suite,
        str(target),
        *apt.sources,
    ]
    # unprivileged, it works as users that may not reach into a home
    folder = {"TMPDIR": str(work)} if os.geteuid() == 0 else {}
    ended = tools.run(argv, watch, bound_s=BOUND, environ={**environ, **folder}, cwd=work, notice=_notice)
    if ended.status:
        raise _failed("base", PROGRAM, ended, watch.log)


def host_apt(suite: str, environ: Mapping[str, str], ask: Callable[..., str] | None = None) -> HostApt:
    """Return what the host's apt is set up with, as far as it serves for this release.

    A file of sources serves when all that it names is of the release and the main archive is in
    it; so a mirror is kept, with its keys, and somebody's extra repository left out.

    Args:
        suite: the release.
        environ: of apt.
        ask: returns what an apt program prints; tests give their own.
    """
    ask = ask or _ask
    form = "$(SOURCESENTRY)\t$(RELEASE)\t$(COMPONENT)"
    releases: dict[str, set[str]] = {}
    components: dict[str, set[str]] = {}
    for line in ask(
        environ, "apt-get", "indextargets", "--format", form, "Created-By: Packages"
    ).splitlines():
        entry, _, rest = line.partition("\t")
        release, _, component = rest.partition("\t")
        file = entry.rsplit(":", 1)[0]
        releases.setdefault(file, set()).add(release)
        components.setdefault(file, set()).add(component)
    serving = {suite, f"{suite}-updates", f"{suite}-security", f"{suite}-backports"}
    fits = [file for file in releases if releases[file] <= serving and "main" in components[file]]
    if not any(suite in releases[file] for file in fits):
        fits = []
    settings = tuple(
        line.strip().rstrip(";") + ";"
        for line in ask(environ, "apt-config", "dump").splitlines()
        if line.startswith(HOST_SETTINGS) and not line.rstrip().endswith('"";')
    )
    return HostApt(tuple(fits), settings)


def _own_mounts(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what lets root's mmdebstrap mount where nobody else sees it.

    What it mounts in the new system then goes with its last process, however that ends; else a
    killed build would leave the host's own devices in a folder that the next one sweeps.
    """
    apart = ("unshare", "--mount", "--propagation=private")
    if os.geteuid() != 0:
        return ()
    try:
        tried = subprocess.run(
            (*apart, "true"), env=dict(environ), capture_output=True, timeout=ASK_BOUND, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return apart if tried.returncode == 0 else ()


def _ask(environ: Mapping[str, str], *argv: str) -> str:
    try:
        return subprocess.run(
            argv, env=dict(environ), capture_output=True, text=True, timeout=ASK_BOUND, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):  # a host without apt: Debian's own archive is used
        return ""


def _notice(line: str) -> str | None:
    if not line.startswith("I: "):
        return None
    words = line.removeprefix("I: ").rstrip(".")
    return (
        words
        if words.startswith(("running apt", "downloading", "extracting", "installing", "creating"))
        else None
    )


def _failed(stage: str, program: str, ended: tools.Ended, log: Path) -> ImageError:
    if ended.says(*FULL) or is_full(log.parent):
        return disk_full(log.parent.parent, f"make the stage {stage}")
    if ended.says(*NO_NETWORK):
        return no_network(stage, program, ended.reason)
    if ended.says(*UNSIGNED):
        return ImageError(
            f"The stage {stage} failed: {program} cannot check Debian's signatures: {ended.reason}",
            code="image.unsigned",
            remedy=f"Install the keys with `apt-get install {shlex.quote('debian-archive-keyring')}`.",
        )
    return stage_failed(stage, program, ended.status, ended.reason, log)
