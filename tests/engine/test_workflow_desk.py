"""What a person asks about the workflow: the report, the next attempt's prompt [CONTRACT 2.5]."""

import asyncio
from pathlib import Path

import pytest

from symphony.agent.script import ask, mark_done, one_turn
from symphony.core.decide import CommandRefused
from symphony.core.workflow_report import FileLine, RenderedPrompt, WorkflowDesk
from symphony.engine.workflow_desk import EngineWorkflowDesk
from symphony.workflow.file import WorkflowFile
from symphony.workflow_source import WorkflowSource
from tests.engine.conftest import World

FRONT = "---\nsandbox: local\nacp: {adapter: demo}\nserver: {token: $TOKEN}\n---\n"
ENVIRON = {"TOKEN": "hunter2hunter2"}


class Source(WorkflowSource):
    """The daemon's own source, where the world expects the one in memory."""

    current = None

    def __init__(self, path: Path) -> None:
        super().__init__(WorkflowFile(path, ENVIRON), None, ENVIRON)
        self.path = path


def desk_of(world: World, tmp_path: Path, prompt: str) -> Source:
    path = tmp_path / "WORKFLOW.md"
    path.write_text(f"{FRONT}{prompt}\n")
    source = world.file = Source(path)
    return source


async def rendered(world: World, desk: WorkflowDesk, issue_id: str) -> RenderedPrompt:
    rendering = asyncio.create_task(desk.rendered_prompt(issue_id))
    await asyncio.wait({rendering}, timeout=30)
    return rendering.result()


async def test_the_prompt_is_the_one_that_the_next_attempt_is_given(world: World, tmp_path: Path) -> None:
    source = desk_of(world, tmp_path, "Do {{ issue.title }} on {{ workspace.branch }}{{ attempt }}.")
    world.script("7", one_turn(ask("Which?")), one_turn(mark_done()))
    async with world.running():
        desk = EngineWorkflowDesk(world.engine, source)
        await world.operations.pause(None)
        world.drop("7", "---\ntitle: Fix it\n---\n")
        await world.until(lambda: world.state_of("7"))
        first = await rendered(world, desk, "7")
        assert first == RenderedPrompt("7", 1, "agent/7", foreseen=True, text="Do Fix it on agent/7.\n")
        await world.operations.resume(None)
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        assert world.agents.sessions[0].prompts[0] == first.text
        second = await rendered(world, desk, "7")
        assert (second.number, second.foreseen) == (2, False)
        assert second.text.startswith("Do Fix it on agent/72.\n\nEarlier attempts worked on this issue")
        assert "> Which?" in second.text


async def test_a_template_error_has_its_line_and_the_name(world: World, tmp_path: Path) -> None:
    source = desk_of(world, tmp_path, "Do it.\n{{ issue.titel }}\nNow.")
    async with world.running():
        await world.operations.pause(None)
        world.drop("7")
        await world.until(lambda: world.state_of("7"))
        found = await rendered(world, EngineWorkflowDesk(world.engine, source), "7")
        assert found.text == ""
        assert found.problem is not None
        assert (found.problem.line, found.problem.message) == (
            7,
            "the prompt uses the unknown variable `issue.titel`. Did you mean issue.title?",
        )
        assert found.problem.lines[1] == FileLine(7, "{{ issue.titel }}", meant=True)


async def test_credentials_are_not_in_a_rendered_prompt(world: World, tmp_path: Path) -> None:
    source = desk_of(world, tmp_path, "Do {{ issue.title }}.")
    async with world.running():
        await world.operations.pause(None)
        world.drop("7", "---\ntitle: use hunter2hunter2 and Bearer abcdefgh12345678 now\n---\n")
        await world.until(lambda: world.state_of("7"))
        found = await rendered(world, EngineWorkflowDesk(world.engine, source), "7")
        assert found.text == "Do use [redacted] and Bearer [redacted] now.\n"


async def test_an_issue_that_is_not_there_has_no_prompt(world: World, tmp_path: Path) -> None:
    source = desk_of(world, tmp_path, "Do it.")
    async with world.running():
        desk = EngineWorkflowDesk(world.engine, source)
        with pytest.raises(CommandRefused) as refused:
            await desk.rendered_prompt("none")
        assert (refused.value.code, str(refused.value)) == (
            "issue_not_found",
            "There is no issue none that can be read. `symphony status` lists the issues.",
        )


async def test_the_report_is_of_what_the_daemon_uses(world: World, tmp_path: Path) -> None:
    source = desk_of(world, tmp_path, "Do it.")
    async with world.running():
        report = await EngineWorkflowDesk(world.engine, source).report()
        assert report.prompt == "Do it."
        assert {row.key: row.value for row in report.settings}["server.token"] == "[redacted]"
