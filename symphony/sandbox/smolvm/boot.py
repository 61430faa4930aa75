"""Whether machines can boot here: what can be known without a boot, and the boot itself.

Called by `symphony doctor` and, without the boot, by the driver's `preflight`. That /dev/kvm opens
proves nothing: on a host that offers it without really having it, the guest dies after a while.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from symphony.core.settings import SmolvmSettings
from symphony.core.text import one_line
from symphony.host.process import finish_first
from symphony.sandbox.images.source import NAME, ImageSource, resolve_image
from symphony.sandbox.smolvm.engine import Engine
from symphony.sandbox.smolvm.errors import WITHOUT_MACHINES, EngineError
from symphony.sandbox.smolvm.machines import delete_machine, list_machines, machine_name

KVM = Path("/dev/kvm")
BOOT_DEADLINE = 90.0  # seconds; a boot takes one, and the engine itself gives up after 30 without progress
UNPACK_DEADLINE = 240.0  # seconds on top, once: unpacking takes 20 on a fast disk
CREATE_BOUND = 30.0  # seconds; without an image nothing is copied
EXEC_BOUND = 30.0  # seconds for `uname -r` in a machine that has just booted
BARE = ("--cpus", "1", "--mem", "512", "--storage", "2", "--overlay", "2")  # MiB and GiB; it does nothing
PURPOSE_LABEL, PURPOSE = "purpose", "symphony-doctor"
PROCESS_LABEL = "process"
RELEASE_LENGTH = 80  # characters of a kernel's release
OTHER_REASONS = frozenset({"sandbox.disk_full", "sandbox.engine_missing"})  # for which KVM cannot help it
NESTED = (
    "If this is a virtual machine, switch on nested virtualization where it runs; else switch on "
    "virtualization in the firmware."
)
DISKS = ("storage-template.ext4", "overlay-template.ext4")  # packed beside the engine as `.zst`


def check_device(device: Path = KVM) -> None:
    """Make sure that the device for machines is there and open to this user; says nothing of a boot.

    Raises:
        EngineError: `sandbox.kvm_unusable`.
    """
    if sys.platform != "linux":
        return  # macOS has its own, which needs no file
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError as error:
        raise _unusable(
            f"There is no {device}: this machine offers no virtualization.",
            f"Load the kernel's module kvm_intel or kvm_amd. {NESTED}",
        ) from error
    except PermissionError as error:
        raise _unusable(
            f"This user may not open {device}.",
            "Run `sudo usermod -aG kvm $USER` and log in again; in a container, pass the device on to it.",
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _unusable(f"{device} cannot be opened: {reason}.", NESTED) from error


def find_image(settings: SmolvmSettings, environ: Mapping[str, str]) -> ImageSource | None:
    """Return the image that the settings name; None for an archive, of which only the file is seen.

    Unlike `resolve_image` it never unpacks one, which can take minutes.

    Raises:
        ImageError: `sandbox.image_missing`, `sandbox.image_corrupt`.
    """
    text = settings.image or ""
    is_name = not text or NAME.fullmatch(text)
    if settings.from_ is None and not is_name and Path(text).expanduser().is_file():
        return None
    return resolve_image(settings, environ)


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return where the engine keeps its machines when it is not told another place."""
    cache = environ.get("XDG_CACHE_HOME")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(cache) if cache else home / ".cache") / "smolvm"


def must_unpack(engine: Engine) -> bool:
    """Say whether the engine's next start unpacks its disks first, which it does once."""
    folder = engine.program.resolve().parent
    return any((folder / f"{name}.zst").exists() and not (folder / name).exists() for name in DISKS)


async def check_boot(engine: Engine, deadline_s: float = BOOT_DEADLINE) -> str:
    """Boot a bare machine, ask its kernel for its release, and remove it in any case.

    Args:
        engine: to boot it with.
        deadline_s: seconds for the boot; `UNPACK_DEADLINE` is added when disks are to be unpacked.

    Raises:
        EngineError: `sandbox.kvm_unusable`: it does not boot; `sandbox.engine_timeout`: the engine
            was still busy with its disks; `sandbox.disk_full` and others.
    Cancellation: the machine is removed first.
    """
    await remove_leftovers(engine)
    labels = {PURPOSE_LABEL: PURPOSE, PROCESS_LABEL: str(os.getpid())}
    name = machine_name({"issue": "doctor", "installation": str(os.getpid())})
    named = [word for label in labels.items() for word in ("--label", "=".join(label))]
    try:
        await engine.call(
            *("machine", "create", "--name", name, *BARE, *named),
            doing="create a bare machine",
            timeout_s=CREATE_BOUND,
        )
        await _start(engine, name, deadline_s)
        said = await engine.call(
            *("machine", "exec", "--name", name, "--", "uname", "-r"),
            doing="run a program in a bare machine",
            timeout_s=EXEC_BOUND,
        )
    except BaseException:
        with suppress(EngineError):  # why it did not boot is what counts; the next look removes the rest
            await finish_first(asyncio.create_task(delete_machine(engine, name)))
        raise
    await finish_first(asyncio.create_task(delete_machine(engine, name)))
    return one_line(said.decode("utf-8", "replace").strip(), RELEASE_LENGTH)


async def remove_leftovers(engine: Engine) -> None:
    """Remove the bare machines of processes that were killed before they could.

    Raises:
        EngineError: the engine does not answer.
    """
    for row in await list_machines(engine, {PURPOSE_LABEL: PURPOSE}):
        process = row.labels.get(PROCESS_LABEL, "")
        if not (process.isdecimal() and psutil.pid_exists(int(process))):
            await delete_machine(engine, row.name)


async def _start(engine: Engine, name: str, deadline_s: float) -> None:
    unpacks = await asyncio.to_thread(must_unpack, engine)
    bound = deadline_s + (UNPACK_DEADLINE if unpacks else 0)
    start = ("machine", "start", "--name", name)
    try:
        await engine.call(*start, doing="boot a bare machine", timeout_s=bound)
    except EngineError as error:
        if error.code in OTHER_REASONS:
            raise
        if unpacks and await asyncio.to_thread(must_unpack, engine):
            raise _not_unpacked(engine, error, bound) from error
        raise _unusable(f"{KVM} opens, but no guest runs with it: {error.message}", NESTED) from error


def _not_unpacked(engine: Engine, error: EngineError, bound_s: float) -> EngineError:
    """Return the error for a first start that did not get as far as a boot."""
    folder = engine.program.resolve().parent
    if error.code == "sandbox.engine_timeout":
        return EngineError(
            f"smolvm was still unpacking its disks after {bound_s:g} s, as it does at its first start.",
            code=error.code,
            remedy="Try again when this machine is less busy.",
        )
    return EngineError(
        f"smolvm did not unpack its disks at its first start: {error.message}",
        code=error.code,
        remedy=f"Look whether there is space in {folder}, and whether this user may write there.",
    )


def _unusable(message: str, remedy: str) -> EngineError:
    return EngineError(message, code="sandbox.kvm_unusable", remedy=f"{remedy} {WITHOUT_MACHINES}")
