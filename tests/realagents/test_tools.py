"""Real agents use the workflow's own tools and further MCP servers [CONTRACT 5.1, 6.5]."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.script import Say, UseMcp
from tests.models.server import Model
from tests.realagents.conftest import BOUND_S, PATIENT
from tests.support.project import LOOK_S, Project

SERVER = Path(__file__).parent.parent / "support" / "mcp_word.py"
SECRET = "s3cret-of-the-docs-0815"
LOOK_UP = {
    "name": "look_up",
    "description": "Look a word up in the list of the house.",
    "input": {"properties": {"word": {"type": "string"}}, "required": ["word"]},
    "argv": [sys.executable, "-c", "import os, sys; print(os.environ['T'], sys.argv[1].upper())", "{word}"],
    "env": {"T": "${env:DOCS_TOKEN}"},
}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[Path]:
    """The file in which an HTTP server writes its URL; the server ends with the test."""
    file = tmp_path / "url.txt"
    server = subprocess.Popen([sys.executable, str(SERVER), "far", str(file)])
    try:
        yield file
    finally:
        server.kill()
        server.wait()


async def test_a_tool_of_the_workflow_and_two_further_servers_are_used_and_no_secret_is_written(
    agent: str, project: Project, model: Model, url: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCS_TOKEN", SECRET)
    async with asyncio.timeout(BOUND_S):
        while not url.exists():
            await asyncio.sleep(LOOK_S)
    near = {"name": "near", "command": sys.executable, "args": [str(SERVER), "near"]}
    headers = {"Authorization": "Bearer ${env:DOCS_TOKEN}"}
    far = {"name": "far", "type": "http", "url": url.read_text(), "headers": headers}
    project.configure(
        "Do it.\n",
        acp={"command": None, "adapter": agent, "mcp_servers": [near, far], **PATIENT},
        agent={"max_failures": 1},
        tools=[LOOK_UP],
    )
    model.play(
        UseMcp("look_up", {"word": "crimson"}),
        UseMcp("near_word"),
        UseMcp("far_word"),
        UseMcp("mark_done", {"title": "Nothing to do", "summary": "It was done already."}),
        Say("Done."),
    )
    project.drop("3")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.state_of("3") == "Done")
        state = str(await daemon.state())
    heard = str(model.asked)
    assert "[redacted] CRIMSON" in heard
    assert "the word of near is plain" in heard
    assert "the word of far is fetched with 30 characters" in heard
    assert url.with_suffix(".seen").read_text() == f"Bearer {SECRET}"
    (call,) = [line for line in project.log("3") if line["kind"] == "host_tool"]
    assert (call["name"], call["status"]) == ("look_up", 0)
    assert SECRET not in state + heard
    written = [path for path in (project.root / ".symphony").rglob("*") if path.is_file()]
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
