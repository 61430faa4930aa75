"""This machine: Python, git, disks, memory, and the address to listen on."""

import errno
import platform
import shutil
import socket
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from symphony.core.admission import MIB, Room
from symphony.core.disk import KEY, DiskRoom
from symphony.core.settings import RetentionSettings
from symphony.doctor.case import NOT_LOADED, Case
from symphony.doctor.check import Finding, failed, in_thread, ok, skipped, together, warning
from symphony.host.lock import DaemonFile, read_daemon
from symphony.host.memory import SystemHost, fullest_disk
from symphony.sandbox.drivers import disk_places
from symphony.workspace.git_command import Git, check_version

OLDEST_PYTHON = (3, 11)
GIB = 1 << 30
LOW_BYTES = 2 * GIB  # a clone with what its build leaves, or what a guest writes, is easily one
OUT_BYTES = GIB // 4  # less does not hold a small clone and symphony's own files
MAKE_ROOM = (
    "Free some space: `symphony gc --dry-run` shows what takes it. "
    "Or keep it on another disk: `workspace.root` in WORKFLOW.md."
)


async def look_at_python() -> Finding:
    """Say which Python runs symphony."""
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        return failed(found, "Install Python 3.11 or newer, and symphony with it.")
    return ok(found)


async def look_at_git(case: Case) -> Finding:
    """Say which git there is, and whether it is new enough.

    Raises:
        WorkspaceError: `workspace.git_not_found`, `workspace.git_too_old`.
    """
    git = Git(Path("/"))
    said = await git.line("version")
    check_version(said)
    place = shutil.which("git", path=case.environ.get("PATH"))
    return ok(f"{said.removeprefix('git version ')} ({place})")


async def look_at_disk(case: Case) -> Finding:
    """Say how much room there is for what attempts write, by the numbers that attempts wait by."""
    if case.settings is None:
        return skipped(NOT_LOADED)
    retention = case.settings.retention
    places = disk_places(case.settings, case.installation, case.environ)
    rooms = [partial(_room, retention, what, place) for what, place in places.items()]
    return together([await in_thread(room) for room in rooms])


async def look_at_memory(case: Case) -> Finding:
    """Say how much memory is free, and whether a machine of the settings' size fits."""
    memory = await SystemHost().memory()
    if memory is None:
        return warning("it cannot be read", "Look whether /proc is there.")
    free = f"{memory.free_bytes // MIB:,} of {memory.total_bytes // MIB:,} MiB free"
    if case.settings is None or not case.in_machines:
        return ok(free)
    room = Room.of(case.settings, memory, ())
    found = f"{free}; a machine takes up to {room.needed // MIB:,} MiB"
    lower = "Lower `smolvm.mem_mib` in WORKFLOW.md"
    if room.never:
        return failed(f"{found}, which this host never has", f"{lower}.")
    if room.lacking is not None:
        return warning(f"{found}, so that attempts wait", f"{lower}, or end other programs.")
    return ok(found)


async def look_at_port(case: Case) -> Finding:
    """Say whether `server.port` can be listened on, or whether our own daemon does.

    Raises:
        LockError: it cannot be told whether a daemon runs.
    """
    if case.settings is None:
        return skipped(NOT_LOADED)
    server = case.settings.server
    daemon = await in_thread(partial(read_daemon, case.installation))
    if daemon is not None and _holds(daemon, server.port):
        return ok(f"our own daemon, process {daemon.pid}, listens at {daemon.url}")
    return await in_thread(partial(_try_to_listen, server.host, server.port or 0))


def _room(retention: RetentionSettings, what: str, place: Path) -> Finding:
    disk = fullest_disk([place])
    if disk is None:
        return warning(f"the free space for {what} in {place} cannot be told", "Look at its file system.")
    found = f"{disk.free_bytes / GIB:,.1f} GiB free for {what} in {place}"
    room = DiskRoom.of(retention, disk, was_low=False)
    if room.never:
        return failed(f"{found}; {room.lacking}", f"Lower `{KEY}` in WORKFLOW.md.")
    if room.low:
        return failed(f"{found}, and attempts start at {room.enough // MIB:,} MiB", MAKE_ROOM)
    if disk.free_bytes < OUT_BYTES:
        return failed(found, MAKE_ROOM)
    return warning(found, MAKE_ROOM) if disk.free_bytes < max(LOW_BYTES, 2 * room.least) else ok(found)


def _holds(daemon: DaemonFile, port: int | None) -> bool:
    return daemon.url is not None and (not port or urlsplit(daemon.url).port == port)


def _try_to_listen(host: str, port: int) -> Finding:
    found = f"{host}:{port}" if port else f"a free one of {host} is taken at each start"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the listener does
            server.bind(address)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedies = {
            errno.EADDRINUSE: "Stop the program that listens there, or set another `server.port`.",
            errno.EACCES: "Set `server.port` to one above 1023.",
        }
        remedy = remedies.get(error.errno or 0, "Set `server.host` to an address of this machine.")
        return failed(f"{host}:{port}: {reason}", remedy)
    return ok(f"{found} is free" if port else found)
