"""Commands of the host that agents call as tools [CONTRACT 6.5]: one suite over both drivers."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from symphony.core.errors import SymphonyError
from symphony.core.ports import HostCommands, RunResult
from symphony.host.clock import SystemClock
from symphony.host.memory_commands import MemoryCommands
from symphony.host.tool_command import ToolCommands

LONG = 60.0  # seconds; far above what any of this takes
LOOK_S = 0.02
HANGS = "import time; time.sleep(600)"


async def prints(argv: tuple[str, ...], environment: Mapping[str, str]) -> RunResult:
    return RunResult(0, f"{argv[1:]} {environment.get('MODE')}".encode(), b"")


async def fails(_: tuple[str, ...], __: Mapping[str, str]) -> RunResult:
    return RunResult(3, b"", b"no\n")


async def floods(_: tuple[str, ...], __: Mapping[str, str]) -> RunResult:
    return RunResult(0, b"x" * 1_000_000 + b"end", b"")


async def hangs(_: tuple[str, ...], __: Mapping[str, str]) -> RunResult:
    return await asyncio.get_running_loop().create_future()


PROGRAMS: dict[str, tuple[Callable[..., Awaitable[RunResult]], str]] = {
    "prints": (prints, "import os, sys; print(tuple(sys.argv[1:]), os.environ.get('MODE'), end='')"),
    "fails": (fails, "import sys; sys.stderr.write('no\\n'); sys.exit(3)"),
    "floods": (floods, "print('x' * 1_000_000 + 'end', end='')"),
    "hangs": (hangs, HANGS),
}


@pytest.fixture(params=["processes", "memory"])
def commands(request: pytest.FixtureRequest, tmp_path: Path) -> HostCommands:
    """Both drivers, each with the same four programs."""
    if request.param == "memory":
        memory = MemoryCommands(SystemClock())
        for name, (program, _) in PROGRAMS.items():
            memory.register(f"./{name}", program)
        return memory
    for name, (_, text) in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!{sys.executable}\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return ToolCommands(tmp_path, {})


def run(commands: HostCommands, *argv: str, **options: Any) -> Awaitable[RunResult]:
    known = {"environment": {}, "timeout_s": LONG, "output_limit": 100, **options}
    return commands.run(argv, **known)


async def test_a_program_gets_its_arguments_and_variables_as_they_are(commands: HostCommands) -> None:
    argv = ("a b", "$(id)", "'", "*", "", "ü\n")
    ran = await run(commands, "./prints", *argv, environment={"MODE": "x;y"})
    assert ran == RunResult(0, f"{argv} x;y".encode(), b"")


async def test_a_program_that_fails_has_its_status_and_both_streams_apart(commands: HostCommands) -> None:
    assert await run(commands, "./fails") == RunResult(3, b"", b"no\n")


async def test_of_a_flood_the_end_is_kept(commands: HostCommands) -> None:
    assert (await run(commands, "./floods")).stdout == b"x" * 97 + b"end"


async def test_a_program_that_hangs_is_ended_at_the_timeout(commands: HostCommands) -> None:
    assert (await run(commands, "./hangs", timeout_s=0.05)).exit_status is None


async def test_a_program_that_is_not_there_is_said_to_be_so(commands: HostCommands) -> None:
    with pytest.raises(SymphonyError) as error:
        await run(commands, "no-such-program-anywhere")
    assert error.value.code == "process.program_not_found"


async def test_a_cancelled_call_ends_its_program(commands: HostCommands) -> None:
    call = asyncio.ensure_future(run(commands, "./hangs"))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


class TestProcesses:
    """What only real processes have."""

    @pytest.fixture
    def commands(self, tmp_path: Path) -> ToolCommands:
        return ToolCommands(tmp_path, {"PATH": "/usr/bin:/bin", "HOME": "/home/me", "AWS_SECRET": "x"})

    async def test_it_runs_in_the_folder_with_few_variables_and_no_input(
        self, commands: ToolCommands, tmp_path: Path
    ) -> None:
        text = "import os, sys; print(os.getcwd(), sorted(os.environ), repr(sys.stdin.read()))"
        ran = await run(commands, sys.executable, "-c", text, output_limit=4_096)
        words = ran.stdout.decode()
        assert words.startswith(f"{tmp_path} [")
        assert "'HOME', " in words
        assert "AWS_SECRET" not in words
        assert words.endswith("] ''\n")

    @pytest.mark.parametrize("ends", [True, False])
    async def test_nothing_that_it_started_outlives_it_whatever_it_did(
        self, commands: ToolCommands, tmp_path: Path, ends: bool
    ) -> None:
        """Children in the group, in a session of their own, deaf to SIGTERM, and holding the pipes."""
        text = f"""
import os, signal, subprocess, sys, time
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1], 'a').close(); "
code = "import sys; " + deaf + "time.sleep(600)"
started = [
    subprocess.Popen([sys.executable, "-c", code, f"ready-{{number}}"], start_new_session=number % 2 == 0)
    for number in range(4)
]
while not all(os.path.exists(f"ready-{{number}}") for number in range(4)):
    time.sleep(0.01)
open("pids.new", "w").write(" ".join(str(each.pid) for each in started))
os.rename("pids.new", "pids")
{"" if ends else "time.sleep(600)"}
"""
        call = asyncio.ensure_future(run(commands, sys.executable, "-c", text))
        if ends:
            assert (await call).exit_status == 0
        else:
            async with asyncio.timeout(LONG):
                while not (tmp_path / "pids").exists():
                    await asyncio.sleep(LOOK_S)
            call.cancel()
            await asyncio.wait({call})
        pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
        assert len(pids) == 4
        assert [pid for pid in pids if alive(pid)] == []


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
