"""Real agents work by a login of their user's, which symphony renews, and log nobody out."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.models.script import Refuse, Say
from tests.models.server import Model
from tests.realagents.conftest import BOUND_S, PATIENT, work
from tests.support.logins import REFRESH, claude_login, codex_access, codex_login, opencode_login, write_login
from tests.support.project import Project
from tests.support.token_server import TokenServer, open_token_server

HOUR = timedelta(hours=1)
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """The login server, in place of the programs' own."""
    with open_token_server(REFRESH) as server:
        monkeypatch.setattr("symphony.agent.credentials.logins.exchange", server.ask)
        yield server


@pytest.fixture
def login(
    agent: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: TokenServer
) -> Path:
    """A login that is over, in place of the key."""
    home, now = tmp_path / "home", datetime.now(UTC)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    if agent == "claude":
        return write_login(home / ".claude" / ".credentials.json", claude_login(now - HOUR))
    if agent == "codex":
        tokens.make = lambda n: codex_access(datetime.now(UTC), n=n)
        plain = "[features]\nenable_request_compression = false\n"  # which the scripted model cannot read
        (home / ".codex").mkdir()
        (home / ".codex" / "config.toml").write_text(plain)
        return write_login(home / ".codex" / "auth.json", codex_login(now - timedelta(days=11)))
    # three of it that make its database at the same moment trip over each other
    subprocess.run(["opencode", "session", "list"], timeout=BOUND_S, check=True, capture_output=True)
    config = home / ".config" / "opencode" / "opencode.json"
    settings = json.loads(config.read_text())
    del settings["provider"]["scripted"]["options"]["apiKey"]
    config.write_text(json.dumps(settings))
    logins = {**opencode_login(now - HOUR), "scripted": {"type": "api", "key": "sk-of-the-file-0123456789"}}
    return write_login(home / ".local" / "share" / "opencode" / "auth.json", logins)


def asked_with(model: Model) -> set[str]:
    """Return the tokens that the model saw."""
    return {headers.get("Authorization", headers.get("authorization", "")) for headers in model.headers}


def refresh_in(path: Path) -> Any:
    document = json.loads(path.read_text())
    return (
        document.get("claudeAiOauth", {}).get("refreshToken")
        or document.get("tokens", {}).get("refresh_token")
        or document.get("openai", {}).get("refresh")
    )


async def test_three_agents_at_once_start_with_one_renewal_and_log_nobody_out(
    agent: str, project: Project, model: Model, login: Path, tokens: TokenServer
) -> None:
    issues = ("3", "4", "5")
    model.play(*[Say("I have begun.")] * 3)
    project.configure(
        "Do it.\n",
        acp={"command": None, "adapter": agent, **PATIENT},
        agent={"max_turns": 1, "max_failures": 1},
    )
    for issue in issues:
        project.drop(issue)
    async with project.daemon() as daemon:
        await asyncio.gather(*(daemon.until_outcome(issue) for issue in issues))
        outcomes = {(await daemon.until_outcome(issue))["outcome"] for issue in issues}
    assert outcomes == {"turns_exhausted"}
    assert len(tokens.asked) == 1
    if agent == "opencode":
        assert asked_with(model) == {"Bearer sk-of-the-file-0123456789"}
    else:
        assert asked_with(model) == {f"Bearer {tokens.tokens[0]}"}
    assert refresh_in(login) == tokens.refresh
    written = "".join(
        path.read_text("utf-8", "replace")
        for path in (project.root / ".symphony").rglob("*")
        if path.is_file() and "workspaces" not in path.parts
    )
    assert not [value for value in (*tokens.tokens, tokens.refresh, REFRESH) if value in written]


@pytest.mark.parametrize("agent", ["claude", "codex"], indirect=True)
async def test_a_token_that_is_refused_in_the_middle_is_renewed_and_no_failure_is_counted(
    agent: str, project: Project, model: Model, login: Path, tokens: TokenServer
) -> None:
    play, refusal = model.take, Refuse(401, "authentication_error", "OAuth token has expired")

    def take() -> Any:
        told = model.headers[-1]
        first = f"Bearer {tokens.tokens[0]}"
        return refusal if first in (told.get("Authorization"), told.get("authorization")) else play()

    model.take = take  # type: ignore[method-assign]
    model.play(*work(project, agent))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        first = await daemon.until_outcome("3")
        await daemon.until(lambda: project.patch("3").exists())
    assert first["outcome"] == "rate_limited", first
    assert len(tokens.asked) == 2
