"""Real agents do the main job in machines of their own [CONTRACT 5, 6]: closed but for their model.

The hosts of their models are a scripted one under those hosts' names, in the lab. The guest's own image
is the one that `symphony image build` makes.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.models.script import Run, Say, UseMcp, Write
from tests.models.server import Model, open_model
from tests.support.lab_hosts import ONLY_IN_THE_LAB, Hosts, open_hosts
from tests.support.microvm import open_place
from tests.support.project import Project, git

BOUND_S = 1500.0  # under two layers of emulation OpenCode takes five minutes, and ten on a busy machine
pytestmark = [pytest.mark.timeout(1.5 * BOUND_S), ONLY_IN_THE_LAB]

ADDRESS = "93.184.216.34"
HOSTS = dict.fromkeys(("api.anthropic.com", "api.openai.com"), ADDRESS)
KEY = "sk-the-real-value-7c1e9f02d5"
VARIABLES = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY", "opencode": "OPENAI_API_KEY"}
CLIENTS = {"claude": "claude-code", "codex": "codex-mcp-client", "opencode": "opencode"}
PROVIDER = {
    "$schema": "https://opencode.ai/config.json",  # which OpenCode writes into a file without it
    "provider": {
        "scripted": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": "https://api.openai.com/v1", "apiKey": "{env:OPENAI_API_KEY}"},
            "models": {"model": {"limit": {"context": 100_000, "output": 4_000}}},
        }
    },
    "enabled_providers": ["scripted"],
    "model": "scripted/model",
    "small_model": "scripted/model",
}
LOOK = (  # brackets, so that a search does not find itself; and no placeholder, which the engine refuses
    "grep -E '^Mem(Total|Available)' /proc/meminfo; env | sed 's/SMOL_[A-Z0-9_]*/a place holder/'; "
    "{ grep -lsa 'the-real[-]value' /proc/[0-9]*/environ /proc/[0-9]*/cmdline; "
    "grep -rlsa 'the-real[-]value' /etc /root /home /tmp /run .; } | sed 's/^/holds it: /'"
)
COMMIT = "git add hello.txt && git -c user.name=A -c user.email=a@example.org commit --quiet -m 'Say hello'"
# Codex goes on beside a command that takes it too long, as all of them do here
COMMITTED = "git log -1 --format=%s | grep -q hello"
UNTIL_COMMITTED = f"{COMMITTED} || {{ {COMMIT}; }}; until {COMMITTED}; do sleep 1; done"


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with open_place() as folder:
        yield folder


@pytest.fixture(scope="module")
def hosts(place: Path) -> Iterator[Hosts]:
    with open_hosts(HOSTS, place) as hosts:
        yield hosts


@pytest.mark.parametrize("agent", ["claude", "codex", "opencode"])
async def test_an_issue_goes_from_todo_to_done_in_a_machine_that_never_holds_the_key(
    agent: str, hosts: Hosts, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.project.BOUND_S", BOUND_S)
    monkeypatch.setenv("SSL_CERT_FILE", str(hosts.authority))
    for name in VARIABLES.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(VARIABLES[agent], KEY)
    folder = place / f"{agent}-{len([*place.iterdir()])}"  # a test may be tried again
    project = make_project(folder, agent)
    name = "hello.txt"
    if agent == "claude":  # its tool takes absolute paths alone
        name = str(project.root / ".symphony" / "workspaces" / "3" / name)
    done = UseMcp("mark_done", {"title": "Say hello", "summary": "Wrote hello.txt."})
    async with open_model(ADDRESS, 443, hosts.tls) as model:
        model.play(
            Run(LOOK), Write(name, "hello\n"), Run(COMMIT), Run(UNTIL_COMMITTED), done, Say("It is done.")
        )
        project.drop("3", "---\ntitle: Say hello\n---\n")
        async with project.daemon() as daemon:
            ended = await daemon.until_outcome("3")
            await daemon.until(lambda: project.patch("3").exists() or ended["outcome"] != "drained")
    print(f"{agent}: {figures(project, model)}")
    assert project.patch("3").exists(), ended
    clone = project.apply("3", folder.with_suffix(".clone"))
    assert (clone / "hello.txt").read_text() == "hello\n"
    assert git(clone, "log", "--format=%s", "-1") == "Say hello"
    assert project.state_of("3") == "Done"
    connected = next(line for line in project.log("3") if line["kind"] == "mcp_connected")
    assert connected["client"].startswith(CLIENTS[agent])
    assert {headers.get("x-api-key") or headers.get("Authorization") for headers in model.headers} <= {
        KEY,
        f"Bearer {KEY}",
    }
    assert "MemTotal" in model.prompts()
    assert re.findall(r"the-real-value|holds it: \.?/\w+", model.prompts()) == []


def make_project(root: Path, agent: str) -> Project:
    """Return a project whose issues an agent works on in machines."""
    project = Project(root)
    machine: dict[str, Any] = {"image": os.environ["SYMPHONY_MICROVM_AGENTS"], "cpus": 1, "mem_mib": 1024}
    if agent == "opencode":  # it takes its provider from the repository, and has no host of its own
        (root / "opencode.json").write_text(json.dumps(PROVIDER))
        git(root, "add", "opencode.json")
        git(root, "commit", "--quiet", "-m", "Choose a model")
        machine["credentials"] = {VARIABLES[agent]: VARIABLES[agent]}
    project.configure(
        "Do {{ issue.title }}.\n",
        sandbox="smolvm",
        smolvm=machine,
        acp={"command": None, "adapter": agent, "read_timeout_ms": int(BOUND_S * 1000)},
        agent={"max_failures": 1},
    )
    return project


def figures(project: Project, model: Model) -> str:
    """Return what starting the agent took: seconds, and the guest's memory once it had begun to work."""
    began: dict[str, datetime] = {}
    for line in project.log("3"):
        if line["kind"] == "phase":
            began.setdefault(line["phase"], datetime.fromisoformat(line["at"]))
    first = min(began.values())
    seconds = ", ".join(f"{phase} {(at - first).total_seconds():.1f} s" for phase, at in began.items())
    memory = re.findall(r"Mem(?:Total|Available): +\d+ kB", model.prompts())[:2]
    return f"{seconds}; {', '.join(memory)}"
