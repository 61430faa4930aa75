"""Whether a microVM really boots on this machine; opening /dev/kvm proves nothing.

Called by `scripts/test` and `scripts/demo` to choose between this machine and the lab.
"""

import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from lab_disks import find_engine, prepare_engine

BOOT_BOUND_S: Final = 20.0  # a second where KVM works; where it does not, the engine waits for 30


def machine_boots() -> str | None:
    """Boot a machine without an image; return nothing when it did, else one line that says why not."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is missing or not accessible here"
    engine = find_engine()
    if engine is None:
        return "the smolmachines engine is not installed"
    prepare_engine(engine)
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
    process.wait(timeout=BOOT_BOUND_S)


def _descendants(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
