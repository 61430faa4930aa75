"""What agents' errors say of their models: each was seen from one of the three, unless it says otherwise."""

import json
from pathlib import Path

import pytest

from symphony.agent import AgentError
from symphony.agent.faults import FAULTS, fault_of
from symphony.agent.limits import is_refused_for_now, lacks_credentials
from tests.agents.harness import open_program

CLAUDE = "Internal error: "
CODEX = "Internal error"


def codex(said: str, info: str = "other") -> dict[str, object]:
    return {"message": said, "codex_error_info": info}


@pytest.mark.parametrize(
    ("message", "data", "code"),
    [
        (f"{CLAUDE}Credit balance is too low", {"errorKind": "billing_error"}, "agent.no_credit"),
        (
            CODEX,
            codex("unexpected status 402 Payment Required: Your credit balance is too low to access the API"),
            "agent.no_credit",
        ),
        (f"{CLAUDE}Prompt is too long", {"errorKind": "invalid_request"}, "agent.context_full"),
        (
            f"{CLAUDE}Request too large (max 32MB). Try with a smaller file.",
            {"errorKind": "invalid_request"},
            "agent.context_full",
        ),
        (
            CODEX,
            codex('{"error": {"code": "context_length_exceeded", "message": "maximum context length"}}'),
            "agent.context_full",
        ),
        (
            CODEX,
            codex("unexpected status 413 Payload Too Large: Request exceeds the maximum size"),
            "agent.context_full",
        ),
        (
            f"{CLAUDE}There's an issue with the selected model (opus). It may not exist or you may not have"
            " access to it.",
            {"errorKind": "model_not_found"},
            "agent.unknown_model",
        ),
        (
            CODEX,
            codex(
                "unexpected status 404 Not Found: The model `nope` does not exist or you do not have access"
            ),
            "agent.unknown_model",
        ),
        (
            f"{CLAUDE}The model `nope` does not exist or you do not have access to it",
            {"service": "session", "errorName": "APIError"},
            "agent.unknown_model",
        ),
        (
            f"{CLAUDE}API Error: 500 Internal server error. This is a server-side issue",
            {"errorKind": "server_error"},
            "agent.model_failed",
        ),
        (
            f"{CLAUDE}API Error: 503 Service Unavailable.",
            {"errorKind": "server_error"},
            "agent.model_failed",
        ),
        (CODEX, codex("We had an error", "internal_server_error"), "agent.model_failed"),
        (
            f"{CLAUDE}API Error: Unable to connect to API (ECONNRESET)",
            {"errorKind": "unknown"},
            "agent.connection_lost",
        ),
        (
            CODEX,
            codex("stream disconnected before completion: stream closed before response.completed"),
            "agent.connection_lost",
        ),
        (
            f"{CLAUDE}API Error: Unable to connect to API (ConnectionRefused)",
            {"errorKind": "unknown"},
            "agent.no_network",
        ),
        (f"{CLAUDE}API Error: Unable to connect to API (ENOTFOUND)", None, "agent.no_network"),
        (
            CODEX,
            codex("stream disconnected before completion: error sending request for url (http://x/v1)"),
            "agent.no_network",
        ),
        (
            f"{CLAUDE}Cannot connect to API: Unable to connect. Is the computer able to access the url?",
            {"service": "session", "errorName": "APIError"},
            "agent.no_network",
        ),
    ],
)
def test_each_fault_of_a_model_is_an_outcome_of_its_own(message: str, data: object, code: str) -> None:
    assert not is_refused_for_now(message, data)
    assert not lacks_credentials(message, data)
    fault = fault_of(message, data)
    assert fault is not None
    assert fault.code == code


ENGINE = "smolvm credentials: placeholders are substituted in request headers only"


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (
            f"Internal error: Failed to authenticate. API Error: 403 {ENGINE}",
            {"errorKind": "authentication_failed"},
        ),
        (
            CODEX,
            codex(f"unexpected status 403 Forbidden: {ENGINE}, url: https://api.openai.com/v1/responses"),
        ),
        (f"Internal error: Forbidden: {ENGINE}", {"service": "session", "errorName": "APIError"}),
    ],
)
def test_a_placeholder_that_the_engine_of_a_machine_refuses_is_no_matter_of_credentials(
    message: str, data: object
) -> None:
    assert not is_refused_for_now(message, data)
    assert not lacks_credentials(message, data)
    fault = fault_of(message, data)
    assert fault is not None
    assert f"The agent {fault.fact}. {fault.remedy}" == (
        "The agent told its model the placeholder of a credential, which the machine's engine lets nobody"
        " have. The next attempt begins with a fresh session;"
        " tell agents not to print their environment variables."
    )


def test_a_history_that_the_engine_of_a_machine_does_not_take_is_too_long() -> None:
    fault = fault_of(CODEX, codex("unexpected status 413: smolvm credentials: request body exceeds 8 MiB"))
    assert fault is not None
    assert fault.code == "agent.context_full"


def test_a_403_is_a_matter_of_credentials() -> None:
    assert lacks_credentials(CODEX, codex("unexpected status 403 Forbidden: Your account has no access"))


def test_an_overload_is_a_rest_and_no_fault() -> None:
    assert is_refused_for_now(f"{CLAUDE}API Error: 529 Overloaded", {"errorKind": "rate_limit"})


@pytest.mark.parametrize("said", ["", "Something else happened", "session not found", "no such file"])
def test_what_says_nothing_of_the_model_is_no_fault_of_it(said: str) -> None:
    assert fault_of(said, None) is None


def test_every_fault_says_what_to_do() -> None:
    assert all(fault.remedy.endswith(".") for fault in FAULTS)


async def test_a_person_reads_what_happened_and_what_to_do(tmp_path: Path) -> None:
    error = {"code": -32603, "message": "Credit balance is too low"}
    with pytest.raises(AgentError, match="no credit") as caught:
        async with open_program(tmp_path, "fails", json.dumps(error), adapter="claude") as session:
            await session.prompt("hi")
    assert str(caught.value) == (
        'The agent "claude" has no credit with its model\'s provider: Credit balance is too low.'
        " Add credit there, or give the agent another key; then `symphony retry` the issue."
    )
