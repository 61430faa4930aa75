"""What every sandbox driver promises; a new driver joins by adding its subject to `SUBJECTS`."""

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from symphony.core.ports import Process, Sandbox, SandboxDriver, SandboxSpec
from symphony.host.clock import VirtualClock
from symphony.host.process import ProcessGone
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.local import LocalDriver
from symphony.sandbox.memory import MemoryDriver
from symphony.sandbox.memory_process import MemoryProcessIO, Program
from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.sandbox.smolvm.engine import Engine
from symphony.sandbox.smolvm.machine import SmolvmMachine
from symphony.sandbox.smolvm.sandbox import ALIVE, SmolvmSandbox
from tests.support.microvm import MICROVM, Holder, in_guest, open_place, spec_of

BOUND_S = 600.0 if MICROVM else 30.0  # for what must happen at all; no test measures time
BIG = bytes(range(256)) * 12_288  # 3 MiB with every byte in it

SCRIPTS: Mapping[str, str] = {
    "cat": "exec cat",
    "both": "echo out; echo err >&2",
    "exit": 'exit "$1"',
    "sleeper": "echo ready; exec sleep 1000",
    "stubborn": "trap '' TERM; echo ready; while :; do sleep 1; done",
    "flood": "head -c 3145728 /dev/zero; echo end",
    "env": "env",
    "pwd": "pwd",
    "parent": "trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' >/dev/null 2>&1 & "
    'echo "$!"; [ "$1" = leave ] || wait',
    "deaf": "exec <&-; echo ready; exec sleep 1000",
    "talk_then_hang": "echo said; echo said >&2; exec sleep 1000",
}
"""The suite's programs for drivers that have a POSIX shell with the usual tools."""


async def cat(io: MemoryProcessIO) -> int:
    while data := await io.read_stdin():
        await io.write_stdout(data)
    return 0


async def both(io: MemoryProcessIO) -> int:
    await io.write_stdout(b"out\n")
    await io.write_stderr(b"err\n")
    return 0


async def exit_(io: MemoryProcessIO) -> int:
    return int(io.argv[1])


async def sleeper(io: MemoryProcessIO) -> int:
    await io.write_stdout(b"ready\n")
    return await asyncio.get_running_loop().create_future()


async def stubborn(io: MemoryProcessIO) -> int:
    io.handles_sigterm = True
    return await sleeper(io)


async def flood(io: MemoryProcessIO) -> int:
    for _ in range(48):
        await io.write_stdout(bytes(65_536))
    await io.write_stdout(b"end\n")
    return 0


async def env(io: MemoryProcessIO) -> int:
    await io.write_stdout("".join(f"{name}={value}\n" for name, value in io.environment.items()).encode())
    return 0


async def pwd(io: MemoryProcessIO) -> int:
    await io.write_stdout(f"{io.cwd}\n".encode())
    return 0


async def parent(io: MemoryProcessIO) -> int:
    io.handles_sigterm = True
    child = io.start(["stubborn"])
    await io.write_stdout(f"{child.pid}\n".encode())
    return 0 if io.argv[1:] == ("leave",) else await child.wait()


async def deaf(io: MemoryProcessIO) -> int:
    io.close_stdin()
    return await sleeper(io)


async def talk_then_hang(io: MemoryProcessIO) -> int:
    await io.write_stdout(b"said\n")
    await io.write_stderr(b"said\n")
    return await asyncio.get_running_loop().create_future()


COROUTINES: Mapping[str, Program] = {
    "cat": cat,
    "both": both,
    "exit": exit_,
    "sleeper": sleeper,
    "stubborn": stubborn,
    "flood": flood,
    "env": env,
    "pwd": pwd,
    "parent": parent,
    "deaf": deaf,
    "talk_then_hang": talk_then_hang,
}
"""The same programs for the driver in memory."""


class Subject(ABC):
    """A driver, and what the suite has to know to use it.

    Attributes:
        lacks: feature to the reason why the driver cannot have it.
        environment: the names of variables that a program gets without being given any.
    """

    driver: SandboxDriver
    lacks: ClassVar[Mapping[str, str]] = {}
    environment: frozenset[str] = frozenset()

    @abstractmethod
    def argv(self, program: str, *arguments: str) -> list[str]:
        """Return the command for one of the suite's programs."""

    @abstractmethod
    def lives(self, pid: int) -> bool:
        """Say whether a process with this id, as programs of the driver print it, is alive."""

    @abstractmethod
    async def elapse(self, seconds: float) -> None:
        """Let the driver's time go on."""

    @abstractmethod
    async def leave_behind(self, spec: SandboxSpec) -> int:
        """Let a daemon die with `parent` running in a sandbox; return the id of its child."""

    def reaped(self, pid: int) -> str:
        """Return the word of `reap` for what was left behind with this child."""
        return f"process {pid}"

    @contextmanager
    def folder(self, tmp_path: Path) -> Iterator[Path]:
        """Yield the folder of a spec."""
        yield tmp_path

    def spec(self, folder: Path) -> SandboxSpec:
        """Return the suite's spec."""
        return SandboxSpec(folder, {"GIVEN": "by the spec"}, {"installation": str(folder), "issue": "7"})

    def shared(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Sandbox]:
        """Return a sandbox for a test that needs no fresh one."""
        return self.driver.open_sandbox(spec)


class LocalSubject(Subject):
    """Real processes."""

    environment = frozenset({"PATH", "HOME", "SYMPHONY_SANDBOX", "SYMPHONY_PROCESS", "PWD", "SHLVL", "_"})

    def __init__(self) -> None:
        host = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "HOST_SECRET": "not for agents"}
        self.driver = LocalDriver(host)
        self.strangers = descendants()

    def argv(self, program: str, *arguments: str) -> list[str]:
        return ["sh", "-c", SCRIPTS[program], program, *arguments]

    def lives(self, pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    async def elapse(self, seconds: float) -> None:
        pass

    async def leave_behind(self, spec: SandboxSpec) -> int:
        return await asyncio.to_thread(self._leave_behind, spec)

    def _leave_behind(self, spec: SandboxSpec) -> int:
        daemon = subprocess.Popen(
            [
                sys.executable,
                "-c",
                DYING_DAEMON,
                str(spec.folder),
                repr(dict(spec.labels)),
                SCRIPTS["parent"],
            ],
            stdout=subprocess.PIPE,
        )
        with daemon:
            assert daemon.stdout is not None
            child = int(daemon.stdout.readline())
            daemon.kill()
        return child


DYING_DAEMON = """
import ast, asyncio, os, sys
from pathlib import Path
from typing import ClassVar
from symphony.core.ports import SandboxSpec
from symphony.sandbox.local import LocalDriver

async def main():
    spec = SandboxSpec(Path(sys.argv[1]), labels=ast.literal_eval(sys.argv[2]))
    async with LocalDriver().open_sandbox(spec) as sandbox:
        process = await sandbox.start(["sh", "-c", sys.argv[3]])
        print((await process.read_stdout(100)).decode(), end="", flush=True)
        await process.wait()

asyncio.run(main())
"""


class MemorySubject(Subject):
    """Coroutines."""

    environment = frozenset({"PATH", "HOME"})
    lacks: ClassVar = {"folders": "it has no file system, so every folder is as good as any other"}

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.memory = MemoryDriver(COROUTINES, self.clock)
        self.driver = self.memory

    def argv(self, program: str, *arguments: str) -> list[str]:
        return [program, *arguments]

    def lives(self, pid: int) -> bool:
        processes = [process for sandbox in self.memory.sandboxes for process in sandbox.processes]
        return any(process.pid == pid and process.alive for process in processes)

    async def elapse(self, seconds: float) -> None:
        await self.clock.advance(self.clock.now() + timedelta(seconds=seconds))

    async def leave_behind(self, spec: SandboxSpec) -> int:
        async with self.memory.open_sandbox(spec) as sandbox:
            process = await sandbox.start(self.argv("parent"))
            child = int(await read_line(process))
            sandbox.abandoned = True
        return child


class SmolvmSubject(Subject):
    """Real machines; one of them serves all tests that need no fresh one, since a boot takes seconds."""

    environment = frozenset(
        {
            "PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "LANG", "IS_SANDBOX", "SYMPHONY_PROCESS",
            "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0",
        }
    )  # fmt: skip
    lacks: ClassVar = {
        "backpressure": "output is read at once, since one unread program would hold up its machine",
        "closed stdin": "the engine does not tell that a program has closed its stdin; a write waits",
    }
    machines: ClassVar[list[str]] = []
    held: ClassVar[Holder | None] = None
    place: ClassVar[Path]

    def __init__(self) -> None:
        self.smolvm = SmolvmDriver(os.environ, self.place / "kit")
        self.driver = self.smolvm
        self._opened: list[str] = []

    @classmethod
    @contextmanager
    def session(cls) -> Iterator[None]:
        """Hold the machine that is shared, from when it is first wanted."""
        with open_place() as cls.place:
            (cls.place / "shared").mkdir()
            yield
            if cls.held is not None:
                cls.held.close()

    def argv(self, program: str, *arguments: str) -> list[str]:
        return ["sh", "-c", SCRIPTS[program], program, *arguments]

    def lives(self, pid: int) -> bool:
        number, inside = divmod(pid, 1 << 32)
        machine = self.machines[number - 1] if number else self._newest()
        return in_guest(machine, "kill", "-0", str(inside)).returncode == 0

    async def elapse(self, seconds: float) -> None:
        pass

    async def leave_behind(self, spec: SandboxSpec) -> int:
        holder = await asyncio.to_thread(
            Holder, spec.folder, self.place / "kit", spec.labels, SCRIPTS["parent"]
        )
        await asyncio.to_thread(holder.kill)
        self.machines.append(holder.machine)
        return len(self.machines) * (1 << 32) + int(holder.said)

    def reaped(self, pid: int) -> str:
        return f"machine {self.machines[pid // (1 << 32) - 1]}"

    @contextmanager
    def folder(self, tmp_path: Path) -> Iterator[Path]:
        folder = self.place / "shared" / tmp_path.name
        folder.mkdir()
        yield folder

    def spec(self, folder: Path) -> SandboxSpec:
        return spec_of(folder, {"installation": str(folder), "issue": "7"})

    @asynccontextmanager
    async def shared(self, spec: SandboxSpec) -> AsyncIterator[Sandbox]:
        engine = await self.smolvm.engine(None)
        machine = await self._living(engine)
        self._opened.append(machine.name)
        sandbox = SmolvmSandbox(engine, machine, spec)
        try:
            yield sandbox
        finally:
            await sandbox.close()

    async def _living(self, engine: Engine) -> SmolvmMachine:
        """Return the machine that is shared: a new one if there is none or the last one has died."""
        if self.held is not None:
            machine = SmolvmMachine(engine, self.held.machine, {})
            if await machine.state() in ALIVE:
                return machine
            await asyncio.to_thread(self.held.close)
        labels = {"installation": str(self.place), "issue": "shared"}
        type(self).held = held = await asyncio.to_thread(
            Holder, self.place / "shared", self.place / "kit", labels
        )
        return SmolvmMachine(engine, held.machine, {})

    def _newest(self) -> str:
        if self._opened:
            return self._opened[-1]
        return next(iter(self.smolvm.open_machines), "gone")


SUBJECTS: Mapping[str, type[Subject]] = {"local": LocalSubject, "memory": MemorySubject} | (
    {"smolvm": SmolvmSubject} if MICROVM else {}
)


@pytest.fixture(scope="session", autouse=True)
def machines() -> Iterator[None]:
    with SmolvmSubject.session() if MICROVM else nullcontext():
        yield


@pytest.fixture(params=sorted(SUBJECTS))
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param != "memory" and shutil.which("setsid") is None:
        pytest.skip("this machine has no `setsid`, with which the suite's programs flee")
    return SUBJECTS[request.param]()


@pytest.fixture
def spec(subject: Subject, tmp_path: Path) -> Iterator[SandboxSpec]:
    with subject.folder(tmp_path) as folder:
        yield subject.spec(folder)


@pytest.fixture
async def sandbox(subject: Subject, spec: SandboxSpec) -> AsyncIterator[Sandbox]:
    async with subject.shared(spec) as opened:
        yield opened


def bounded() -> AbstractAsyncContextManager[asyncio.Timeout]:
    return asyncio.timeout(BOUND_S)


async def read_all(process: Process) -> bytes:
    data = bytearray()
    while piece := await process.read_stdout(100_000):
        data += piece
    return bytes(data)


async def read_line(process: Process) -> str:
    data = bytearray()
    while not data.endswith(b"\n"):
        piece = await process.read_stdout(1)
        assert piece, "the program ended before it had said a line"
        data += piece
    return data.decode().strip()


def survivors(subject: Subject) -> list[int]:
    """Return the processes of the suite that are alive, as far as this process can see them."""
    if isinstance(subject, MemorySubject):
        return [p.pid for box in subject.memory.sandboxes for p in box.processes if p.alive]
    if isinstance(subject, SmolvmSubject):
        return []  # they went with the machine, or the test asks for each by `lives`
    assert isinstance(subject, LocalSubject)
    return [pid for pid in descendants() - subject.strangers if subject.lives(pid)]


def descendants() -> frozenset[int]:
    """Return the processes below this one, whosever they are."""
    return frozenset(child.pid for child in psutil.Process().children(recursive=True))


async def test_bytes_go_in_and_come_out_unchanged(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("cat"))

    async def send() -> None:
        await process.write(BIG)
        await process.close_stdin()

    async with bounded(), asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        received = tasks.create_task(read_all(process))
        status = tasks.create_task(process.wait())

    assert hashlib.sha256(received.result()).digest() == hashlib.sha256(BIG).digest()
    assert status.result() == 0


async def test_stderr_comes_apart_from_stdout(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("both"))
    async with bounded():
        assert await process.read_stdout(100) == b"out\n"
        assert await process.read_stderr(100) == b"err\n"
        assert await process.read_stdout(100) == b""
        assert await process.read_stderr(100) == b""


@pytest.mark.parametrize("status", [0, 1, 7, 255])
async def test_wait_returns_the_exit_status(subject: Subject, sandbox: Sandbox, status: int) -> None:
    process = await sandbox.start(subject.argv("exit", str(status)))
    async with bounded():
        assert await process.wait() == status
        assert await process.wait() == status


async def test_wait_returns_the_signal_that_ended_the_program(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("sleeper"))
    async with bounded():
        await read_line(process)
        await process.kill()
        assert await process.wait() == -signal.SIGTERM


async def test_a_program_that_ignores_sigterm_is_killed(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("stubborn"))
    async with bounded():
        await read_line(process)
        await process.kill()
        assert await process.wait() == -signal.SIGKILL


async def test_kill_lets_a_program_leave_by_itself_when_its_stdin_closes(
    subject: Subject, sandbox: Sandbox
) -> None:
    process = await sandbox.start(subject.argv("cat"))
    async with bounded():
        await process.kill()
        assert await process.wait() == 0


async def test_kill_can_be_repeated_and_called_by_several_at_once(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("sleeper"))
    async with bounded():
        await asyncio.gather(process.kill(), process.kill())
        await process.kill()
        assert await process.wait() == -signal.SIGTERM


async def test_closing_stdin_ends_a_program_that_reads_it(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("cat"))
    async with bounded():
        await process.write(b"last words")
        await process.close_stdin()
        await process.close_stdin()
        assert await read_all(process) == b"last words"
        assert await process.wait() == 0


async def test_output_that_nobody_reads_waits_for_a_reader(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("flood"))
    other = await sandbox.start(subject.argv("exit", "0"))
    async with bounded():
        assert await other.wait() == 0
        received = await read_all(process)
        assert await process.wait() == 0
    assert len(received) == 3_145_728 + len(b"end\n")
    assert received.endswith(b"end\n")


async def test_a_program_whose_output_nobody_reads_can_be_killed(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("flood"))
    async with bounded():
        await process.kill()
        status = await process.wait()
    assert status < 0 or (status == 0 and "backpressure" in subject.lacks)


async def test_what_a_program_said_can_be_read_after_it_was_killed(
    subject: Subject, sandbox: Sandbox
) -> None:
    process = await sandbox.start(subject.argv("talk_then_hang"))
    async with bounded():
        assert await process.read_stdout(2) == b"sa"
        await process.kill()
        assert await read_all(process) == b"id\n"
        assert await process.read_stderr(100) == b"said\n"
        assert await process.read_stderr(100) == b""


async def test_writing_to_a_program_that_has_ended_says_so(subject: Subject, sandbox: Sandbox) -> None:
    argv = subject.argv("exit", "3")
    process = await sandbox.start(argv)
    async with bounded():
        await process.wait()
        with pytest.raises(ProcessGone) as gone:
            await process.write(b"hello")
    assert str(gone.value) == f"nothing can be written to '{argv[0]}': it ended with status 3."
    assert gone.value.code == "process.gone"


async def test_writing_to_a_program_that_closed_its_stdin_says_so(subject: Subject, sandbox: Sandbox) -> None:
    if reason := subject.lacks.get("closed stdin"):
        pytest.skip(f"{subject.driver.kind}: {reason}")
    argv = subject.argv("deaf")
    process = await sandbox.start(argv)
    async with bounded():
        await read_line(process)
        with pytest.raises(ProcessGone) as gone:
            await process.write(BIG)
    assert str(gone.value) == f"nothing can be written to '{argv[0]}': its stdin is closed."


async def test_a_write_that_waits_ends_when_the_program_does(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("sleeper"))
    async with bounded():
        writing = asyncio.create_task(process.write(BIG))
        await read_line(process)
        await process.kill()
        with pytest.raises(ProcessGone):
            await writing


async def test_writing_after_closing_stdin_says_so(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("sleeper"))
    await process.close_stdin()
    with pytest.raises(ProcessGone, match="its stdin is closed"):
        await process.write(b"hello")


async def test_run_returns_status_and_output(subject: Subject, sandbox: Sandbox) -> None:
    async with bounded():
        result = await sandbox.run(subject.argv("both"), timeout_s=BOUND_S)
    assert (result.exit_status, result.stdout, result.stderr) == (0, b"out\n", b"err\n")


async def test_run_keeps_the_end_of_a_long_output(subject: Subject, sandbox: Sandbox) -> None:
    async with bounded():
        result = await sandbox.run(subject.argv("flood"), timeout_s=BOUND_S, output_limit=10)
    assert result.stdout == b"\0\0\0\0\0\0end\n"


async def test_run_gives_an_empty_stdin(subject: Subject, sandbox: Sandbox) -> None:
    async with bounded():
        result = await sandbox.run(subject.argv("cat"), timeout_s=BOUND_S)
    assert (result.exit_status, result.stdout) == (0, b"")


async def test_run_kills_at_the_timeout_and_keeps_what_was_said(subject: Subject, sandbox: Sandbox) -> None:
    async with bounded(), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sandbox.run(subject.argv("parent"), timeout_s=0.5))
        await asyncio.sleep(0)
        await subject.elapse(0.5)
    assert running.result().exit_status is None
    assert not subject.lives(int(running.result().stdout))


async def test_a_cancelled_run_leaves_no_process(subject: Subject, sandbox: Sandbox) -> None:
    witness = await sandbox.start(subject.argv("parent"))
    async with bounded():
        await read_line(witness)
        running = asyncio.create_task(sandbox.run(subject.argv("sleeper"), timeout_s=BOUND_S))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await witness.kill()
    assert survivors(subject) == []


async def test_a_cancelled_waiter_leaves_the_program_alone(subject: Subject, sandbox: Sandbox) -> None:
    process = await sandbox.start(subject.argv("cat"))
    waiting = asyncio.create_task(process.wait())
    reading = asyncio.create_task(process.read_stdout(10))
    await asyncio.sleep(0)
    waiting.cancel()
    reading.cancel()
    await asyncio.wait({waiting, reading})
    async with bounded():
        await process.write(b"still there")
        assert await process.read_stdout(100) == b"still there"


async def test_the_environment_is_what_driver_and_spec_allow(subject: Subject, sandbox: Sandbox) -> None:
    async with bounded():
        result = await sandbox.run(subject.argv("env"), timeout_s=BOUND_S)
    found = dict(line.split("=", 1) for line in result.stdout.decode().splitlines())
    labels = {name for name in found if name.startswith("SYMPHONY_LABEL_")}
    assert found["GIVEN"] == "by the spec"
    assert found.keys() - {"GIVEN"} - labels <= subject.environment


async def test_a_program_can_be_given_more_environment_than_its_neighbours(
    subject: Subject, sandbox: Sandbox
) -> None:
    async with bounded():
        rich = await sandbox.run(
            subject.argv("env"), environment={"MORE": "1", "GIVEN": "anew"}, timeout_s=BOUND_S
        )
        plain = await sandbox.run(subject.argv("env"), timeout_s=BOUND_S)
    assert {"MORE=1", "GIVEN=anew"} <= set(rich.stdout.decode().splitlines())
    assert "GIVEN=by the spec" in plain.stdout.decode().splitlines()
    assert "MORE=1" not in plain.stdout.decode().splitlines()


async def test_programs_start_in_the_spec_folder(
    subject: Subject, sandbox: Sandbox, spec: SandboxSpec
) -> None:
    async with bounded():
        result = await sandbox.run(subject.argv("pwd"), timeout_s=BOUND_S)
    assert Path(result.stdout.decode().strip()) == spec.folder


async def test_a_program_can_be_started_in_another_folder(
    subject: Subject, sandbox: Sandbox, spec: SandboxSpec
) -> None:
    inner = spec.folder / "inner folder"
    inner.mkdir()
    async with bounded():
        result = await sandbox.run(subject.argv("pwd"), cwd=inner, timeout_s=BOUND_S)
    assert Path(result.stdout.decode().strip()) == inner


async def test_a_folder_that_is_not_there_is_named(
    subject: Subject, sandbox: Sandbox, spec: SandboxSpec
) -> None:
    if reason := subject.lacks.get("folders"):
        pytest.skip(f"{subject.driver.kind}: {reason}")
    gone = spec.folder / "gone"
    argv = subject.argv("pwd")
    with pytest.raises(SandboxError) as refused:
        await sandbox.start(argv, cwd=gone)
    assert refused.value.code == "sandbox.start_failed"
    assert str(refused.value) == (
        f"sandbox: folder not found: {gone}, in which '{argv[0]}' was to run. "
        "Create it, or correct the setting that names it."
    )


async def test_a_sandbox_needs_its_folder(subject: Subject, spec: SandboxSpec) -> None:
    if reason := subject.lacks.get("folders"):
        pytest.skip(f"{subject.driver.kind}: {reason}")
    gone = replace(spec, folder=spec.folder / "gone")
    with pytest.raises(SandboxError) as refused:
        async with subject.driver.open_sandbox(gone):
            pytest.fail("it opened")
    assert refused.value.code == "sandbox.start_failed"
    assert str(refused.value) == (
        f"sandbox: there is no folder {gone.folder} to open a {subject.driver.kind} sandbox on. "
        "Retry the issue, so that its workspace is made again."
    )


async def test_a_program_that_is_not_there_is_named(subject: Subject, sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError) as refused:
        await sandbox.start(["no-such-agent", "--acp"])
    assert refused.value.code == "sandbox.program_not_found"
    assert refused.value.message.startswith("sandbox: program not found: 'no-such-agent': it is ")
    assert refused.value.remedy == "Install it, or correct the command."
    with pytest.raises(SandboxError, match="sandbox: program not found: 'no-such-agent'"):
        await sandbox.run(["no-such-agent"], timeout_s=BOUND_S)


async def test_an_empty_command_is_refused(subject: Subject, sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError) as refused:
        await sandbox.start([])
    assert refused.value.code == "sandbox.start_failed"
    assert str(refused.value) == "sandbox: no program was named. Give a command."


async def test_closing_ends_everything_that_was_started(subject: Subject, spec: SandboxSpec) -> None:
    async with bounded(), subject.driver.open_sandbox(spec) as sandbox:
        parent = await sandbox.start(subject.argv("parent"))
        sleeper = await sandbox.start(subject.argv("sleeper"))
        leaver = await sandbox.start(subject.argv("parent", "leave"))
        child, orphan = int(await read_line(parent)), int(await read_line(leaver))
        assert await leaver.wait() == 0
        assert subject.lives(child)
        assert subject.lives(orphan)
    assert not subject.lives(child)
    assert not subject.lives(orphan)
    async with bounded():
        assert await parent.wait() == -signal.SIGKILL
        assert await sleeper.wait() == -signal.SIGTERM


async def test_killing_a_program_ends_what_it_started_and_no_neighbour(
    subject: Subject, sandbox: Sandbox
) -> None:
    neighbour = await sandbox.start(subject.argv("cat"))
    parent = await sandbox.start(subject.argv("parent"))
    async with bounded():
        child = int(await read_line(parent))
        await parent.kill()
        assert not subject.lives(child)
        await neighbour.write(b"unharmed")
        assert await neighbour.read_stdout(100) == b"unharmed"


async def test_closing_one_sandbox_leaves_another_alone(subject: Subject, spec: SandboxSpec) -> None:
    async with bounded(), subject.driver.open_sandbox(spec) as one:
        process = await one.start(subject.argv("cat"))
        async with subject.driver.open_sandbox(spec) as other:
            await other.start(subject.argv("sleeper"))
        await process.write(b"unharmed")
        assert await process.read_stdout(100) == b"unharmed"


async def test_a_cancelled_sandbox_is_closed_all_the_same(subject: Subject, spec: SandboxSpec) -> None:
    child: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def attempt() -> None:
        async with subject.driver.open_sandbox(spec) as sandbox:
            process = await sandbox.start(subject.argv("parent"))
            child.set_result(int(await read_line(process)))
            await process.wait()

    async with bounded():
        attempting = asyncio.create_task(attempt())
        await child
        attempting.cancel()
        await asyncio.sleep(0)
        attempting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempting
    assert not subject.lives(child.result())


async def test_nothing_starts_in_a_closed_sandbox(subject: Subject, spec: SandboxSpec) -> None:
    async with subject.driver.open_sandbox(spec) as sandbox:
        pass
    argv = subject.argv("cat")
    with pytest.raises(SandboxError) as refused:
        await sandbox.start(argv)
    assert refused.value.code == "sandbox.closed"
    assert str(refused.value) == (
        f"sandbox: '{argv[0]}' was not started: this {subject.driver.kind} sandbox is closed. "
        "Open a new one; an attempt does so when its issue is retried."
    )


@pytest.mark.parametrize("turns", [1, 2, 5])
async def test_a_start_that_is_under_way_while_the_sandbox_closes_leaves_nothing(
    subject: Subject, spec: SandboxSpec, turns: int
) -> None:
    async with bounded():
        async with subject.driver.open_sandbox(spec) as sandbox:
            running = asyncio.create_task(sandbox.run(subject.argv("sleeper"), timeout_s=1000))
            for _ in range(turns):
                await asyncio.sleep(0)
        await asyncio.wait({running})
    assert running.exception() is None
    assert running.result().exit_status == -signal.SIGTERM
    assert survivors(subject) == []


async def test_programs_run_side_by_side(subject: Subject, sandbox: Sandbox) -> None:
    async def converse(word: bytes) -> bytes:
        process = await sandbox.start(subject.argv("cat"))
        await process.write(word)
        await process.close_stdin()
        return await read_all(process)

    words = [b"%d" % number * 1000 for number in range(8)]
    async with bounded():
        assert await asyncio.gather(*(converse(word) for word in words)) == words


async def test_reap_ends_what_a_dead_run_left_behind_and_nothing_else(
    subject: Subject, spec: SandboxSpec
) -> None:
    others = replace(spec, labels={"installation": f"{spec.folder}/elsewhere"})
    async with bounded(), subject.driver.open_sandbox(spec) as open_here:
        mine = await open_here.start(subject.argv("cat"))
        left = await subject.leave_behind(replace(spec, labels={**spec.labels, "issue": "8"}))
        foreign = await subject.leave_behind(others)
        assert subject.lives(left)

        words = await subject.driver.reap({"installation": spec.labels["installation"]})

        assert subject.reaped(left) in words
        assert not subject.lives(left)
        assert subject.lives(foreign)
        await mine.write(b"unharmed")
        assert await mine.read_stdout(100) == b"unharmed"
        assert await subject.driver.reap({"installation": spec.labels["installation"]}) == ()
        assert await subject.driver.reap({}) == ()
        assert subject.reaped(foreign) in await subject.driver.reap(others.labels)
        assert not subject.lives(foreign)


async def test_the_driver_says_what_it_keeps_apart(subject: Subject, sandbox: Sandbox) -> None:
    assert sandbox.kind == subject.driver.kind
    assert subject.driver.isolation.startswith(subject.driver.kind)
    assert subject.driver.isolation.endswith(".")
