"""The guest kit's `launch` and `end` as the shells of guest images run them."""

import asyncio
import os
import platform
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from symphony.sandbox.guest import (
    GO,
    GUEST_KIT,
    STDIN_VARIABLES,
    LaunchFailure,
    end_command,
    launch_command,
    launch_failure,
    variables_text,
    write_guest_kit,
)
from tests.support.guest_tools import SHELLS, find, shell

BOUND = 60.0
MARK = f"m{os.getpid()}x"
STARTED = f"symphony-launch {MARK}: started {platform.release()}\n".encode()
PRINT = "import os, sys; print(ascii(os.environ['ODD']), os.environ['SYMPHONY_PROCESS'], os.getcwd())"


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    return write_guest_kit(tmp_path / "kits")


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return shell(request.param)


def here(command: tuple[str, ...], sh: tuple[str, ...], kit: Path) -> tuple[str, ...]:
    """Return a guest's command as it is run on this machine, by this shell."""
    at = command.index("/bin/sh")
    return (*command[:at], *sh, *(part.replace(GUEST_KIT, str(kit)) for part in command[at + 1 :]))


@pytest.fixture
async def start(sh: tuple[str, ...], kit: Path) -> AsyncIterator[Callable]:
    started: list[asyncio.subprocess.Process] = []

    async def start(argv, *, folder="/", variables=None, mark=MARK):
        command = launch_command(argv, mark=mark, folder=str(folder), variables=variables)
        process = await asyncio.create_subprocess_exec(
            *here(command, sh, kit), stdin=-1, stdout=-1, stderr=-1, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()


async def ran(process: asyncio.subprocess.Process, said: bytes = b"") -> tuple[int | None, bytes, bytes]:
    async with asyncio.timeout(BOUND):
        out, err = await process.communicate(said)
    return process.returncode, out, err


class TestLaunch:
    @pytest.mark.parametrize(
        "value",
        [
            "plain",
            "",
            'it\'s "quoted" $HOME `id` \\ * ~',
            "two\nlines\n",
            "\ttab\x01\x7f",
            "ü\U0001f600",
            "-n",
            "x" * 9_000,
        ],
    )
    async def test_every_value_arrives_as_it_is(self, start: Callable, tmp_path: Path, value: str) -> None:
        text = variables_text({"ODD": value, "SYMPHONY_PROCESS": "another", "text": "x", "line": "y"}, MARK)
        program = (sys.executable, "-c", PRINT)
        expected = f"{value!a} {MARK} {tmp_path}\n".encode()
        process = await start(program, folder=tmp_path, variables=STDIN_VARIABLES)
        assert await ran(process, text) == (0, expected, STARTED)
        file = tmp_path / "variables"
        file.write_bytes(text)
        process = await start(program, folder=tmp_path, variables=str(file))
        assert await ran(process) == (0, expected, STARTED)
        assert not file.exists()

    async def test_what_follows_the_variables_on_stdin_is_the_programs(self, start: Callable) -> None:
        data = os.urandom(300_000)
        process = await start(("cat",), variables=STDIN_VARIABLES)
        status, out, _ = await ran(process, variables_text({"A": "b"}, MARK) + GO + data)
        assert (status, out == data) == (0, True)

    async def test_a_program_whose_variables_came_by_stdin_says_nothing_until_it_is_let_go(
        self, start: Callable
    ) -> None:
        process = await start(("sh", "-c", "echo out; read line; echo $line"), variables=STDIN_VARIABLES)
        process.stdin.write(variables_text({"A": "b"}, MARK))
        assert await process.stderr.readline() == STARTED
        process.stdin.write(GO + b"x\n")
        assert await ran(process) == (0, b"out\nx\n", b"")

    async def test_the_path_of_the_variables_finds_the_program(self, start: Callable, tmp_path: Path) -> None:
        program = tmp_path / "only-here"
        program.write_text("#!/bin/sh\necho found\nexit 7\n")
        program.chmod(0o755)
        variables = variables_text({"PATH": f"{tmp_path}:/usr/bin:/bin"}, MARK)
        process = await start(("only-here",), variables=STDIN_VARIABLES)
        assert (await ran(process, variables))[:2] == (7, b"found\n")

    async def test_no_value_stands_on_a_command_line(self, start: Callable) -> None:
        process = await start(("cat",), variables=STDIN_VARIABLES)
        process.stdin.write(variables_text({"KEY": "sesame"}, MARK) + GO + b"x")
        assert await process.stdout.read(1) == b"x"
        assert "sesame" not in " ".join(psutil.Process(process.pid).cmdline())
        assert psutil.Process(process.pid).cmdline() == ["cat"]
        assert await ran(process) == (0, b"", STARTED)

    def test_names_that_a_shell_cannot_set_are_left_out(self) -> None:
        text = variables_text({"a-b": "1", "1a": "2", "UID": "3", "IFS": "4", "x\n": "5", "n": "\0"}, MARK)
        assert text == f"#{MARK}\n".encode()

    async def failure(self, process: asyncio.subprocess.Process, said: bytes = b"") -> LaunchFailure | None:
        status, _, stderr = await ran(process, said)
        return launch_failure(MARK, status, stderr)

    async def test_a_program_that_is_not_there_is_told_from_a_programs_own_127(
        self, start: Callable, tmp_path: Path
    ) -> None:
        script, folder = tmp_path / "script", tmp_path / "folder"
        script.write_text("echo hi\n")
        folder.mkdir()
        lost = tmp_path / "lost"
        lost.write_text("#!/no/such/interpreter\n")
        lost.chmod(0o755)
        assert await self.failure(await start(("no-such-program", "x"))) is LaunchFailure.NOT_FOUND
        assert await self.failure(await start((str(tmp_path / "none"),))) is LaunchFailure.NOT_FOUND
        assert await self.failure(await start((str(lost),))) is LaunchFailure.NOT_FOUND
        assert await self.failure(await start((str(script),))) is LaunchFailure.NOT_EXECUTABLE
        assert await self.failure(await start((str(folder),))) is LaunchFailure.NOT_EXECUTABLE
        for status in (0, 1, 124, 125, 126, 127):
            process = await start(("sh", "-c", f"echo no-such-program: not found >&2; exit {status}"))
            assert await self.failure(process) is None
            assert process.returncode == status

    async def test_a_folder_that_is_not_there_is_told(self, start: Callable, tmp_path: Path) -> None:
        process = await start(("true",), folder=tmp_path / "none")
        assert await self.failure(process) is LaunchFailure.NO_FOLDER

    async def test_variables_that_are_missing_or_cut_off_start_nothing(
        self, start: Callable, tmp_path: Path
    ) -> None:
        cut = variables_text({"A": "1", "B": "2"}, MARK)[:-3]
        for variables, said in (
            (str(tmp_path / "none"), b""),
            (STDIN_VARIABLES, cut),
            (STDIN_VARIABLES, b""),
        ):
            process = await start(("true",), variables=variables)
            assert await self.failure(process, said) is LaunchFailure.NO_VARIABLES

    async def test_a_signal_reaches_the_program_itself(self, start: Callable) -> None:
        process = await start(("sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"))
        assert await process.stdout.readline() == b"up\n"
        process.terminate()
        assert (await ran(process))[0] == 9


class TestEnd:
    @pytest.fixture
    def end(self, sh: tuple[str, ...], kit: Path) -> Callable:
        async def end(mark: str, grace_s: int, environment=None) -> int:
            process = await asyncio.create_subprocess_exec(
                *here(end_command(mark, grace_s), sh, kit), env={**os.environ, **(environment or {})}
            )
            async with asyncio.timeout(BOUND):
                return await process.wait()

        return end

    async def test_all_that_a_program_started_is_ended_and_nothing_else(
        self, start: Callable, end: Callable
    ) -> None:
        other = await start(("cat",), mark=f"{MARK}other")
        flees = "setsid sh -c 'sleep 600' & (sleep 600 &) & sleep 600 & echo up; wait"
        process = await start(("sh", "-c", flees))
        assert await process.stdout.readline() == b"up\n"
        assert len(marked()) >= 3
        assert await end(MARK, 5) == 0
        assert marked() == []
        assert (await ran(process))[0] == -15
        assert other.returncode is None

    async def test_it_needs_no_more_than_busybox(
        self, start: Callable, sh: tuple[str, ...], kit: Path, tmp_path: Path
    ) -> None:
        tools = tmp_path / "bin"
        tools.mkdir()
        for name in ("tr", "sleep", "grep"):
            (tools / name).symlink_to(find("busybox"))
        process = await start(("cat",))
        assert await process.stderr.readline() == STARTED
        ending = await asyncio.create_subprocess_exec(
            *here(end_command(MARK, 5), sh, kit), env={"PATH": str(tools)}, stderr=-1
        )
        async with asyncio.timeout(BOUND):
            assert await ending.communicate() == (None, b"")
        assert ending.returncode == 0
        assert (await ran(process))[0] == -15

    async def test_what_does_not_heed_sigterm_is_killed_after_the_grace(
        self, start: Callable, end: Callable
    ) -> None:
        process = await start(("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"))
        assert await process.stdout.readline() == b"up\n"
        assert await end(MARK, 1) == 0
        assert (await ran(process))[0] == -9

    async def test_what_ends_itself_within_the_grace_ends_as_it_likes(
        self, start: Callable, end: Callable
    ) -> None:
        process = await start(
            ("sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done")
        )
        assert await process.stdout.readline() == b"up\n"
        assert await end(MARK, 30) == 0
        assert (await ran(process))[:2] == (3, b"bye\n")

    async def test_with_nothing_to_end_it_says_so_at_once(self, end: Callable) -> None:
        assert await end(f"{MARK}nobody", 600) == 0

    async def test_it_spares_itself_when_the_program_runs_it(self, start: Callable, end: Callable) -> None:
        process = await start(("cat",))
        assert await process.stderr.readline() == STARTED
        assert await end(MARK, 5, {"SYMPHONY_PROCESS": MARK}) == 0
        assert (await ran(process))[0] == -15


def marked() -> list[int]:
    """Return the processes with the mark."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("SYMPHONY_PROCESS") == MARK:
                found.append(process.pid)
    return found
