"""`acp.permission: ask` with real processes: an agent asks, a person answers from a terminal."""

import asyncio
import json

import pytest

from tests.support.command_line import symphony
from tests.support.project import Project


@pytest.fixture
def asking(tmp_path) -> Project:
    project = Project(tmp_path / "project", agent="asks_then_works")
    project.configure(acp={"permission": "ask"}, agent={"max_concurrent_agents": 1})
    project.drop("3", "---\ntitle: Tidy up\n---\n")
    return project


async def cli(project, *words):
    return await asyncio.to_thread(symphony, project.root, *words)


async def until_asked(daemon, issue_id="3"):
    await daemon.until(lambda: any(line.startswith(f"{issue_id} asks for") for line in daemon.said.lines))


async def test_a_request_is_on_every_surface_and_its_answer_reaches_the_agent(asking):
    async with asking.daemon() as daemon:
        await until_asked(daemon)
        listed = await cli(asking, "permission", "list")
        assert listed.out == (
            "Permissions (1)\n"
            "  3  Tidy up\n"
            "    execute: Remove the build folder\n"
            "    | {\n"
            '    |  "command": "rm -rf build",\n'
            '    |  "timeout": 5\n'
            "    | }\n"
            "    symphony permission allow 3\n"
        )
        for command in ("status", "inbox"):
            assert listed.out in (await cli(asking, command)).out
        assert await daemon.reason("3") == (
            "Running: waiting for your permission: Remove the build folder, turn 1 of 20."
        )
        asked = json.loads((await cli(asking, "permission", "list", "3", "--json")).out)["permissions"]
        assert [(each["id"], each["kind"], each["subject"]) for each in asked] == [
            ("3.1.1", "execute", "rm -rf build")
        ]
        allowed = await cli(asking, "permission", "allow", "3", "--always")
        assert (allowed.status, allowed.out) == (0, "Allowed for the session; its agent goes on.\n")
        await daemon.until(lambda: asking.patch("3").exists())
    assert "+always" in asking.patch("3").read_text()
    said = [line["text"] for line in asking.log("3") if line["kind"] == "permission"]
    assert said == [
        "Remove the build folder: a person is asked (acp.permission is ask)",
        "Remove the build folder: Always (a person was asked)",
    ]


async def test_a_request_keeps_no_slot_and_a_refusal_is_an_answer(asking):
    async with asking.daemon() as daemon:
        await until_asked(daemon)
        asking.drop("4")
        await until_asked(daemon, "4")
        refused = await cli(asking, "permission", "deny", "4", "--request", "4.1.1")
        assert (refused.status, refused.out) == (0, "Refused; its agent is told so.\n")
        await daemon.until(lambda: asking.patch("4").exists())
    assert "+no" in asking.patch("4").read_text()
    assert asking.state_of("3") == "Todo"


async def test_a_rule_answers_without_a_person(asking):
    rules = [{"kind": "execute", "pattern": "rm *", "answer": "deny"}]
    asking.configure(acp={"permission": "allow", "permission_rules": rules})
    async with asking.daemon() as daemon:
        await daemon.until(lambda: asking.patch("3").exists())
    assert "+no" in asking.patch("3").read_text()


@pytest.mark.parametrize("live", [True, False])
async def test_an_answer_to_nothing_is_refused_with_and_without_a_daemon(asking, live):
    asking.drop("5", state="Later")
    words = ("permission", "allow", "5")
    if live:
        async with asking.daemon():
            ran = await cli(asking, *words)
    else:
        ran = await cli(asking, *words)
    assert (ran.status, ran.err) == (
        1,
        "symphony: Issue 5 waits for no such permission. "
        "It was answered already, or its turn has ended; `symphony inbox` shows what is open.\n",
    )


async def test_a_rule_that_cannot_be_is_named(asking):
    asking.configure(acp={"permission_rules": [{"kind": "exec", "anwser": "deny"}]})
    ran = await cli(asking, "run")
    assert ran.status == 2
    where = "symphony: WORKFLOW.md:2: acp.permission_rules[0]"
    assert ran.err.splitlines() == [
        f'{where}.kind: found "exec" (text); allowed: read, edit, delete, move, search, execute, think, '
        "fetch, switch_mode, other or null. Did you mean execute?",
        f"{where}.answer: this key is missing; allowed: allow, deny or ask.",
        f"{where}.anwser: unknown key; allowed: kind, pattern, answer. Did you mean answer?",
    ]
