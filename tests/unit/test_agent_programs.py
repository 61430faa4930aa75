"""Hostile and odd agent programs, each a real process: what a user is told, and that nothing hangs.

[CONTRACT 5.2]
"""

import asyncio
import json
import subprocess
from pathlib import Path

import psutil
import pytest

from symphony.agent.errors import AgentError, AgentRateLimited
from symphony.core.agent import McpServer, StopKind
from symphony.mcp_server.memory import MemoryGate
from tests.agents.harness import IMPATIENT, Heard, Reports, open_listener, open_program


async def fails_to_open(cwd: Path, name: str, *arguments: str, **rest: object) -> AgentError:
    with pytest.raises(AgentError) as caught:
        async with open_program(cwd, name, *arguments, **rest):
            pytest.fail("it must not open")
    return caught.value


async def fails_in_turn(
    cwd: Path, name: str, *arguments: str, text: str = "hi", **rest: object
) -> AgentError:
    async with open_program(cwd, name, *arguments, **rest) as session:
        with pytest.raises(AgentError) as caught:
            await session.prompt(text)
        return caught.value


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_an_agent_that_exits_at_once_is_quoted(tmp_path: Path) -> None:
    error = await fails_to_open(tmp_path, "exits_at_once")
    assert str(error) == (
        'The agent "demo" exited with status 3 while opening its session.'
        ' Its last words on stderr: "cannot start: no such model".'
        " The run log has all that it said."
    )


async def test_garbage_on_stdout_is_logged_and_skipped(tmp_path: Path) -> None:
    heard = Heard()
    async with open_program(tmp_path, "garbage", heard=heard) as session:
        end = await session.prompt("hi")
    assert end.text == "still here"
    garbage = heard.of("garbage")
    assert garbage[0] == "Welcome to chatty agent!"
    assert len(garbage) == 9
    assert all(len(line) <= 200 for line in garbage)


async def test_a_frame_of_20_mb_ends_the_session_with_a_clear_message(tmp_path: Path) -> None:
    async with open_program(tmp_path, "huge_frame") as session:
        for _ in range(2):
            with pytest.raises(AgentError) as caught:
                await session.prompt("hi")
            assert caught.value.code == "agent.frame_too_large"
            assert str(caught.value) == (
                'The agent "demo" sent a message of more than 16 MiB, and its session was ended.'
                " Keep it from reading huge files or printing huge outputs in one piece."
            )


async def test_frames_of_5_mb_pass_and_only_the_end_of_the_speech_is_kept(tmp_path: Path) -> None:
    async with open_program(tmp_path, "large_frame") as session:
        end = await session.prompt("hi")
    assert end.text == "c" * 8_192


async def test_an_agent_that_never_answers_initialize_times_out(tmp_path: Path) -> None:
    error = await fails_to_open(tmp_path, "never_initializes", read_timeout_ms=200)
    assert error.code == "agent.read_timeout"
    assert str(error) == (
        'The agent "demo" did not answer `initialize` within 0.2 s.'
        " Run it by hand to see whether it starts, or raise `acp.read_timeout_ms`."
    )


async def test_a_turn_that_takes_too_long_is_cancelled_and_the_session_goes_on(tmp_path: Path) -> None:
    heard = Heard()
    async with open_program(tmp_path, "never_answers", heard=heard, prompt_timeout_ms=200) as session:
        for _ in range(2):
            with pytest.raises(AgentError) as caught:
                await session.prompt("hi")
            assert str(caught.value) == (
                'The agent "demo" did not end its turn within 0.2 s.'
                " Split the issue, or raise `acp.prompt_timeout_ms`."
            )
    assert heard.methods("frame_out").count("session/cancel") == 2


async def test_an_agent_that_reads_nothing_any_more_hangs_nothing(tmp_path: Path) -> None:
    error = await fails_in_turn(
        tmp_path, "never_reads", text="x" * 1_000_000, prompt_timeout_ms=200, bounds=IMPATIENT
    )
    assert error.code == "agent.prompt_timeout"


async def test_an_agent_that_ignores_the_cancel_after_a_timeout_is_killed(tmp_path: Path) -> None:
    async with open_program(tmp_path, "ignores_cancel", prompt_timeout_ms=200, bounds=IMPATIENT) as session:
        for code in ("agent.prompt_timeout", "agent.exited"):
            with pytest.raises(AgentError) as caught:
                await session.prompt("hi")
            assert caught.value.code == code


async def test_an_ignored_cancel_is_told_to_the_user(tmp_path: Path) -> None:
    heard = Heard()
    async with open_program(tmp_path, "ignores_cancel", heard=heard, bounds=IMPATIENT) as session:
        prompt = asyncio.create_task(session.prompt("hi"))
        await heard.until("message")
        await session.cancel()
        with pytest.raises(AgentError) as caught:
            await prompt
    assert str(caught.value) == (
        'The agent "demo" did not end its turn within 0.3 s of being asked to, and was killed.'
    )


async def test_a_child_that_called_setsid_ends_with_the_session(tmp_path: Path) -> None:
    async with open_program(tmp_path, "leaves_children") as session:
        await session.prompt("hi")
        pid = int((tmp_path / "child.pid").read_text())
        assert is_alive(pid)
    assert not is_alive(pid)


async def test_an_exit_is_noticed_while_a_child_holds_the_pipes_open(tmp_path: Path) -> None:
    error = await fails_in_turn(tmp_path, "exits_before_child")
    assert error.code == "agent.exited"
    assert "exited with status 4 while working on a turn." in error.message


async def test_an_agent_that_closes_its_output_is_named(tmp_path: Path) -> None:
    error = await fails_in_turn(tmp_path, "closes_pipe", bounds=IMPATIENT)
    assert error.code == "agent.closed_pipe"
    assert str(error) == (
        'The agent "demo" closed its pipe to symphony without exiting while working on a turn.'
        " The run log has all that it said."
    )


async def test_ten_thousand_updates_leave_the_loop_responsive(tmp_path: Path) -> None:
    turns = 0

    async def count_turns_of_the_loop() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with open_program(tmp_path, "floods") as session:
        counting = asyncio.create_task(count_turns_of_the_loop())
        await session.prompt("hi")
        counting.cancel()
    assert turns > 10_000


async def test_unknown_and_broken_updates_do_not_end_the_turn(tmp_path: Path) -> None:
    heard = Heard()
    async with open_program(tmp_path, "odd_updates", heard=heard) as session:
        end = await session.prompt("hi")
    assert (end.stop, end.text) == (StopKind.END_TURN, "fine")
    assert heard.of("other") == [
        "unknown update: brain_wave",
        "an update without content",
        "an update without content",
        "notification: vendor/hello",
    ]


async def test_an_unknown_stop_reason_is_logged_and_ends_the_turn(tmp_path: Path) -> None:
    heard = Heard()
    async with open_program(tmp_path, "stops", "bedtime", heard=heard) as session:
        end = await session.prompt("hi")
    assert end.stop is StopKind.END_TURN
    assert 'the turn ended for the unknown reason "bedtime"; taken as end_turn' in heard.of("other")


async def test_what_was_not_advertised_is_refused_cleanly(tmp_path: Path) -> None:
    heard = Heard()
    async with open_program(tmp_path, "asks_for_files", heard=heard) as session:
        end = await session.prompt("hi")
    assert set(json.loads(end.text).values()) == {-32601}
    assert "refused fs/read_text_file: symphony does not offer it" in heard.of("other")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            {"code": -32603, "message": "Internal error", "data": {"message": "the disk is full"}},
            "agent.request_failed",
            'The agent "demo" answered `session/prompt` with error -32603: Internal error the disk is full.'
            " The run log has the whole answer.",
        ),
        (
            {
                "code": -32603,
                "message": "Internal error: API Error: 429",
                "data": {"errorKind": "rate_limit"},
            },
            "agent.rate_limited",
            'The agent "demo" is refused by its model for now: Internal error: API Error: 429 rate_limit.',
        ),
        (
            {"code": -32000, "message": "Authentication required"},
            "agent.auth_required",
            'The agent "demo" has no valid credentials for its model: Authentication required.',
        ),
    ],
)
async def test_an_error_answer_is_named_and_quoted(
    tmp_path: Path, error: dict[str, object], code: str, message: str
) -> None:
    caught = await fails_in_turn(tmp_path, "fails", json.dumps(error))
    assert (caught.code, str(caught)) == (code, message)


async def test_a_rate_limit_says_for_how_long(tmp_path: Path) -> None:
    answer = {"code": -32603, "message": "Rate limited, try again in 1m 30s"}
    caught = await fails_in_turn(tmp_path, "fails", json.dumps(answer))
    assert isinstance(caught, AgentRateLimited)
    assert caught.retry_after_s == 90.0
    assert str(caught).endswith("It may be used again in 90 s.")


async def test_another_version_of_acp_is_refused(tmp_path: Path) -> None:
    assert str(await fails_to_open(tmp_path, "other_version")) == (
        'The agent "demo" speaks ACP version 2; symphony speaks version 1.'
        " Check that the program is an ACP agent of a version that symphony supports."
    )


async def test_an_answer_that_acp_does_not_allow_is_named(tmp_path: Path) -> None:
    error = await fails_to_open(tmp_path, "malformed_answers")
    assert error.code == "agent.protocol_error"
    assert error.message == (
        'The agent "demo" answered `session/new` with what ACP does not allow'
        " (sessionId: Input should be a valid string)."
    )


async def test_secrets_and_escapes_never_reach_an_error_message(tmp_path: Path) -> None:
    server = McpServer(
        "symphony", url="http://127.0.0.1:9/mcp", headers={"Authorization": "Bearer tok-1234567890"}
    )
    error = await fails_to_open(tmp_path, "spills_secrets", servers=(server,))
    assert "[secret]" in error.message
    assert "tok-1234567890" not in error.message + error.stderr
    assert "\x1b" not in error.message


@pytest.mark.parametrize(
    ("name", "done", "state"),
    [
        ("trivial", ["Add trivial.txt"], ""),
        ("commits_nothing", ["Nothing to do"], ""),
        ("leaves_uncommitted", ["Add uncommitted.txt"], " M kept.txt\n?? uncommitted.txt"),
        ("marks_done_twice", ["Add twice.txt (1)", "Add twice.txt (2)"], ""),
        ("deletes_git", ["Add work.txt"], None),
    ],
)
async def test_the_programs_that_report_do_what_they_say(
    tmp_path: Path, name: str, done: list[str], state: str | None
) -> None:
    def git(*arguments: str) -> str:
        ran = subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return ran.stdout.rstrip()

    (tmp_path / "kept.txt").write_text("kept\n")
    git("init", "-q")
    git("add", "-A")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "Start")
    gate, reports = MemoryGate(), Reports()
    async with open_listener(gate) as listener, gate.admit("1", reports) as access:
        url = access.url.replace("http://symphony.test", listener.url)
        server = McpServer("symphony", url=url, headers={"Authorization": f"Bearer {access.token}"})
        async with open_program(tmp_path, name, servers=(server,)) as session:
            assert (await session.prompt("hi")).stop is StopKind.END_TURN
    assert sorted(reports.of("mark_done")) == done
    assert reports.of("connected") == ["test-agent 1"]
    if state is None:
        assert not (tmp_path / ".git").exists()
    else:
        assert git("status", "--porcelain") == state


async def test_an_agent_that_may_not_reach_http_servers_is_told_of(tmp_path: Path) -> None:
    heard = Heard()
    server = McpServer("symphony", url="http://127.0.0.1:9/mcp")
    async with open_program(tmp_path, "resumes", heard=heard, servers=(server,)):
        pass
    assert heard.of("other") == ["the agent does not say that it can reach MCP servers over HTTP"]
