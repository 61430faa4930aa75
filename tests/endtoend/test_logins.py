"""A login in a whole daemon: renewed, refused in the middle, missing; and nowhere in what is written."""

import asyncio
import json
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.logins import REFRESH, claude_login, write_login
from tests.support.project import AGENTS, LOOK_S, Daemon, Project
from tests.support.token_server import TokenServer, open_token_server

HOUR = timedelta(hours=1)
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_BASE_URL")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user without a key, whose Claude Code tells all that it knows."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    program = programs / "claude-agent-acp"
    program.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, str(AGENTS / 'spills_login.py')])}\n")
    program.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    for name in (*KEYS, "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("symphony.core.backoff.REST_LEAST", timedelta(seconds=0.1))
    return home


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """The login server, in place of the program's own."""
    with open_token_server(REFRESH) as server:
        monkeypatch.setattr("symphony.agent.credentials.logins.exchange", server.ask)
        yield server


@pytest.fixture
def project(tmp_path: Path, home: Path) -> Project:
    """A project that uses Claude Code."""
    project = Project(tmp_path / "project")
    project.configure("Do it.\n", acp={"command": None}, agent={"max_turns": 1})
    return project


async def ended(project: Project, daemon: Daemon, times: int) -> list[str]:
    """Return the outcomes once there are so many."""
    await daemon.until(lambda: sum(line["kind"] == "ended" for line in project.log("1")) >= times)
    return [line["outcome"] for line in project.log("1") if line["kind"] == "ended"]


def read_page(url: str) -> str:
    """Return what a page shows."""
    with urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


async def test_a_token_that_ends_in_the_middle_costs_no_failure_and_no_value_is_ever_written(
    home: Path, project: Project, tokens: TokenServer
) -> None:
    path = write_login(home / ".claude" / ".credentials.json", claude_login(datetime.now(UTC) - HOUR))
    project.drop("1")
    shown = ""
    async with project.daemon() as daemon:
        outcomes = await ended(project, daemon, 2)
        for call in ("/api/v1/state", "/api/v1/issues/1", "/api/v1/issues/1/explain", "/issues/1"):
            shown += await asyncio.to_thread(read_page, daemon.said.running.url + call)
    assert outcomes[0] == "rate_limited"
    used = (home / "tokens").read_text().split()
    assert used[:2] == tokens.tokens == ["access-1-0123456789", "access-2-0123456789"]
    assert json.loads(path.read_text())["claudeAiOauth"]["refreshToken"] == tokens.refresh
    kept = [file for file in (project.root / ".symphony").rglob("*") if file.is_file()]
    written = shown + "".join(file.read_bytes().decode("utf-8", "replace") for file in kept)
    written += "".join(daemon.said.lines) + str(daemon.said.running)
    assert "It is [redacted]." in written
    assert "msg=scheduler.rest issue=1" in written
    values = (*tokens.tokens, REFRESH, "refresh-1-0123456789", tokens.refresh)
    assert [value for value in values if value in written] == []


async def test_an_issue_whose_adapter_was_never_set_up_says_so_and_spends_no_tries(
    home: Path, project: Project, tokens: TokenServer
) -> None:
    project.drop("1")
    async with project.daemon() as daemon:
        (outcome,) = await ended(project, daemon, 1)
        async with asyncio.timeout(60):
            while "set ANTHROPIC_API_KEY".lower() not in (await daemon.reason("1")).lower():
                await asyncio.sleep(LOOK_S)
        state = await daemon.state()
    assert outcome == "agent.credential_missing"
    assert "agent.credential_missing" in json.dumps(state)
    assert len([line for line in project.log("1") if line["kind"] == "ended"]) == 1
    assert not (home / "tokens").exists()


async def test_a_login_that_is_refused_holds_the_issue_and_says_how_to_log_in(
    home: Path, project: Project, tokens: TokenServer
) -> None:
    path = write_login(home / ".claude" / ".credentials.json", claude_login(datetime.now(UTC) - HOUR))
    tokens.refresh = "of another login"
    project.drop("1")
    async with project.daemon() as daemon:
        (outcome,) = await ended(project, daemon, 1)
    message = next(line["message"] for line in project.log("1") if line["kind"] == "ended")
    assert outcome == "agent.login_refused"
    assert message == (
        f"The login in {path} was not renewed: the login server refused it with status 400 (invalid_grant)."
        " Log in again: run `claude` and enter `/login`."
    )
    assert len(tokens.asked) == 1
