"""Programs on the host: what `host.process` promises beyond what sandboxes show."""

import asyncio
import os
import shutil
import signal
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from symphony.host.process import HostProcess, ProcessError, ProcessGone, finish_first, run_group, start_group

BOUND_S = 30.0
ENV = {"PATH": os.environ["PATH"]}
Shell = Callable[..., Awaitable[HostProcess]]

needs_setsid = pytest.mark.skipif(shutil.which("setsid") is None, reason="this machine has no `setsid`")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def line(process: HostProcess) -> str:
    data = b""
    while not data.endswith(b"\n"):
        piece = await process.read_stdout(1)
        assert piece, "the program ended before it had said a line"
        data += piece
    return data.decode().strip()


async def test_stdin_is_handed_over_and_its_end_is_seen(tmp_path: Path) -> None:
    result = await run_group(["wc", "-c"], cwd=tmp_path, env=ENV, timeout_s=BOUND_S, stdin=b"x" * 1_000_000)
    assert result.exit_status == 0
    assert result.stdout.split() == [b"1000000"]


async def test_a_program_may_leave_its_stdin_unread(tmp_path: Path) -> None:
    result = await run_group(["true"], cwd=tmp_path, env=ENV, timeout_s=BOUND_S, stdin=b"x" * 1_000_000)
    assert result.exit_status == 0


async def test_stdin_is_a_pipe_that_can_be_opened_by_name(tmp_path: Path) -> None:
    result = await run_group(
        ["cat", "/dev/stdin"], cwd=tmp_path, env=ENV, timeout_s=BOUND_S, stdin=b"by name"
    )
    assert result.stdout == b"by name"


async def test_merged_output_keeps_the_order_of_both_streams(tmp_path: Path) -> None:
    script = "echo 1; echo 2 >&2; echo 3; echo 4 >&2"
    result = await run_group(
        ["sh", "-c", script], cwd=tmp_path, env=ENV, timeout_s=BOUND_S, merge_output=True
    )
    assert (result.stdout, result.stderr) == (b"1\n2\n3\n4\n", b"")


async def test_the_end_of_each_stream_is_kept_while_all_of_it_is_read(tmp_path: Path) -> None:
    script = "head -c 20000000 /dev/zero; echo end; { head -c 20000000 /dev/zero; echo also; } >&2"
    result = await run_group(
        ["sh", "-c", script], cwd=tmp_path, env=ENV, timeout_s=BOUND_S, output_limit=1000
    )
    assert result.exit_status == 0
    assert (len(result.stdout), len(result.stderr)) == (1000, 1000)
    assert result.stdout.endswith(b"\0end\n")
    assert result.stderr.endswith(b"\0also\n")


async def test_run_returns_although_a_grandchild_keeps_the_output_open(tmp_path: Path) -> None:
    script = 'sleep 1000 & echo "$!"'
    async with asyncio.timeout(BOUND_S):
        result = await run_group(["sh", "-c", script], cwd=tmp_path, env=ENV, timeout_s=1000)
    assert result.exit_status == 0
    assert not alive(int(result.stdout))


async def test_a_silent_grandchild_in_the_group_is_ended_as_well(tmp_path: Path) -> None:
    script = 'sleep 1000 >/dev/null 2>&1 & echo "$!"'
    result = await run_group(["sh", "-c", script], cwd=tmp_path, env=ENV, timeout_s=BOUND_S)
    assert result.exit_status == 0
    assert not alive(int(result.stdout))


@needs_setsid
async def test_a_service_that_took_its_own_session_outlives_a_good_run(tmp_path: Path) -> None:
    script = "setsid sh -c 'echo $$ >up; exec sleep 1000' >/dev/null 2>&1 & cat up"
    os.mkfifo(tmp_path / "up")
    result = await run_group(["sh", "-c", script], cwd=tmp_path, env=ENV, timeout_s=BOUND_S)
    service = psutil.Process(int(result.stdout))
    assert alive(service.pid)
    service.kill()


@needs_setsid
async def test_the_timeout_ends_setsid_children_that_lost_their_parent(tmp_path: Path) -> None:
    flee = "setsid sh -c '(trap \"\" TERM; echo $$; sleep 1000) & wait' & "
    async with asyncio.timeout(BOUND_S):
        result = await run_group(
            ["sh", "-c", f"{flee} trap '' TERM; sleep 1000"], cwd=tmp_path, env=ENV, timeout_s=0.5
        )
    assert result.exit_status is None
    assert not alive(int(result.stdout))


async def test_a_program_that_forks_for_ever_is_ended(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.01 & done"
    process = await start_group(["sh", "-c", script], cwd=tmp_path, env=ENV)
    await line(process)
    async with asyncio.timeout(BOUND_S):
        await process.kill()
        assert await process.wait() == -9
    assert [p for p in psutil.Process().children(recursive=True) if alive(p.pid)] == []


async def test_no_zombie_and_no_descriptor_is_left(tmp_path: Path) -> None:
    await run_group(["true"], cwd=tmp_path, env=ENV, timeout_s=BOUND_S)
    before = psutil.Process().num_fds()
    for _ in range(3):
        await run_group(["sh", "-c", "sleep 1000 & echo x"], cwd=tmp_path, env=ENV, timeout_s=BOUND_S)
        process = await start_group(["cat"], cwd=tmp_path, env=ENV)
        await process.kill()
        with pytest.raises(ProcessError):
            await start_group(["no-such-program"], cwd=tmp_path, env=ENV)
    await asyncio.sleep(0)
    assert psutil.Process().num_fds() == before
    assert psutil.Process().children() == []


async def test_a_kernel_without_pidfd_serves_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    result = await run_group(["sh", "-c", "echo said; exit 3"], cwd=tmp_path, env=ENV, timeout_s=BOUND_S)
    assert (result.exit_status, result.stdout) == (3, b"said\n")
    process = await start_group(["sleep", "1000"], cwd=tmp_path, env=ENV)
    async with asyncio.timeout(BOUND_S):
        await process.kill()
        assert await process.wait() == -15


async def test_only_the_given_environment_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_SECRET", "not for programs")
    result = await run_group(["env"], cwd=tmp_path, env={**ENV, "ONLY": "this"}, timeout_s=BOUND_S)
    names = {entry.split("=")[0] for entry in result.stdout.decode().splitlines()}
    assert names == {"PATH", "ONLY", "SYMPHONY_PROCESS"}


async def test_cancelling_a_run_ends_its_program(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    os.mkfifo(said)
    running = asyncio.create_task(
        run_group(["sh", "-c", f"echo $$ > '{said}'; exec sleep 1000"], cwd=tmp_path, env=ENV, timeout_s=1000)
    )
    pid = int(await asyncio.to_thread(said.read_text))
    running.cancel()
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(asyncio.CancelledError):
            await running
    assert not alive(pid)


@pytest.mark.parametrize("turns", range(8))
async def test_cancelling_a_start_at_any_moment_leaves_no_program(tmp_path: Path, turns: int) -> None:
    starting = asyncio.create_task(start_group(["sleep", "1000"], cwd=tmp_path, env=ENV))
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    starting.cancel()
    async with asyncio.timeout(BOUND_S):
        await asyncio.wait({starting})
    if not starting.cancelled():
        await starting.result().kill()
    assert [child for child in psutil.Process().children() if alive(child.pid)] == []


async def test_a_cancelled_kill_runs_to_its_end_first(tmp_path: Path) -> None:
    process = await start_group(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], cwd=tmp_path, env=ENV
    )
    await line(process)
    killing = asyncio.create_task(process.kill())
    await asyncio.sleep(0)
    killing.cancel()
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(asyncio.CancelledError):
            await killing
    assert not alive(process.pid)


async def test_a_cancelled_write_still_arrives_whole(tmp_path: Path) -> None:
    process = await start_group(["cat"], cwd=tmp_path, env=ENV)
    writing = asyncio.create_task(process.write(b"x" * 1_000_000))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait({writing})
    assert writing.cancelled()
    await process.close_stdin()
    received = 0
    async with asyncio.timeout(BOUND_S):
        while data := await process.read_stdout(100_000):
            received += len(data)
    await process.kill()
    assert received == 1_000_000


async def test_closing_stdin_during_a_write_lets_the_write_end_well(tmp_path: Path) -> None:
    process = await start_group(["wc", "-c"], cwd=tmp_path, env=ENV)
    writing = asyncio.create_task(process.write(b"x" * 1_000_000))
    await asyncio.sleep(0)
    await process.close_stdin()
    async with asyncio.timeout(BOUND_S):
        await writing
        assert (await process.read_stdout(100)).split() == [b"1000000"]
    await process.kill()


async def test_a_program_whose_reader_is_its_child_takes_no_more_input_when_it_ends(tmp_path: Path) -> None:
    process = await start_group(["sh", "-c", "exec 3<&0; sleep 1000 <&3 & exit 4"], cwd=tmp_path, env=ENV)
    async with asyncio.timeout(BOUND_S):
        assert await process.wait() == 4
        with pytest.raises(ProcessGone) as gone:
            await process.write(b"hello")
        assert str(gone.value) == "nothing can be written to 'sh': it ended with status 4."
        await process.kill()


def test_a_loop_that_shuts_down_during_a_kill_leaves_no_program(tmp_path: Path) -> None:
    async def leave() -> int:
        process = await start_group(
            ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], cwd=tmp_path, env=ENV
        )
        await line(process)
        killing = asyncio.create_task(process.kill())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not killing.done()
        return process.pid

    assert not alive(asyncio.run(leave()))


async def test_finish_first_passes_on_what_the_task_raised() -> None:
    async def fail() -> None:
        raise ValueError("from the task")

    with pytest.raises(ValueError, match="from the task"):
        await finish_first(asyncio.create_task(fail()))


async def test_a_program_that_has_ended_leaves_no_descriptor(tmp_path: Path) -> None:
    async def run() -> int:
        for stdin, merged in ((None, False), (b"read", False), (None, True)):
            await run_group(
                ["cat"], cwd=tmp_path, env=ENV, timeout_s=BOUND_S, stdin=stdin, merge_output=merged
            )
        await asyncio.sleep(0)
        return psutil.Process().num_fds()

    before = await run()
    assert [await run() for _ in range(3)] == [before] * 3


@needs_setsid
async def test_pipes_that_a_program_left_to_a_child_are_not_mixed_up_with_the_next_ones(
    tmp_path: Path,
) -> None:
    async def run(script: str) -> bytes:
        ran = await run_group(["sh", "-c", script], cwd=tmp_path, env=ENV, timeout_s=BOUND_S)
        return ran.stdout

    child = int(await run("setsid sleep 1000 & echo $!"))
    try:
        for number in range(5):
            assert await run(f"echo {number}") == b"%d\n" % number
    finally:
        os.kill(child, signal.SIGKILL)


async def refused(argv: list[str], cwd: Path, env: dict[str, str] = ENV) -> ProcessError:
    with pytest.raises(ProcessError) as error:
        await run_group(argv, cwd=cwd, env=env, timeout_s=BOUND_S)
    return error.value


async def test_a_program_in_no_folder_of_path_is_named_with_the_path(tmp_path: Path) -> None:
    error = await refused(["no-such-program"], tmp_path, {"PATH": "/usr/bin:/bin"})
    assert error.code == "process.program_not_found"
    assert str(error) == (
        "program not found: 'no-such-program': it is in no folder of PATH (/usr/bin:/bin). "
        "Install it, or correct the command."
    )


async def test_a_program_with_a_path_that_is_not_there_is_named_in_full(tmp_path: Path) -> None:
    error = await refused(["./tool"], tmp_path)
    assert error.code == "process.program_not_found"
    assert str(error) == (
        f"program not found: './tool': there is no file {tmp_path}/tool. Install it, or correct the command."
    )


async def test_a_script_whose_interpreter_is_missing_says_so(tmp_path: Path) -> None:
    script = write_program(tmp_path / "tool", "#!/no/such/interpreter\n")
    error = await refused([str(script)], tmp_path)
    assert error.code == "process.start_failed"
    assert str(error) == (
        f"'{script}' was not started: the interpreter in the first line of {script} does not exist. "
        "Install the interpreter, or correct the first line."
    )


async def test_a_file_without_a_first_line_says_so(tmp_path: Path) -> None:
    script = write_program(tmp_path / "tool", "echo hello\n")
    error = await refused([str(script)], tmp_path)
    assert error.code == "process.start_failed"
    assert str(error) == (
        f"'{script}' was not started: it is neither a program for this machine nor a script with `#!`. "
        "Start it through its interpreter, such as `sh`, or give it a first line."
    )


async def test_a_file_that_may_not_be_executed_says_so(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    error = await refused(["./tool"], tmp_path)
    assert error.code == "process.not_executable"
    assert str(error) == (
        "program not executable: './tool'. Make it executable with `chmod +x`, or correct the command."
    )


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = await refused(["true"], tmp_path / "gone")
    assert error.code == "process.folder_not_found"
    assert str(error) == (
        f"folder not found: {tmp_path}/gone, in which 'true' was to run. "
        "Create it, or correct the setting that names it."
    )


async def test_an_argument_that_no_program_can_take_is_refused(tmp_path: Path) -> None:
    error = await refused(["true", "zero\0byte"], tmp_path)
    assert error.code == "process.start_failed"
    assert str(error) == f"'true' was not started in {tmp_path}: embedded null byte. Correct the command."


async def test_an_empty_command_is_refused(tmp_path: Path) -> None:
    assert str(await refused([], tmp_path)) == "no program was named. Give a command."


def write_program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
