"""What adapters' programs are started with: nothing of the user's configuration is written [CONTRACT 2.3]."""

import json
from pathlib import Path

import pytest

from symphony.agent.adapters import ADAPTERS
from symphony.agent.errors import AgentError
from symphony.agent.launch import launch_of
from symphony.agent.needs import credential_values, host_environment
from symphony.core.settings import AcpSettings
from tests.agents.harness import open_program

HOST = {
    "ANTHROPIC_API_KEY": "sk-ant-1",
    "ANTHROPIC_BASE_URL": "http://proxy",
    "OPENAI_API_KEY": "sk-2",
    "AWS_SECRET_ACCESS_KEY": "no agent's business",
    "GROQ_API_KEY": "gsk-3",
    "CODEX_API_KEY": "",
}


def test_a_program_on_the_host_gets_its_own_keys_and_no_others():
    claude = host_environment(ADAPTERS["claude"], HOST)
    assert claude == {"ANTHROPIC_API_KEY": "sk-ant-1", "ANTHROPIC_BASE_URL": "http://proxy"}
    assert host_environment(ADAPTERS["codex"], HOST) == {"OPENAI_API_KEY": "sk-2"}
    assert host_environment(ADAPTERS["opencode"], HOST) == {}


def test_every_key_to_a_model_is_kept_out_of_the_logs():
    assert credential_values(HOST) == {"sk-ant-1", "sk-2", "gsk-3"}


def test_codex_is_told_on_its_command_line():
    launch = launch_of(ADAPTERS["codex"], AcpSettings(), {})
    assert launch.argv == (
        "codex-acp",
        "-c",
        "check_for_update_on_startup=false",
        "-c",
        "analytics.enabled=false",
        "-c",
        "features.unified_exec=false",
    )


def test_codex_keeps_a_key_in_memory_and_takes_a_place_of_its_own_for_the_model():
    given = {"OPENAI_API_KEY": "sk-2", "OPENAI_BASE_URL": 'http://a"b/v1'}
    argv = launch_of(ADAPTERS["codex"], AcpSettings(), given, in_guest=True).argv
    assert 'cli_auth_credentials_store="ephemeral"' in argv
    assert 'openai_base_url="http://a\\"b/v1"' in argv
    assert "sk-2" not in " ".join(argv)


def test_codex_in_a_machine_does_without_web_sockets_and_keeps_its_key_from_commands():
    given = {"OPENAI_API_KEY": "sk-2", "OPENAI_BASE_URL": "https://proxy/v1"}
    in_guest = launch_of(ADAPTERS["codex"], AcpSettings(), given, in_guest=True).argv
    on_host = launch_of(ADAPTERS["codex"], AcpSettings(), given).argv
    assert in_guest[len(on_host) :: 2] == ("-c",) * 9
    assert in_guest[len(on_host) + 1 :: 2] == (
        'model_provider="symphony"',
        'model_providers.symphony.name="OpenAI"',
        'model_providers.symphony.wire_api="responses"',
        "model_providers.symphony.requires_openai_auth=true",
        "model_providers.symphony.supports_websockets=false",
        'model_providers.symphony.base_url="https://proxy/v1"',
        'shell_environment_policy.exclude=["OPENAI_API_KEY", "CODEX_API_KEY"]',
        "shell_environment_policy.ignore_default_excludes=true",
        "features.shell_snapshot=false",
    )


@pytest.mark.parametrize(
    ("settings", "asks"),
    [
        (AcpSettings(), "allow"),
        (AcpSettings(permission="ask"), "ask"),
        (AcpSettings(permission="deny"), "ask"),
        (AcpSettings.model_validate({"permission_rules": [{"kind": "fetch", "answer": "deny"}]}), "ask"),
    ],
)
def test_opencode_asks_when_anyone_wants_to_be_asked(settings, asks):
    environment = launch_of(ADAPTERS["opencode"], settings, {}).environment
    assert json.loads(environment["OPENCODE_CONFIG_CONTENT"])["permission"] == {"*": asks}


def test_the_api_of_opencode_has_a_new_password_each_time():
    passwords = {
        launch_of(ADAPTERS["opencode"], AcpSettings(), {}).environment["OPENCODE_SERVER_PASSWORD"]
        for _ in range(3)
    }
    assert len(passwords) == 3


def test_a_command_of_ones_own_has_its_own_arguments():
    command = AcpSettings(adapter="codex", command="my-codex --acp")
    assert launch_of(ADAPTERS["codex"], command, {}).argv == ("bash", "-lc", "my-codex --acp")


async def test_an_agent_that_wants_to_be_told_of_its_key_is_told(tmp_path: Path):
    async with open_program(
        tmp_path, "wants_key", environ={**HOST, "SOME_API_KEY": "x"}, adapter="codex"
    ) as session:
        end = await session.prompt("hi")
    assert json.loads(end.text) == [
        "openai",
        {"OPENAI_API_KEY": "sk-2", "ANTHROPIC_API_KEY": None, "SOME_API_KEY": None},
    ]


async def test_without_a_key_a_person_is_told_how_to_log_in(tmp_path: Path):
    with pytest.raises(AgentError) as caught:
        async with open_program(tmp_path, "wants_key", environ={}, adapter="codex"):
            pytest.fail("it must not open")
    assert caught.value.code == "agent.auth_required"
    assert str(caught.value).endswith("Set OPENAI_API_KEY, or run `codex login`.")
