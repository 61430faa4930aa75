"""What a machine costs: making one, talking through it, five at once, and what the driver adds to the engine.

    scripts/lab --with image=IMAGE benchmarks/microvm.py /lab/image     where KVM is emulated
    benchmarks/microvm.py IMAGE                                         where machines boot

IMAGE is a guest's root folder with `sh` and `cat`. Each figure stands beside the engine alone, doing the
same in the same run; where KVM is emulated only the ratios mean anything.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from figures import Figure, begin, ms, show

from symphony.core.errors import SymphonyError
from symphony.core.ports import SandboxSpec
from symphony.core.settings import SmolvmSettings
from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.sandbox.smolvm.sandbox import SmolvmSandbox

ADDED_MS, ADDED_RATIO = 50.0, 1.05  # the driver's share: the larger of the two
BOUND_S = 600.0
PIPE_BYTES = 8 << 20
AT_ONCE = 5
CPUS, MEM_MIB = 1, 512


class Bench:
    """One folder, one driver, one image."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        self.image = image
        self.driver = SmolvmDriver(os.environ, folder / "kit")
        self.settings = SmolvmSettings(image=str(image), cpus=CPUS, mem_mib=MEM_MIB)
        self.number = 0

    def spec(self) -> SandboxSpec:
        """Return a spec with a folder of its own."""
        self.number += 1
        workspace = self.folder / f"w{self.number}"
        workspace.mkdir()
        return SandboxSpec(workspace, {}, {"installation": "bench", "issue": str(self.number)}, self.settings)

    def engine(self, *words: str) -> float:
        """Return the seconds of one call of the engine alone."""
        began = time.perf_counter()
        subprocess.run(["smolvm", "machine", *words], capture_output=True, timeout=BOUND_S, check=True)
        return time.perf_counter() - began

    def bare(self) -> dict[str, float]:
        """Make, boot, use and delete a machine with the engine alone; return the seconds of each step."""
        name = f"bench-{os.getpid()}"
        spec = self.spec()
        made = ["--image", str(self.image), "--cpus", str(CPUS), "--mem", str(MEM_MIB), "--storage", "16"]
        made += ["--overlay", "16", "-v", f"{spec.folder}:{spec.folder}", "--block-private"]
        return {
            "create": self.engine("create", "--name", name, *made, "--allow-host-pattern", "closed.invalid"),
            "start": self.engine("start", "--name", name),
            "exec": self.engine("exec", "--name", name, "--", "/bin/true"),
            "again": self.engine("exec", "--name", name, "--", "/bin/true"),
            "delete": self.engine("delete", "--name", name, "-f"),
        }

    async def ours(self) -> dict[str, float]:
        """Do the same through the driver; return the seconds of each step, and the idle bytes."""
        began = time.perf_counter()
        async with self.driver.open_sandbox(self.spec()) as sandbox:
            opened = time.perf_counter()
            await run_true(sandbox)
            first = time.perf_counter()
            await run_true(sandbox)
            second = time.perf_counter()
            rate = await through_the_pipe(sandbox)
            idle = (await sandbox.machine.usage()).memory_bytes
            closing = time.perf_counter()
        ended = time.perf_counter()
        return {
            "open": opened - began,
            "first": first - opened,
            "again": second - first,
            "close": ended - closing,
            "rate": rate,
            "idle": idle,
        }

    async def at_once(self, number: int) -> float:
        """Open so many machines at once, run a program in each, close them; return the seconds."""
        began = time.perf_counter()
        async with AsyncExitStack() as stack:
            opening = [
                stack.enter_async_context(self.driver.open_sandbox(self.spec())) for _ in range(number)
            ]
            sandboxes: Sequence[SmolvmSandbox] = await asyncio.gather(*opening)
            await asyncio.gather(*map(run_true, sandboxes))
        return time.perf_counter() - began


async def run_true(sandbox: SmolvmSandbox) -> None:
    """Run a program that does nothing."""
    result = await sandbox.run(["/bin/true"], timeout_s=BOUND_S)
    if result.exit_status != 0:
        raise RuntimeError(f"it failed: {result}")


async def through_the_pipe(sandbox: SmolvmSandbox) -> float:
    """Return the bytes that go in and come out again per second."""
    program = await sandbox.start(["cat"])
    data = bytes(PIPE_BYTES)
    began = time.perf_counter()

    async def send() -> None:
        await program.write(data)
        await program.close_stdin()

    sending = asyncio.create_task(send())
    received = 0
    while piece := await program.read_stdout(1 << 20):
        received += len(piece)
    await sending
    seconds = time.perf_counter() - began
    await program.kill()
    if received != PIPE_BYTES:
        raise RuntimeError(f"{received} bytes came back of {PIPE_BYTES}")
    return PIPE_BYTES / seconds


def pipe_alone(name: str) -> float:
    """Return the same of the engine's own command."""
    command = ["smolvm", "machine", "exec", "-i", "--name", name, "--", "cat"]
    began = time.perf_counter()
    ran = subprocess.run(command, input=bytes(PIPE_BYTES), capture_output=True, timeout=BOUND_S, check=True)
    if len(ran.stdout) != PIPE_BYTES:
        raise RuntimeError("not all came back")
    return PIPE_BYTES / (time.perf_counter() - began)


def packed(bench: Bench, times: int) -> tuple[float, ...]:
    """Return the seconds of create and start from a packed machine; none where packing fails."""
    target = bench.folder / "packed"
    made = ["smolvm", "pack", "create", "--image", str(bench.image), "-o", str(target)]
    if subprocess.run(made, capture_output=True, timeout=BOUND_S, check=False).returncode != 0:
        return ()
    file = next(iter(bench.folder.glob("packed*.smolmachine")), None)
    taken = []
    for number in range(times if file else 0):
        name = f"bench-packed-{os.getpid()}-{number}"
        began = time.perf_counter()
        bench.engine(
            "create", "--name", name, "--from", str(file), "--cpus", str(CPUS), "--mem", str(MEM_MIB)
        )
        bench.engine("start", "--name", name)
        taken.append(time.perf_counter() - began)
        bench.engine("delete", "--name", name, "-f")
    return tuple(taken)


def together(bench: Bench) -> float | None:
    """Return the seconds of some machines at once; None, and why, where this host cannot boot them so."""
    try:
        return asyncio.run(bench.at_once(AT_ONCE))
    except SymphonyError as error:
        print(f"{AT_ONCE} machines at once: not measured, {error}")
        return None


def measure(image: Path, times: int) -> tuple[str, list[Figure]]:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        bench = Bench(folder, image)
        bench.bare()  # the engine's first start unpacks its disks
        alone, through = [], []
        for _ in range(times):
            alone.append(bench.bare())
            through.append(asyncio.run(bench.ours()))
        name = f"bench-pipe-{os.getpid()}"
        bench.engine(
            "create", "--name", name, "--image", str(image), "--cpus", str(CPUS), "--mem", str(MEM_MIB)
        )
        bench.engine("start", "--name", name)
        pipe = [pipe_alone(name) for _ in range(times)]
        bench.engine("delete", "--name", name, "-f")
        warm = packed(bench, times)
        five = together(bench)

    def of(rows: list[dict[str, float]], *steps: str) -> tuple[float, ...]:
        return tuple(sum(row[step] for step in steps) for row in rows)

    def row(what: str, ours: tuple[float, ...], theirs: tuple[float, ...]) -> Figure:
        middle = statistics.median(theirs)
        allowed = max(ADDED_RATIO, (middle + ADDED_MS / 1000) / middle)
        return Figure(what, ms(ours), ratio=statistics.median(ours) / middle, ratio_goal=round(allowed, 2))

    cold = of(alone, "create", "start")
    figures = [
        row(
            "create to first answer, cold", of(through, "open", "first"), of(alone, "create", "start", "exec")
        ),
        Figure("- the engine alone", ms(of(alone, "create", "start", "exec"))),
        row("round trip of a program", of(through, "again"), of(alone, "again")),
        Figure("- the engine alone", ms(of(alone, "again"))),
        row("teardown", of(through, "close"), of(alone, "delete")),
        Figure("- the engine alone", ms(of(alone, "delete"))),
        Figure(
            "through the pipe and back",
            tuple(value["rate"] / 1e6 for value in through),
            "MB/s",
            ratio=statistics.median(value["rate"] for value in through) / statistics.median(pipe),
        ),
        Figure("- the engine alone", tuple(value / 1e6 for value in pipe), "MB/s"),
        Figure("memory of an idle machine", tuple(value["idle"] / 1e6 for value in through), "MB"),
    ]
    if five:
        alone_s = statistics.median(of(through, "open", "first", "close"))
        figures.append(Figure(f"{AT_ONCE} machines at once", ms((five,)), ratio=five / alone_s))
    if warm:
        figures.append(
            Figure(
                "create and start from a packed machine",
                ms(warm),
                ratio=statistics.median(warm) / statistics.median(cold),
            )
        )
    return f"machines of {CPUS} processor and {MEM_MIB} MiB, {times} times", figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    if shutil.which("smolvm") is None:
        sys.exit("put `smolvm` on PATH: the engine alone is what the driver is compared with")
    begin()
    show(*measure(chosen.image.absolute(), chosen.times))
