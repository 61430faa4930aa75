"""What the model's provider answers when it cannot, and what symphony makes of it [CONTRACT 4.5, 5.2]."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.models.script import Cut, Refuse
from tests.models.server import Model
from tests.realagents.conftest import BOUND_S, configure, work
from tests.support.project import LOOK_S, Project

UNAUTHORIZED = Refuse(401, "authentication_error", "invalid x-api-key")
SOON = {"Retry-After": "1"}  # opencode waits as long as the header says, and nothing sets it a limit
LIMITED = Refuse(429, "rate_limit_error", "Rate limit reached, try again in 120 seconds", SOON)
OVERLOADED = Refuse(529, "overloaded_error", "Overloaded", SOON)
SOON_ENOUGH_MS = 25_000  # for a program of hundreds of megabytes to start; the test waits it out
ALWAYS = 40  # as often as no agent tries again


async def ended(project: Project, model: Model, refuse: Refuse | Cut) -> tuple[str, str, dict[str, str]]:
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


NO_CREDIT = Refuse(402, "billing_error", "Your credit balance is too low to access the API", SOON)
TOO_LONG = {
    "claude": Refuse(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "codex": Refuse(400, "context_length_exceeded", "This model's maximum context length is 128000 tokens"),
    "opencode": Refuse(
        400, "context_length_exceeded", "This model's maximum context length is 128000 tokens"
    ),
}
NO_MODEL = {
    "claude": Refuse(404, "not_found_error", "model: nope"),
    "codex": Refuse(404, "model_not_found", "The model `nope` does not exist"),
    "opencode": Refuse(404, "model_not_found", "The model `nope` does not exist"),
}
BROKEN = Refuse(500, "api_error", "Internal server error", SOON)


async def test_an_account_without_credit_is_told_as_such(agent: str, project: Project, model: Model) -> None:
    outcome, message, _ = await ended(project, model, NO_CREDIT)
    assert outcome == "agent.no_credit"
    assert message.endswith(
        "Add credit there, or give the agent another key; then `symphony retry` the issue."
    )


async def test_a_context_that_is_too_long_is_told_as_such(agent: str, project: Project, model: Model) -> None:
    outcome, message, _ = await ended(project, model, TOO_LONG[agent])
    if agent == "opencode":  # it makes its context shorter by itself, and is silent when that fails as well
        assert outcome == "no_progress"
        return
    assert outcome == "agent.context_full"
    assert message.endswith("if it comes again, split the issue.")


async def test_a_model_that_its_provider_does_not_know_is_told_as_such(
    agent: str, project: Project, model: Model
) -> None:
    outcome, message, _ = await ended(project, model, NO_MODEL[agent])
    assert outcome == "agent.unknown_model"
    assert message.endswith("Correct `acp.model`, or the model in the agent's own settings.")


async def test_a_provider_that_is_broken_is_told_as_such(agent: str, project: Project, model: Model) -> None:
    outcome, _, limits = await ended(project, model, BROKEN)
    assert (outcome, limits) == ("agent.model_failed", {})


async def test_a_stream_that_is_cut_off_again_and_again_is_told_as_such(
    agent: str, project: Project, model: Model
) -> None:
    outcome, _, _ = await ended(project, model, Cut())
    assert outcome == "agent.connection_lost"


async def test_a_model_that_cannot_be_reached_is_told_as_such(
    agent: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "without a network"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name, value in configure(agent, "http://127.0.0.1:9", home).items():
        monkeypatch.setenv(name, value)
    project.drop("3")
    async with project.daemon() as daemon:
        line = await daemon.until_outcome("3")
    assert line["outcome"] == "agent.no_network"
    assert "Check the network and the model's address" in line["message"]


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
