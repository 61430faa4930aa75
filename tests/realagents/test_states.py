"""Two real agents work on one issue, each in a state of its own [CONTRACT 2.3, 6.4]."""

import json
from pathlib import Path

import pytest

from tests.models.script import Run, Say, UseMcp
from tests.models.server import Model
from tests.realagents.conftest import COMMIT, PATIENT, configure, work
from tests.support.project import Project, git

PROMPT = """\
{% if issue.state == "Review" %}Review{% else %}Do{% endif %} {{ issue.title }}.

{{ issue.description }}
"""
NOTES = "Greet the world as well."


def passed_on(state: str, notes: str) -> list[UseMcp | Say]:
    return [UseMcp("transition", {"to_state": state, "notes": notes}), Say("I have passed it on.")]


@pytest.mark.parametrize("agent", ["claude"], indirect=True)
async def test_claude_implements_and_codex_sends_it_back_once_and_then_finishes_it(
    agent: str, project: Project, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in configure("codex", model.url, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    project.configure(
        PROMPT,
        acp={"command": None, "adapter": agent, **PATIENT},
        agent={"max_failures": 1, "max_turns": 1},
        states={
            "Todo": {"role": "active", "allowed_transitions": ["Review"]},
            "Review": {"role": "active", "adapter": "codex", "allowed_transitions": ["Todo", "Done"]},
            "Done": {"role": "terminal"},
        },
    )
    write, commit, done = work(project, agent)
    model.play(write, commit, *passed_on("Review", "Wrote hello.txt."))
    model.play(Run("cat hello.txt"), *passed_on("Todo", NOTES))
    model.play(Run(f"echo hello world > hello.txt && {COMMIT}"), *passed_on("Review", "It greets the world."))
    model.play(Run("cat hello.txt"), done, Say("It is done."))
    text = "---\ntitle: Say hello\n---\nSay it in a file.\n"
    project.drop("3", text)
    async with project.daemon() as daemon:
        await daemon.until(lambda: len(ends(project)) == 4)
    assert ends(project) == ["transitioned", "transitioned", "transitioned", "delivered"]
    assert model.replies == []
    clone = project.apply("3", tmp_path / "clone")
    assert (clone / "hello.txt").read_text() == "hello world\n"
    assert git(clone, "log", "--format=%s") == "Say hello\nSay hello\nStart"
    clients = [line["client"].split()[0] for line in project.log("3") if line["kind"] == "mcp_connected"]
    assert clients == ["claude-code", "codex-mcp-client"] * 2
    assert (project.root / "issues" / "Done" / "3.md").read_text() == (
        f"{text}\n**Todo → Review**, by attempt 1 (claude):\n\n> Wrote hello.txt.\n"
        f"\n**Review → Todo**, by attempt 2 (codex):\n\n> {NOTES}\n"
        "\n**Todo → Review**, by attempt 3 (claude):\n\n> It greets the world.\n"
    )
    of_claude, of_codex = (
        [json.dumps(each) for each in model.asked if key in each] for key in ("messages", "input")
    )
    assert "Do Say hello." in of_claude[0]
    assert NOTES not in of_claude[0]
    assert "Review Say hello." in of_codex[0]
    assert "> Wrote hello.txt." in of_codex[0]
    assert NOTES in of_claude[len(of_claude) // 2 + 1]
    assert "> It greets the world." in of_codex[-1]


def ends(project: Project) -> list[str]:
    return [line["outcome"] for line in project.log("3") if line["kind"] == "ended"]
