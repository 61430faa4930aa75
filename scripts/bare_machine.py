"""Whether a microVM really boots on this machine; opening /dev/kvm proves nothing.

Called by `scripts/test` and `scripts/demo` to choose between this machine and the lab.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from environment import ROOT
from lab_disks import find_engine, prepare_engine
from lab_initramfs import write_whole

BOOT_BOUND_S: Final = 10.0  # a second where KVM works; where it does not, the engine waits for 30
END_GRACE_S: Final = 10.0  # for a killed process to be gone
REMEMBERED: Final = ROOT / ".lab" / "bare-machine"


def machine_boots() -> str | None:
    """Boot a machine without an image; return nothing when it did, else one line that says why not.

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
        remembered, reason = REMEMBERED.read_text(encoding="utf-8").split("\n", 1)
        if remembered == key:
            return reason
    prepare_engine(engine)
    reason = _boot(engine)
    if reason is not None:
        write_whole(REMEMBERED, f"{key}\n{reason}".encode())
    return reason


def _boot(engine: Path) -> str | None:
    # state under the temporary folder: the machine's own user must be able to reach it
    with tempfile.TemporaryDirectory(prefix="symphony-boot-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        argv = [str(engine / "smol-vmm"), "machine", "run", "--mem", "256", "--", "true"]
        process = subprocess.Popen(
            argv,
            env={
                **os.environ,
                "HOME": home,
                "XDG_CACHE_HOME": f"{home}/cache",
                "XDG_DATA_HOME": f"{home}/data",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, said = process.communicate(timeout=BOOT_BOUND_S)
        except subprocess.TimeoutExpired:
            return f"a bare machine did not boot here within {BOOT_BOUND_S:g} s"
        finally:
            _end_all(process)
    if process.returncode == 0:
        return None
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.startswith("Error")]
    return f"a bare machine does not boot here: {' '.join(lines)[:200] or process.returncode}"


def _end_all(process: "subprocess.Popen[bytes]") -> None:
    # the machine monitor is a session of its own; it is found as a descendant before its parent goes
    for pid in [*_descendants(process.pid), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(timeout=END_GRACE_S)


def _descendants(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
