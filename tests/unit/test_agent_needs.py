"""What each agent needs in a guest, as its adapter and the host's variables tell."""

import asyncio

import pytest

from symphony.agent import AcpAgents, AgentError
from symphony.core.machine import Credential, GuestNeeds
from symphony.core.settings import AcpSettings, SmolvmSettings

KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant",
    "OPENAI_API_KEY": "sk-oai",
    "CODEX_API_KEY": "",
    "CLAUDE_CODE_OAUTH_TOKEN": "oat",
}
CLAUDE = ("api.anthropic.com",)
CODEX = ("api.openai.com", "chatgpt.com", "auth.openai.com")


def needs_of(adapter: str, environ: dict[str, str], **chosen: str) -> GuestNeeds:
    """Ask for a program of the user's own, which may do without what symphony knows of."""
    acp, smolvm = AcpSettings(adapter=adapter, command="agent"), SmolvmSettings(credentials=chosen)
    return asyncio.run(AcpAgents(environ=environ).guest_needs(acp, smolvm))


def test_an_adapter_takes_the_keys_that_are_set_to_its_own_hosts() -> None:
    assert needs_of("claude", KEYS) == GuestNeeds(
        CLAUDE,
        (
            Credential("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY", CLAUDE),
            Credential("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", CLAUDE),
        ),
    )
    assert needs_of("codex", KEYS) == GuestNeeds(
        CODEX, (Credential("OPENAI_API_KEY", "OPENAI_API_KEY", CODEX),)
    )


def test_without_keys_only_the_hosts_are_left() -> None:
    assert needs_of("claude", {}) == GuestNeeds(CLAUDE)


@pytest.mark.parametrize("adapter", ["opencode", "demo"])
def test_who_has_no_model_of_its_own_needs_nothing(adapter: str) -> None:
    assert needs_of(adapter, KEYS) == GuestNeeds()


def test_no_value_of_a_key_is_in_the_needs() -> None:
    assert not any(value in repr(needs_of("claude", KEYS)) for value in KEYS.values() if value)


def test_another_base_url_takes_the_place_of_the_models_host() -> None:
    url = "https://proxy.example:8443/v1"
    claude = needs_of("claude", {**KEYS, "ANTHROPIC_BASE_URL": url})
    assert claude.hosts == ("proxy.example",)
    assert {credential.hosts for credential in claude.credentials} == {("proxy.example",)}
    assert claude.environment == {"ANTHROPIC_BASE_URL": url}
    codex = needs_of("codex", {"OPENAI_BASE_URL": url})
    assert codex.hosts == ("proxy.example", "chatgpt.com", "auth.openai.com")


def test_a_base_url_of_another_adapter_or_without_a_host_changes_nothing() -> None:
    for environ in ({"OPENAI_BASE_URL": "https://x.example"}, {"ANTHROPIC_BASE_URL": "not a url"}):
        assert needs_of("claude", environ) == GuestNeeds(CLAUDE)


def test_a_chosen_credential_comes_beside_the_adapters_own_and_in_its_place() -> None:
    environ = {**KEYS, "WORK_KEY": "sk-work", "EXTRA": "x"}
    needs = needs_of("claude", environ, ANTHROPIC_API_KEY="WORK_KEY", MORE="EXTRA", ABSENT="NOT_SET")
    assert [(each.name, each.source) for each in needs.credentials] == [
        ("ANTHROPIC_API_KEY", "WORK_KEY"),
        ("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
        ("MORE", "EXTRA"),
    ]
    assert {each.hosts for each in needs.credentials} == {CLAUDE}


def test_an_adapter_without_hosts_sends_a_known_key_to_its_provider() -> None:
    needs = needs_of("opencode", KEYS, ANTHROPIC_API_KEY="ANTHROPIC_API_KEY", OPENAI_API_KEY="OPENAI_API_KEY")
    assert needs.hosts == ("api.anthropic.com", "api.openai.com")
    assert [each.hosts for each in needs.credentials] == [("api.anthropic.com",), ("api.openai.com",)]


def test_an_unknown_key_of_an_adapter_without_hosts_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AgentError, match="nothing tells to which host") as caught:
        needs_of("opencode", {"X": "1"}, MY_KEY="X")
    assert caught.value.code == "agent.credential_without_host"
    assert "ANTHROPIC_API_KEY" in str(caught.value)


def test_an_unknown_adapter_is_refused() -> None:
    with pytest.raises(AgentError) as caught:
        asyncio.run(AcpAgents().guest_needs(AcpSettings(adapter="cluade"), SmolvmSettings()))
    assert caught.value.code == "agent.unknown_adapter"


def test_a_program_of_a_name_of_its_own_needs_what_the_workflow_names() -> None:
    assert needs_of("mine", KEYS) == GuestNeeds()
    assert needs_of("mine", KEYS, ANTHROPIC_API_KEY="ANTHROPIC_API_KEY").hosts == CLAUDE
