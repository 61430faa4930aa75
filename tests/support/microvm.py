"""Real machines for the suites that need one; only where `SYMPHONY_MICROVM` says that they can boot."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from symphony.core.ports import SandboxSpec
from symphony.core.settings import SmolvmSettings

MICROVM = os.environ.get("SYMPHONY_MICROVM") == "1"
IMAGE = os.environ.get("SYMPHONY_MICROVM_IMAGE", "")
BOUND_S = 600.0  # a machine boots in a second, and in half a minute where KVM is emulated
SETTINGS = SmolvmSettings(image=IMAGE or None, cpus=1, mem_mib=512)

HOLDER = """
import ast, asyncio, os, sys
from dataclasses import replace
from pathlib import Path
from symphony.core.ports import SandboxSpec
from symphony.sandbox.smolvm.driver import SmolvmDriver
from tests.support.microvm import SETTINGS

async def main():
    folder, kit, labels, script = sys.argv[1:]
    spec = SandboxSpec(Path(folder), {}, ast.literal_eval(labels), SETTINGS)
    async with SmolvmDriver(os.environ, Path(kit)).open_sandbox(spec) as sandbox:
        print(sandbox.machine.name, flush=True)
        if script:
            process = await sandbox.start(["sh", "-c", script])
            print((await process.read_stdout(100)).decode().strip(), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


class Holder:
    """Another process that holds a machine open, until it is told to close it or is killed.

    Attributes:
        machine: its machine's name.
        said: the first line of the program that it started, if any.
    """

    def __init__(self, folder: Path, kit: Path, labels: Mapping[str, str], script: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), str(kit), repr(dict(labels)), script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.machine = self._process.stdout.readline().strip()
        assert self.machine, "no machine was opened; what went wrong is on stderr"
        self.said = self._process.stdout.readline().strip() if script else ""

    def close(self) -> None:
        """Let it close its machine and end."""
        self._process.communicate(timeout=BOUND_S)

    def kill(self) -> None:
        """End it as a crash would: its machine runs on."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def open_place() -> Iterator[Path]:
    """Yield a folder that a machine's own user can enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="symphony-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def in_guest(machine: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a guest by the engine alone."""
    return subprocess.run(
        ["smolvm", "machine", "exec", "--name", machine, "--", *argv],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )


def spec_of(folder: Path, labels: Mapping[str, str], settings: SmolvmSettings = SETTINGS) -> SandboxSpec:
    """Return what an attempt would want of its sandbox."""
    return SandboxSpec(folder, {"GIVEN": "by the spec"}, labels, settings)
