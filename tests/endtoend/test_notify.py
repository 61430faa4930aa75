"""`notify` of a real daemon: one notice for each thing, over reloads and restarts."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import BOUND_S, Project, json_lines

NOTIFY = [{"kind": "command", "target": "cat >> .heard; echo >> .heard"}]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", agent="fails")


def heard(project: Project) -> list[dict[str, Any]]:
    return json_lines(project.root / ".heard")


def told(project: Project, kind: str) -> Callable[[], bool]:
    return lambda: any(notice["kind"] == kind for notice in heard(project))


async def test_a_parked_issue_is_told_once_by_a_setting_that_came_while_it_ran(project: Project) -> None:
    project.drop("7", "---\ntitle: Fix it\n---\n")
    async with project.daemon() as daemon:
        project.configure(agent={"max_failures": 1}, notify=NOTIFY)
        await daemon.until(told(project, "parked"))
        url = daemon.said.running.url
    async with project.daemon() as daemon:
        project.drop("8")
        await daemon.until(lambda: len(heard(project)) > 1)
    assert [(each["issue_id"], each["kind"]) for each in heard(project)] == [("7", "parked"), ("8", "parked")]
    assert heard(project)[0]["url"] == f"{url}/issues/7"


async def test_a_run_until_idle_tells_before_it_ends(project: Project) -> None:
    project.configure(agent={"max_failures": 1}, notify=NOTIFY)
    project.drop("7")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
        assert daemon.task.result() == 3
    assert told(project, "parked")()


async def test_a_command_that_fails_is_a_problem_and_holds_nothing_up(project: Project) -> None:
    project.configure(
        agent={"max_failures": 1}, notify=[{"kind": "command", "target": "echo no mail; exit 1"}]
    )
    project.drop("7")
    async with project.daemon() as daemon:

        async def problems() -> list[Any]:
            return [each["code"] for each in (await daemon.state())["problems"]]

        async with asyncio.timeout(BOUND_S):
            while "notify.failed" not in await problems():
                assert not daemon.task.done()
        state = await daemon.state()
    assert state["problems"][0]["message"] == "The command ended with status 1: no mail"
    assert state["counts"]["failed"] == 1
