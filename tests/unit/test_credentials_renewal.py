"""Logins are renewed by one owner, durably, against a login server that takes a refresh token once."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from symphony.agent.credentials.claude import ClaudeLogin
from symphony.agent.credentials.codex import CodexLogin
from symphony.agent.credentials.errors import (
    LoginExpired,
    LoginNotWritable,
    LoginRefused,
    LoginUnreachable,
    LoginUnreadable,
)
from symphony.agent.credentials.lock import LOCK_FILE, locked
from symphony.agent.credentials.login import LoginFormat
from symphony.agent.credentials.logins import Logins
from symphony.agent.credentials.opencode import OpenCodeLogin
from symphony.host.clock import VirtualClock
from tests.support.logins import (
    ACCESS,
    REFRESH,
    claude_login,
    codex_access,
    codex_login,
    opencode_login,
    write_login,
)
from tests.support.token_server import TokenServer, open_token_server

HOUR = timedelta(hours=1)
ROOT = Path(__file__).resolve().parent.parent.parent
CLAUDE, CODEX, OPENAI = ClaudeLogin(), CodexLogin(), OpenCodeLogin("openai")


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with open_token_server(REFRESH) as server:
        yield server


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def claude(tmp_path: Path, clock: VirtualClock) -> Path:
    """A login of Claude Code that is over."""
    return write_login(tmp_path / ".claude" / ".credentials.json", claude_login(clock.now() - HOUR))


def logins_of(home: Path, clock: VirtualClock, server: TokenServer) -> Logins:
    return Logins({"HOME": str(home)}, clock, server.ask)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


# --- what is renewed, and how ------------------------------------------------------------------------


async def test_a_claude_login_that_is_over_is_renewed_and_all_else_in_the_file_stays(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    before = read(claude)
    login = await logins_of(tmp_path, clock, server).fresh(CLAUDE, HOUR)
    assert login is not None
    assert (login.access, login.refresh) == ("access-1-0123456789", "refresh-1-0123456789")
    after = read(claude)
    assert after["claudeAiOauth"] == {
        **before["claudeAiOauth"],
        "accessToken": "access-1-0123456789",
        "refreshToken": "refresh-1-0123456789",
        "expiresAt": int((clock.now() + timedelta(hours=8)).timestamp() * 1000),
    }
    assert after["mcpOAuth"] == before["mcpOAuth"]
    assert server.asked == [
        {
            "client_id": "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
            "grant_type": "refresh_token",
            "refresh_token": REFRESH,
            "scope": "user:inference user:profile",
        }
    ]
    assert server.kinds == ["application/json"]


async def test_a_codex_login_is_renewed_with_its_identity_and_the_day(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    since = clock.now() - timedelta(days=9)
    path = write_login(tmp_path / ".codex" / "auth.json", codex_login(since))
    server.make = lambda n: codex_access(clock.now(), n=n)
    server.seconds, server.extra = None, {"id_token": "identity.of.the-second"}
    login = await logins_of(tmp_path, clock, server).fresh(CODEX)
    assert login is not None
    after = read(path)
    assert after["tokens"]["access_token"] == login.access == server.tokens[0]
    assert after["tokens"]["id_token"] == "identity.of.the-second"
    assert (after["tokens"]["account_id"], after["unknown"]) == ("account-4711", {"kept": True})
    assert datetime.fromisoformat(after["last_refresh"]) == clock.now()
    assert login.expires_at == clock.now() + timedelta(days=8)  # when the program itself would renew it


async def test_an_opencode_login_is_renewed_by_form_and_its_neighbours_stay(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    path = write_login(tmp_path / "data" / "opencode" / "auth.json", opencode_login(clock.now() - HOUR))
    before = read(path)
    logins = Logins({"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": "/none"}, clock, server.ask)
    assert (await logins.fresh(OPENAI)) is not None
    after = read(path)
    assert after["openai"]["access"] == "access-1-0123456789"
    assert after["openai"]["accountId"] == "account-4711"
    assert {**after, "openai": 0} == {**before, "openai": 0}
    assert server.kinds == ["application/x-www-form-urlencoded"]


async def test_a_login_that_is_good_for_long_enough_is_left_alone(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    path = write_login(tmp_path / ".claude" / ".credentials.json", claude_login(clock.now() + 2 * HOUR))
    before = path.read_bytes()
    logins = logins_of(tmp_path, clock, server)
    login = await logins.fresh(CLAUDE, HOUR)
    assert login is not None
    assert (login.access, path.read_bytes(), server.asked) == (ACCESS, before, [])
    assert sorted(each.name for each in path.parent.iterdir()) == [".credentials.json"]
    await logins.fresh(CLAUDE, 2 * HOUR)
    assert server.grants == 1


async def test_a_token_that_lives_shorter_than_a_turn_may_take_is_not_renewed_each_time(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    server.seconds = 1800
    logins = logins_of(tmp_path, clock, server)
    for _ in range(3):
        await logins.fresh(CLAUDE, HOUR)
    assert server.grants == 1
    await clock.advance(clock.now() + timedelta(minutes=16))
    await logins.fresh(CLAUDE, HOUR)
    assert server.grants == 2


async def test_the_file_is_the_users_alone_afterwards_and_a_link_to_it_stays_one(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    kept = write_login(tmp_path / "dotfiles" / "claude.json", claude_login(clock.now() - HOUR))
    link = tmp_path / ".claude" / ".credentials.json"
    link.parent.mkdir()
    link.symlink_to(kept)
    await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert link.is_symlink()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert read(kept)["claudeAiOauth"]["accessToken"] == "access-1-0123456789"


async def test_a_server_that_does_not_rotate_leaves_the_refresh_token(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    server.script = [(200, {"access_token": "new-0123456789", "expires_in": 60})]
    await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert read(claude)["claudeAiOauth"]["refreshToken"] == REFRESH


async def test_without_a_file_there_is_no_login_and_nothing_is_made(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    assert await logins_of(tmp_path, clock, server).fresh(CLAUDE) is None
    assert await Logins({}, clock, server.ask).fresh(CLAUDE) is None
    assert list(tmp_path.iterdir()) == []


# --- one at a time -----------------------------------------------------------------------------------


async def test_many_agents_at_once_cause_one_renewal(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    logins = logins_of(tmp_path, clock, server)
    taken = await asyncio.gather(*(logins.fresh(CLAUDE, HOUR) for _ in range(20)))
    assert {login.access for login in taken if login} == {"access-1-0123456789"}
    assert (len(server.asked), server.grants) == (1, 1)


async def test_two_daemons_at_once_cause_one_renewal(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    daemons = [logins_of(tmp_path, clock, server) for _ in range(4)]
    taken = await asyncio.gather(*(daemon.fresh(CLAUDE, HOUR) for daemon in daemons for _ in range(3)))
    assert {login.access for login in taken if login} == {"access-1-0123456789"}
    assert len(server.asked) == 1


async def test_a_renewal_waits_for_the_program_that_renews_and_takes_what_it_got(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    folder = claude.parent / ".oauth_refresh.lock"  # as Claude Code locks
    folder.mkdir()
    waiting = asyncio.create_task(logins_of(tmp_path, clock, server).fresh(CLAUDE))
    while not (claude.parent / LOCK_FILE).exists():
        await asyncio.sleep(0.01)
    write_login(claude, claude_login(clock.now() + 8 * HOUR, access="the-programs-0123", refresh="its-0123"))
    folder.rmdir()
    login = await waiting
    assert login is not None
    assert (login.access, server.asked) == ("the-programs-0123", [])


async def test_the_lock_of_a_dead_program_is_taken_over(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    for name in (".oauth_refresh.lock", ".storage-write.lock"):
        (claude.parent / name).mkdir()
        os.utime(claude.parent / name, (1, 1))
    await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert server.grants == 1
    assert {each.name for each in claude.parent.iterdir()} == {".credentials.json", LOCK_FILE}


async def test_a_login_that_a_program_has_just_renewed_without_a_lock_is_taken_for_its_own(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    path = write_login(tmp_path / ".codex" / "auth.json", codex_login(clock.now() - timedelta(days=9)))

    def quicker(number: int) -> str:
        raise AssertionError(number)

    server.make = quicker
    newer = codex_login(clock.now(), refresh="the-programs-refresh-01")
    original = server.answer

    def answer(words: Any) -> Any:
        write_login(path, newer)
        return 401, {"error": {"code": "refresh_token_reused"}}

    server.answer = answer  # type: ignore[method-assign]
    login = await logins_of(tmp_path, clock, server).fresh(CODEX)
    server.answer = original  # type: ignore[method-assign]
    assert login is not None
    assert login.refresh == "the-programs-refresh-01"


async def test_what_agents_use_is_renewed_while_they_run_before_their_programs_would(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    write_login(tmp_path / ".claude" / ".credentials.json", claude_login(clock.now() + timedelta(minutes=12)))
    logins = logins_of(tmp_path, clock, server)
    await logins.fresh(CLAUDE)
    await logins.keep_fresh()
    assert server.grants == 0
    await clock.advance(clock.now() + timedelta(minutes=3))
    await logins.keep_fresh()
    assert server.grants == 1


async def until_asleep(clock: VirtualClock) -> None:
    """Return once the renewing task waits for time to go on."""
    while clock.next_due is None:
        await asyncio.sleep(0.005)


async def test_who_is_cancelled_leaves_no_renewal_half_done(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    original = server.answer

    def answer(words: Any) -> Any:
        asked.set()
        go_on.wait(30)
        return original(words)

    server.answer = answer  # type: ignore[method-assign]
    task = asyncio.create_task(logins_of(tmp_path, clock, server).fresh(CLAUDE))
    await asyncio.to_thread(asked.wait, 30)
    task.cancel()
    go_on.set()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert read(claude)["claudeAiOauth"]["refreshToken"] == server.refresh


# --- nothing is lost ---------------------------------------------------------------------------------

KILLED = """
import asyncio, os, signal, sys
from symphony.agent.credentials import renewal
from symphony.agent.credentials.claude import ClaudeLogin
from symphony.agent.credentials.exchange import exchange
from symphony.agent.credentials.login import Endpoint
from symphony.agent.credentials.logins import Logins
from symphony.host.clock import VirtualClock

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(renewal, sys.argv[2], die)
ask = lambda endpoint, asked: exchange(Endpoint(sys.argv[1], endpoint.client_id), asked)
asyncio.run(Logins(os.environ, VirtualClock(), ask).fresh(ClaudeLogin()))
"""


@pytest.mark.parametrize("at", ["_write", "write_temporary", "_forget"])
async def test_a_daemon_that_is_killed_between_the_answer_and_the_file_loses_nothing(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path, at: str
) -> None:
    before = claude.read_bytes()
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, server.url, at],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert server.grants == 1
    kept = claude.parent / "..credentials.json.symphony-renewed"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    if at != "_forget":
        assert claude.read_bytes() == before

    login = await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert login is not None
    assert login.refresh == server.refresh == read(claude)["claudeAiOauth"]["refreshToken"]
    assert server.grants == 1
    assert not kept.exists()


async def test_an_answer_that_was_kept_for_a_login_that_is_gone_is_forgotten(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    kept = claude.parent / "..credentials.json.symphony-renewed"
    answer = {"access_token": "stale-0123456789", "refresh_token": "stale-0123"}
    kept.write_text(json.dumps({"replaces": "0" * 64, "at": 1, "answer": answer}))
    login = await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert login is not None
    assert login.access == "access-1-0123456789"
    assert not kept.exists()


async def test_where_nothing_can_be_written_the_server_is_not_asked(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("symphony.agent.credentials.renewal._overwrite", full)
    with pytest.raises(LoginNotWritable) as caught:
        await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert server.asked == []
    assert str(caught.value) == (
        f"The login in {claude} cannot be renewed, since nothing can be written beside it: no space left on"
        f" device. Make {claude.parent} a folder that you may write to, with space left on its disk."
    )
    assert "..credentials.json.symphony-renewed" not in {each.name for each in claude.parent.iterdir()}


# --- what cannot be renewed --------------------------------------------------------------------------


async def test_a_refused_refresh_says_how_to_log_in_again(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    server.refresh = "another"
    with pytest.raises(LoginRefused) as caught:
        await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert str(caught.value) == (
        f"The login in {claude} was not renewed: the login server refused it with status 400"
        " (invalid_grant). Log in again: run `claude` and enter `/login`."
    )
    assert caught.value.code == "agent.login_refused"
    assert len(server.asked) == 1
    assert read(claude)["claudeAiOauth"]["refreshToken"] == REFRESH


async def test_a_login_that_is_over_without_a_refresh_token_says_so(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    over = claude_login(clock.now() - HOUR, refresh="")  # as Claude Code leaves one that was refused
    path = write_login(tmp_path / ".claude" / ".credentials.json", over)
    with pytest.raises(LoginExpired) as caught:
        await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert str(caught.value) == (
        f"The login in {path} expired at 2025-12-31 23:00 UTC and has no refresh token to renew it with."
        " Log in again: run `claude` and enter `/login`."
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ('{"claudeAiOauth": []}', "`claudeAiOauth` is not an object"),
        ('{"claudeAiOauth": {}}', "`claudeAiOauth` holds no `accessToken`"),
        ('{"claudeAiOauth": {"accessToken": "two\\nlines"}}', "`claudeAiOauth` holds no `accessToken`"),
        ("[" * 200_000, "it is not JSON"),
        (" " * (2 << 20), "it is too large for a login"),
    ],
)
async def test_a_broken_file_says_what_is_amiss_and_nothing_of_what_it_holds(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, content: str, reason: str
) -> None:
    path = write_login(tmp_path / ".claude" / ".credentials.json", content)
    with pytest.raises(LoginUnreadable) as caught:
        await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    assert str(caught.value) == (
        f"The login in {path} cannot be read: {reason}. Log in again: run `claude` and enter `/login`."
    )


async def test_a_login_that_is_a_folder_or_a_pipe_is_refused_at_once(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    path = tmp_path / ".claude" / ".credentials.json"
    path.mkdir(parents=True)
    with pytest.raises(LoginUnreadable, match="is a directory"):
        await logins_of(tmp_path, clock, server).fresh(CLAUDE)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(LoginUnreadable, match="it is not JSON"):
        await logins_of(tmp_path, clock, server).fresh(CLAUDE)


@pytest.mark.parametrize(
    "answer", [None, (500, "oops"), (429, {"error": "slow_down"}), (200, "<html>"), (302, "")]
)
async def test_a_server_that_is_not_well_is_asked_again_a_little_later(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path, answer: Any
) -> None:
    server.script = [answer]
    task = asyncio.create_task(logins_of(tmp_path, clock, server).fresh(CLAUDE))
    await until_asleep(clock)
    assert not task.done()
    await clock.advance(clock.now() + timedelta(seconds=1))
    login = await task
    assert login is not None
    assert login.access == "access-1-0123456789"


async def test_a_server_that_stays_away_rests_the_adapter_and_counts_no_failure(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    server.script = [(503, "")] * 9
    logins = logins_of(tmp_path, clock, server)
    task = asyncio.create_task(logins.fresh(CLAUDE))
    for _ in range(2):
        await until_asleep(clock)
        await clock.advance(clock.now() + timedelta(seconds=5))
    with pytest.raises(LoginUnreachable) as caught:
        await task
    assert len(server.asked) == 3
    assert caught.value.retry_after_s == 60
    assert str(caught.value) == (
        f"The login in {claude} is over and could not be renewed for now: the login server answered with"
        " status 503. It is tried again by itself; look at the network if it stays so."
    )
    assert [problem.code for problem in logins.problems()] == ["agent.login_unreachable"]
    server.script = []
    await logins.fresh(CLAUDE)
    assert logins.problems() == ()


async def test_a_login_that_cannot_be_renewed_for_now_is_used_as_long_as_it_is_good(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    write_login(tmp_path / ".claude" / ".credentials.json", claude_login(clock.now() + HOUR))
    server.script = [(503, "")] * 9
    task = asyncio.create_task(logins_of(tmp_path, clock, server).fresh(CLAUDE, HOUR))
    for _ in range(2):
        await until_asleep(clock)
        await clock.advance(clock.now() + timedelta(seconds=5))
    login = await task
    assert login is not None
    assert login.access == ACCESS


async def test_no_network_is_told_without_the_tokens(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    server.url = "http://127.0.0.1:9/"
    task = asyncio.create_task(logins_of(tmp_path, clock, server).fresh(CLAUDE))
    for _ in range(2):
        await until_asleep(clock)
        await clock.advance(clock.now() + timedelta(seconds=5))
    with pytest.raises(LoginUnreachable) as caught:
        await task
    assert "refused" in str(caught.value)
    assert REFRESH not in repr(caught.value) + str(caught.value)


# --- a model that refuses ----------------------------------------------------------------------------


async def test_a_token_that_a_model_refuses_is_renewed_once_though_it_looks_good(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    write_login(tmp_path / ".claude" / ".credentials.json", claude_login(clock.now() + 8 * HOUR))
    logins = logins_of(tmp_path, clock, server)
    since = clock.now()
    await logins.fresh(CLAUDE)
    assert await logins.refused(CLAUDE, since)
    await clock.advance(clock.now() + timedelta(seconds=10))
    again = await logins.fresh(CLAUDE)
    assert again is not None
    assert again.access == "access-1-0123456789"
    assert await logins.refused(CLAUDE, since)  # another session, which still had the old one
    assert not await logins.refused(CLAUDE, clock.now())  # the fresh one as well: that is no matter of time
    await logins.fresh(CLAUDE)
    assert server.grants == 1


async def test_what_nothing_renews_is_not_overdue_when_a_model_refuses_it(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    write_login(tmp_path / ".codex" / "auth.json", {"OPENAI_API_KEY": "sk-wrong-0123456789", "tokens": None})
    logins = logins_of(tmp_path, clock, server)
    login = await logins.fresh(CODEX)
    assert login is not None
    assert not await logins.refused(CODEX, clock.now())


async def test_every_value_is_told_to_be_hidden(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, claude: Path
) -> None:
    hidden: set[str] = set()
    logins = logins_of(tmp_path, clock, server)
    logins.hiders.append(hidden.update)
    login = await logins.fresh(CLAUDE)
    assert login is not None
    assert {login.access, login.refresh} <= hidden
    assert not any(value in repr(login) for value in hidden)


def test_the_servers_are_those_of_the_programs() -> None:
    formats: tuple[LoginFormat, ...] = (CLAUDE, CODEX, OPENAI)
    urls = [each.endpoint.url if each.endpoint else "" for each in formats]
    assert urls == [
        "https://platform.claude.com/v1/oauth/token",
        "https://auth.openai.com/oauth/token",
        "https://auth.openai.com/oauth/token",
    ]
    assert OpenCodeLogin("github-copilot").endpoint is None


def test_a_lock_that_is_held_keeps_others_out(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "file", ""):
            order.append("second")

    with locked(tmp_path / "file", ""):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
