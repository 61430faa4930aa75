"""The agents of an image, from npm: exactly the packages of their lock files, checked, no scripts run.

Called by builds. The host's npm is used when there is one, since a mirror, a proxy or a certificate
is set up there; else npm of the image's own Node, which runs on the host too.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from symphony.sandbox.images import tools
from symphony.sandbox.images.definition import Agent, LockFile
from symphony.sandbox.images.errors import ImageError, disk_full, no_network, stage_failed
from symphony.sandbox.images.files import is_full

HOME = "opt/symphony/agents"  # in the guest
CPUS = {"amd64": "x64", "arm64": "arm64"}
BOUND = 1800.0  # seconds; one agent is up to 100 MB
FULL = ("enospc", "no space left on device", "edquot")
NO_NETWORK = ("eai_again", "enotfound", "econnrefused", "econnreset", "etimedout", "enetunreach", "network")
ABSENT = ("etarget", "e404", "404 not found", "eintegrity")


def fetch_agent(
    agent: Agent,
    lock: LockFile,
    architecture: str,
    tree: Path,
    npm: list[str],
    watch: tools.Watch,
    environ: Mapping[str, str],
) -> None:
    """Put an agent into a tree, its command into `usr/local/bin`.

    Args:
        agent: which one.
        lock: its packages.
        architecture: the guest's.
        tree: a folder for its files.
        npm: what starts npm on this host.
        watch: is told how it goes.
        environ: of npm.

    Raises:
        ImageError: `image.network`, `image.package_missing`, `image.disk_full`,
            `image.stage_failed`, `image.stage_timeout`.
    """
    folder = tree / HOME / agent.name
    folder.mkdir(parents=True)
    (folder / "package.json").write_bytes(lock.package)
    (folder / "package-lock.json").write_bytes(lock.lock)
    argv = [
        *npm,
        "ci",
        "--ignore-scripts",
        "--omit=dev",
        "--no-audit",
        "--no-fund",
        "--os=linux",
        f"--cpu={CPUS[architecture]}",
        "--libc=glibc",
    ]
    watch.note(f"downloading {agent.command} {agent.version}")
    ended = tools.run(argv, watch, bound_s=BOUND, environ=environ, cwd=folder)
    if ended.status:
        raise _failed(agent, ended, watch.log)
    program = folder / agent.program[architecture]
    if not program.is_file():
        raise ImageError(
            f"The packages of {agent.name} {agent.version} came without {agent.program[architecture]}.",
            code="image.package_missing",
            remedy=f"Correct `program` of the agent {agent.name} in the definition, or its lock file.",
        )
    program.chmod(0o755)
    commands = tree / "usr" / "local" / "bin"
    commands.mkdir(parents=True, exist_ok=True)
    (commands / agent.command).symlink_to(f"/{program.relative_to(tree)}")


def find_npm(environ: Mapping[str, str], node: Path) -> list[str]:
    """Return what starts npm: the host's, else that of a Node at this place.

    Args:
        environ: tells the host's PATH.
        node: a tree that the stage `node` was unpacked into.
    """
    if found := shutil.which("npm", path=environ.get("PATH", os.defpath)):
        return [found]
    prefix = node / "usr" / "local"
    return [str(prefix / "bin" / "node"), str(prefix / "lib/node_modules/npm/bin/npm-cli.js")]


def _failed(agent: Agent, ended: tools.Ended, log: Path) -> ImageError:
    if ended.says(*FULL) or is_full(log.parent):
        return disk_full(log.parent.parent, f"install {agent.command}")
    if ended.says(*ABSENT):
        return ImageError(
            f"{agent.command} {agent.version} is not to be had as it was pinned: {ended.reason}",
            code="image.package_missing",
            remedy="Check which registry npm is set up with (`npm config list`), or build with `--minimal`.",
        )
    if ended.says(*NO_NETWORK):
        return no_network(agent.name, "npm", ended.reason)
    return stage_failed(agent.name, "npm", ended.status, ended.reason, log)
