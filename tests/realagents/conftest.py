"""The real agent programs, each against a scripted model, with a home of their own."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.models.script import Run, UseMcp, Write
from tests.models.server import Model, open_model
from tests.support.project import Project

FOLDER = Path(__file__).parent
VARIABLE = "SYMPHONY_REAL_AGENTS"
REASON = "the agents are not installed: `scripts/test tests/realagents` does it"
AGENTS = ("claude", "codex", "opencode")
KEY = "sk-scripted-0123456789abcdef"
COMMIT = "git add hello.txt && git -c user.name=A -c user.email=a@example.org commit --quiet -m 'Say hello'"
BOUND_S = 240.0  # three programs of hundreds of megabytes may start at once on a busy machine
PATIENT = {"read_timeout_ms": 180_000}  # opencode takes seconds to start, and more on a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = not os.environ.get(VARIABLE)
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.timeout(2 * BOUND_S))
            # others' programs have races of their own: OpenCode now and then misses a server that answers
            item.add_marker(pytest.mark.flaky(reruns=1))
            if missing and "CI" not in os.environ:
                item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.fixture(params=AGENTS)
def agent(request: pytest.FixtureRequest) -> str:
    """Each of the three."""
    return str(request.param)


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    """A model that says what the test wants."""
    async with open_model() as model:
        yield model


@pytest.fixture
def project(agent: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of a user who has the agent, and a key for the scripted model."""
    home = tmp_path / "home"
    home.mkdir()
    assert os.environ.get(VARIABLE), REASON
    monkeypatch.setattr("tests.support.project.BOUND_S", BOUND_S)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{os.environ[VARIABLE]}{os.pathsep}{os.environ['PATH']}")
    for name, value in configure(agent, model.url, home).items():
        monkeypatch.setenv(name, value)
    project = Project(tmp_path / "project")
    project.configure(
        "Do {{ issue.title }}.\n",
        acp={"command": None, "adapter": agent, **PATIENT},
        agent={"max_failures": 1},
    )
    return project


def configure(agent: str, url: str, home: Path) -> dict[str, str]:
    """Set an agent up as its user would; return the variables that they would export."""
    if agent == "claude":
        return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}
    if agent == "codex":
        return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY}
    model: dict[str, Any] = {
        "name": "Scripted",
        "limit": {"context": 100_000, "output": 4_000},
        "cost": {"input": 1, "output": 2},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {"model": model},
    }
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True)
    config = {
        "provider": {"scripted": provider},
        "enabled_providers": ["scripted"],
        "model": "scripted/model",
        "small_model": "scripted/model",
    }
    (folder / "opencode.json").write_text(json.dumps(config))
    return {}


def work(project: Project, agent: str, issue_id: str = "3") -> list[Any]:
    """Return what the model has to say for an issue to be done."""
    name = "hello.txt"
    if agent == "claude":  # its tool takes absolute paths alone
        name = str(project.root / ".symphony" / "workspaces" / issue_id / name)
    done = UseMcp("mark_done", {"title": "Say hello", "summary": "Wrote hello.txt."})
    return [Write(name, "hello\n"), Run(COMMIT), done]


def processes_with(word: str) -> list[psutil.Process]:
    """Return what runs with this word on its command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if word in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


async def until_gone(word: str) -> None:
    """Return once nothing runs with this word on its command line."""
    async with asyncio.timeout(30):
        while processes_with(word):
            await asyncio.sleep(0.05)
