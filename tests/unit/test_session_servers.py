"""`acp.mcp_servers`: what is taken, what is said of the rest, what a guest gets [CONTRACT 2.3, 5.1]."""

from typing import Any

import pytest
import yaml

from symphony.core.hidden import secrets_of
from symphony.core.machine import Credential, GuestNeeds
from symphony.core.session_servers import guest_faults, resolved, with_servers
from symphony.core.workflow import Workflow
from symphony.workflow.errors import WorkflowError
from symphony.workflow.loader import parse_workflow
from tests.unit.test_tool_settings import FILE

ENVIRON = {"TOKEN": "s3cret-of-docs", "BROKEN": "a\r\nX-Other: b", "LANG": "de", "HOST": "docs.example.com"}
WEB = {"name": "docs", "url": "https://docs.example.com/mcp"}
PROGRAM = {"name": "notes", "command": "notes-server"}
BEARER = {"Authorization": "Bearer ${env:TOKEN}"}


def load(*servers: Any, sandbox: str = "local", **smolvm: Any) -> Workflow:
    front = {"acp": {"mcp_servers": list(servers)}, "sandbox": sandbox, "smolvm": smolvm}
    text = f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n"
    return parse_workflow(text.encode(), FILE, ENVIRON)


def problems(*servers: Any, **options: Any) -> list[str]:
    with pytest.raises(WorkflowError) as error:
        load(*servers, **options)
    assert not any(value in str(error.value) for value in ("s3cret", "X-Other"))
    return [f"{problem.where.partition(': ')[2]}: {problem.message}" for problem in error.value.problems]


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"name": "x"}, ": found neither command nor url; allowed: one of the two."),
        ({**WEB, "command": "x"}, ".url: found beside command; allowed: one of the two."),
        ({**WEB, "type": "stdio"}, ".type: found stdio beside url; allowed: http or sse, or "
         "nothing."),
        ({**PROGRAM, "type": "http"}, ".type: found http beside command; allowed: stdio, or "
         "nothing."),
        ({**WEB, "type": "htpp"}, '.type: found "htpp" (text); allowed: stdio, http, sse or '
         "null. Did you mean http?"),
        ({**PROGRAM, "command": " "}, ".command: found a blank command; allowed: a program."),
        ({**WEB, "args": ["x"]}, ".args: found for a server that has none; allowed: with a "
         "command."),
        ({**PROGRAM, "headers": BEARER}, ".headers: found for a server that has none; "
         "allowed: with a url."),
        ({**PROGRAM, "environment": {}}, ".environment: unknown key; allowed: name, type, "
         "command, args, env, url, headers."),
        ({**PROGRAM, "name": "Symphony"}, '.name: found "Symphony", which is symphony\'s own '
         "server; allowed: another name."),
        ({**PROGRAM, "name": "a b"}, '.name: found "a b" (text); allowed: 1 to 32 letters, '
         "digits, `_` and `-`."),
        ({**WEB, "url": "docs.example.com"}, ".url: found no URL; allowed: one that begins "
         "with https:// or http://."),
        ({**WEB, "url": "https://${env:BROKEN}/"}, ".url: found no URL; allowed: one that "
         "begins with https:// or http://."),
        ({**WEB, "headers": {"X A": "b"}}, '.headers[0].name: found "X A" (text); allowed: a '
         "header's name."),
        ({**WEB, "headers": {"X-A": "${env:BROKEN}"}}, ".headers[0].value: found a line "
         "break or the like; allowed: text on one line."),
        ({**WEB, "headers": {"X-A": "b", "x-a": "c"}}, '.headers[1].name: found "x-a" (text) '
         "twice; allowed: each name once."),
        ({**PROGRAM, "env": {"A-B": "c"}}, '.env[0].name: found "A-B" (text); allowed: a '
         "variable's name."),
        ({**PROGRAM, "env": {"A": 7}}, ".env: found a map; allowed: a list of maps."),
        ({**WEB, "headers": {"Authorization": "Bearer ${env:TOKN}"}}, ".headers.Authorization: "
         "the variable TOKN, which `${env:TOKN}` names, is not set; set it for symphony."),
        ({**PROGRAM, "args": ["--token=${env:}"]}, ".args[0]: found `${env:` without a "
         "variable's name and `}`; allowed: `${env:NAME}`."),
    ],
)  # fmt: skip
def test_each_wrong_value_says_what_was_found_and_what_is_allowed(server: Any, said: str) -> None:
    assert problems(server) == [f"acp.mcp_servers[0]{said}"]


def test_two_servers_have_two_names() -> None:
    assert problems(PROGRAM, {**WEB, "name": "NOTES"}) == [
        'acp.mcp_servers[1].name: found "NOTES", which acp.mcp_servers[0] has too; allowed: each name once.'
    ]


@pytest.mark.parametrize(
    ("server", "smolvm", "said"),
    [
        (
            {**PROGRAM, "env": {"TOKEN": "${env:TOKEN}"}},
            {},
            ".env[0].value: found `${env:TOKEN}`; in a machine this program runs beside the "
            "agent, which would hold the value; allowed: a server with a url, or TOKEN in smolvm.forward_env "
            "if it is no secret.",
        ),
        (
            {**PROGRAM, "args": ["-x", "$TOKEN"]},
            {},
            ".args[1]: found `${env:TOKEN}`; in a machine this program runs beside the agent, "
            "which would hold the value; allowed: a server with a url, or TOKEN in smolvm.forward_env if it "
            "is no secret.",
        ),
        (
            {**WEB, "url": "https://docs.example.com/mcp?key=${env:TOKEN}"},
            {},
            ".url: found `${env:TOKEN}`; in a machine the agent would hold the value; allowed: in a header.",
        ),
        (
            {**WEB, "url": "http://docs.example.com/mcp", "headers": BEARER},
            {},
            ".headers[0].value: found `${env:TOKEN}` for a url that is not https; from a "
            "machine a secret goes to https alone; allowed: a url that begins with https://.",
        ),
        (
            {**WEB, "headers": {"Authorization": "Bearer written-out-by-me"}},
            {},
            ".headers[0].value: found a secret written out; in a machine the agent would hold "
            "it; allowed: `${env:NAME}`, for which the agent gets a placeholder.",
        ),
        (
            {**WEB, "url": "https://127.0.0.1:8080/mcp"},
            {},
            ".url: found a url that no machine can reach: 127.0.0.1 is never opened: it is a "
            "private, local or metadata address. A guest is let out to public hosts only.",
        ),
        (
            WEB,
            {"net": False},
            ".url: found beside `smolvm.net: false`; allowed: a command, or a network.",
        ),
    ],
)
def test_what_would_put_a_secret_into_a_machine_is_refused_there_and_taken_elsewhere(
    server: Any, smolvm: dict[str, Any], said: str
) -> None:
    assert problems(server, sandbox="smolvm", **smolvm) == [f"acp.mcp_servers[0]{said}"]
    assert load(server, **smolvm).settings.acp.mcp_servers[0].name == server["name"]


def test_a_variable_that_is_forwarded_anyway_may_be_named_in_a_machine() -> None:
    server = {**PROGRAM, "env": {"LANG": "${env:LANG}"}}
    assert list(guest_faults(load(server, sandbox="smolvm", forward_env=["LANG"]).settings)) == []


def test_a_machine_is_opened_to_the_hosts_and_given_placeholders_for_the_header_secrets() -> None:
    other = {"name": "other", "url": "https://OTHER.example.com:8443/", "headers": {"X-Key": "${env:TOKEN}"}}
    local = {"name": "plain", "url": "http://plain.example.com/", "headers": {"X-Lang": "${env:LANG}"}}
    workflow = load({**WEB, "headers": BEARER}, other, local, PROGRAM, sandbox="smolvm", forward_env=["LANG"])
    mine = Credential("KEY", "KEY", ("api.example",))
    needs = with_servers(GuestNeeds(("api.example",), (mine,)), workflow.settings)
    docs, others = "docs.example.com", "other.example.com"
    assert needs.hosts == ("api.example", docs, others, "plain.example.com")
    assert needs.credentials == (mine, Credential("SYMPHONY_MCP_TOKEN", "TOKEN", (docs, others)))


def test_values_are_put_in_at_the_end_and_shown_by_nothing_before() -> None:
    server = {
        **PROGRAM,
        "args": ["--for=${env:HOST}"],
        "env": [{"name": "TOKEN", "value": "$TOKEN"}, {"name": "B", "value": "x${env:TOKEN}x${env:HOST}"}],
    }
    workflow = load(server)
    assert "s3cret" not in repr(workflow)
    assert workflow.variables == {"TOKEN": "s3cret-of-docs", "HOST": "docs.example.com"}
    assert secrets_of(workflow) >= {"s3cret-of-docs"}
    assert not {"TOKEN", "B"} & secrets_of(workflow)
    made = resolved(workflow.settings.acp.mcp_servers[0], workflow.variables)
    assert made.args == ("--for=docs.example.com",)
    assert made.environment == {"TOKEN": "s3cret-of-docs", "B": "xs3cret-of-docsxdocs.example.com"}
    assert made.secrets == {"s3cret-of-docs", "docs.example.com"}
    assert "s3cret" not in repr(made)


def test_a_value_that_looks_like_a_reference_is_left_as_it_is() -> None:
    workflow = load({**PROGRAM, "env": {"A": "${env:TOKEN}"}})
    made = resolved(workflow.settings.acp.mcp_servers[0], {"TOKEN": "${env:HOME}"})
    assert made.environment == {"A": "${env:HOME}"}
