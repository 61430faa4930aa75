"""Whether a microVM really boots on this machine; opening /dev/kvm proves nothing.

Called by `scripts/test` and `scripts/demo` to choose between this machine and the lab.
"""

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

from environment import ROOT
from lab_disks import find_engine, prepare_engine
from lab_initramfs import write_whole

from symphony.sandbox.smolvm.boot import check_boot
from symphony.sandbox.smolvm.engine import open_engine
from symphony.sandbox.smolvm.errors import EngineError

BOOT_BOUND_S: Final = 10.0  # a second where KVM works; where it does not, the engine waits for 30
REMEMBERED: Final = ROOT / ".lab" / "bare-machine"


def machine_boots() -> str | None:
    """Boot a machine as `symphony doctor` does; return nothing when it did, else one line that says why not.

    That it does not is remembered until this machine or the engine changes: finding out takes the deadline.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is missing or not accessible here"
    engine = find_engine()
    if engine is None:
        return "the smolmachines engine is not installed"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    key = f"{boot} {os.geteuid()} {(engine / 'smol-vmm').stat().st_mtime_ns}"
    with contextlib.suppress(FileNotFoundError, ValueError):
        remembered, why = REMEMBERED.read_text(encoding="utf-8").split("\n", 1)
        if remembered == key:
            return why
    prepare_engine(engine)
    reason = _boot(engine / "smol-vmm")
    if reason is not None:
        write_whole(REMEMBERED, f"{key}\n{reason}".encode())
    return reason


def _boot(program: Path) -> str | None:
    # state under the temporary folder: the machine's own user must be able to reach it
    with tempfile.TemporaryDirectory(prefix="symphony-boot-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        places = {"HOME": home, "XDG_CACHE_HOME": f"{home}/cache", "XDG_DATA_HOME": f"{home}/data"}
        try:
            asyncio.run(_boot_once(program, {**os.environ, **places}))
        except EngineError as error:
            return error.message.rstrip(".")
    return None


async def _boot_once(program: Path, environ: dict[str, str]) -> None:
    await check_boot(await open_engine(str(program), environ), BOOT_BOUND_S)
