"""What the model's provider answers when it cannot, and what symphony makes of it [CONTRACT 4.5, 5.2]."""

import asyncio
from datetime import UTC, datetime

from tests.models.script import Cut, Refuse
from tests.models.server import Model
from tests.realagents.conftest import BOUND_S, work
from tests.support.project import LOOK_S, Project

UNAUTHORIZED = Refuse(401, "authentication_error", "invalid x-api-key")
SOON = {"Retry-After": "1"}  # opencode waits as long as the header says, and nothing sets it a limit
LIMITED = Refuse(429, "rate_limit_error", "Rate limit reached, try again in 120 seconds", SOON)
OVERLOADED = Refuse(529, "overloaded_error", "Overloaded", SOON)
SOON_ENOUGH_MS = 25_000  # for a program of hundreds of megabytes to start; the test waits it out
ALWAYS = 40  # as often as no agent tries again


async def ended(project: Project, model: Model, refuse: Refuse) -> tuple[str, str, dict[str, str]]:
    model.play(*[refuse] * ALWAYS)
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        line = await daemon.until_outcome("3")
        async with asyncio.timeout(BOUND_S):  # the scheduler hears of it just after
            while (state := await daemon.state())["running"]:
                await asyncio.sleep(LOOK_S)
    return line["outcome"], line["message"], state["rate_limits"]


async def test_a_wrong_key_says_what_to_do(agent: str, project: Project, model: Model) -> None:
    outcome, message, limits = await ended(project, model, UNAUTHORIZED)
    assert (outcome, limits) == ("agent.auth_required", {})
    assert message.startswith(f'The agent "{agent}" has no valid credentials for its model: ')


async def test_a_rate_limit_pauses_the_adapter_until_its_reset(
    agent: str, project: Project, model: Model
) -> None:
    began = datetime.now(UTC)
    outcome, _, limits = await ended(project, model, LIMITED)
    assert outcome == "rate_limited"
    rest = datetime.fromisoformat(limits[agent]) - began
    assert 110 < rest.total_seconds() < 420


async def test_an_overload_pauses_the_adapter(agent: str, project: Project, model: Model) -> None:
    outcome, _, limits = await ended(project, model, OVERLOADED)
    assert (outcome, list(limits)) == ("rate_limited", [agent])


async def test_an_agent_that_cannot_reach_its_tools_fails_before_its_model_is_asked(
    agent: str, project: Project, model: Model
) -> None:
    project.configure(
        "Do it.\n",
        acp={"command": None, "adapter": agent, "read_timeout_ms": SOON_ENOUGH_MS},
        mcp={"host_url": "http://127.0.0.1:9"},
        agent={"max_failures": 1},
    )
    project.drop("3")
    async with project.daemon() as daemon:
        line = await daemon.until_outcome("3")
    assert (line["outcome"], line["turns"]) == ("mcp_not_connected", 0)
    assert model.asked == []


async def test_a_stream_that_is_cut_off_once_costs_nothing(
    agent: str, project: Project, model: Model
) -> None:
    model.play(Cut(), *work(project, agent))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("3").exists())
    assert project.state_of("3") == "Done"
