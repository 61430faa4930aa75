"""What a session is opened with: programs, environment, servers, choices, permissions [CONTRACT 2.3, 5]."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from symphony.agent import ADAPTERS, AcpAgents, AgentError
from symphony.agent.adapters import find_adapter
from symphony.core.agent import AgentEvent, McpServer, SessionSpec, StopKind
from symphony.core.permission import PermissionAnswer, Proposal
from symphony.core.ports import SandboxSpec
from symphony.core.settings import AcpSettings
from symphony.sandbox.local import LocalDriver
from symphony.sandbox.memory import MemoryDriver
from symphony.sandbox.memory_process import MemoryProcessIO
from tests.agents.harness import PATIENT, Heard, make_spec, open_program


async def error_of(cwd: Path, command: str | None, **acp: object) -> AgentError:
    with pytest.raises(AgentError) as caught:
        async with (
            LocalDriver({"PATH": "/usr/bin:/bin"}).open_sandbox(SandboxSpec(cwd)) as sandbox,
            AcpAgents(bounds=PATIENT).open_session(make_spec(cwd, command, **acp), sandbox, Heard()),
        ):
            pytest.fail("it must not open")
    return caught.value


def test_importing_the_room_does_not_import_the_sdk() -> None:
    script = "import sys, symphony.agent, symphony.agent.memory; print({'acp', 'mcp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


async def test_preloading_imports_the_sdk_before_the_first_session() -> None:
    await AcpAgents().preload()
    assert "acp" in sys.modules


async def test_a_missing_program_says_how_to_install_it(tmp_path: Path) -> None:
    error = await error_of(tmp_path, None, adapter="claude")
    assert error.code == "agent.not_found"
    assert str(error) == (
        'The program "claude-agent-acp" of the adapter "claude" was not found in the sandbox.'
        " Install it with `npm install -g @agentclientprotocol/claude-agent-acp`, or set `acp.command`."
    )


async def test_a_command_that_the_shell_cannot_find_is_named(tmp_path: Path) -> None:
    error = await error_of(tmp_path, "no-such-agent --fast")
    assert error.code == "agent.not_found"
    assert error.message.startswith(
        "The shell could not find the program of `acp.command` (no-such-agent --fast)."
    )
    assert error.remedy == "Install it, or correct `acp.command`."


async def test_a_missing_shell_is_named(tmp_path: Path) -> None:
    error = await error_of(tmp_path, "agent", shell="no-such-shell")
    assert str(error) == (
        'The shell "no-such-shell" that runs `acp.command` was not found in the sandbox.'
        " Install it, or set `acp.shell`."
    )


async def test_an_unknown_adapter_is_answered_with_the_nearest(tmp_path: Path) -> None:
    error = await error_of(tmp_path, None, adapter="cluade")
    assert error.code == "agent.unknown_adapter"
    assert str(error) == (
        'there is no adapter "cluade"; there are: claude, codex, opencode, demo. Did you mean claude?'
        " Set `acp.adapter` to one of these; any other ACP program goes into `acp.command`."
    )


async def test_with_a_command_the_adapter_may_have_any_name(tmp_path: Path) -> None:
    async with open_program(tmp_path, "plain", adapter="mine") as session:
        assert (await session.prompt("hi")).stop is StopKind.END_TURN


def test_the_adapters_launch_what_they_name() -> None:
    launches = {name: adapter.launch(AcpSettings()) for name, adapter in ADAPTERS.items()}
    assert launches == {
        "claude": ("claude-agent-acp",),
        "codex": ("codex-acp",),
        "opencode": ("opencode", "acp"),
        "demo": (sys.executable, "-m", "symphony.agent.demo"),
    }
    command = AcpSettings(command="npx my-agent", shell="zsh")
    for in_guest in (False, True):
        assert find_adapter("demo").launch(command, in_guest=in_guest) == ("zsh", "-lc", "npx my-agent")


def test_in_a_guest_the_adapters_launch_the_same_names_and_the_demo_agent_its_one_file() -> None:
    launches = {name: adapter.launch(AcpSettings(), in_guest=True) for name, adapter in ADAPTERS.items()}
    assert launches == {
        "claude": ("claude-agent-acp",),
        "codex": ("codex-acp",),
        "opencode": ("opencode", "acp"),
        "demo": ("python3", "/run/symphony/demo.pyz"),
    }


@pytest.mark.parametrize(("has_machines", "program"), [(True, "python3"), (False, Path(sys.executable).name)])
async def test_the_program_is_the_guests_where_there_is_a_machine(has_machines: bool, program: str) -> None:
    started: list[tuple[str, ...]] = []

    async def run(io: MemoryProcessIO) -> int:
        started.append(io.argv)
        return 0

    driver = MemoryDriver({program: run}, has_machines=has_machines)
    spec = SessionSpec(AcpSettings(adapter="demo"), Path("/w"))
    async with driver.open_sandbox(SandboxSpec(Path("/w"))) as sandbox:
        with pytest.raises(AgentError):
            async with AcpAgents(bounds=PATIENT).open_session(spec, sandbox, Heard()):
                pass
    assert [argv[0] for argv in started] == [program if has_machines else sys.executable]


def test_claude_waits_for_its_tools_and_phones_nowhere() -> None:
    environment = find_adapter("Claude").environment
    assert environment["MCP_CONNECTION_NONBLOCKING"] == "0"
    assert environment["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] == "1"


async def test_servers_of_symphony_and_of_the_workflow_are_offered_in_that_order(tmp_path: Path) -> None:
    heard = Heard()
    own = McpServer("symphony", url="http://127.0.0.1:9/mcp", headers={"Authorization": "Bearer x"})
    more = McpServer("notes", command="notes-server", args=("--stdio",), environment={"LEVEL": "1"})
    docs = McpServer("docs", command="docs-server")
    web = McpServer("web", url="http://x/")
    async with open_program(tmp_path, "plain", heard=heard, servers=(own, more, docs, web)):
        pass
    frame = next(event.frame for event in heard.events if (event.frame or {}).get("method") == "session/new")
    assert frame["params"] == {
        "cwd": str(tmp_path),
        "mcpServers": [
            {
                "type": "http",
                "name": "symphony",
                "url": "http://127.0.0.1:9/mcp",
                "headers": [{"name": "Authorization", "value": "Bearer x"}],
            },
            {
                "name": "notes",
                "command": "notes-server",
                "args": ["--stdio"],
                "env": [{"name": "LEVEL", "value": "1"}],
            },
            {"name": "docs", "command": "docs-server", "args": [], "env": []},
            {"type": "http", "name": "web", "url": "http://x/", "headers": []},
        ],
    }


async def test_a_server_over_a_transport_that_the_agent_does_not_offer_is_named(tmp_path: Path) -> None:
    events = McpServer("events", url="http://x/sse", sse=True)
    with pytest.raises(AgentError) as error:
        async with open_program(tmp_path, "plain", servers=(events,)):
            pytest.fail("it must not open")
    assert error.value.code == "agent.mcp_transport_not_offered"
    assert str(error.value).endswith(
        " does not say that it can reach MCP servers over SSE, and `acp.mcp_servers` has "
        '"events". Use another adapter, another type for this server, or take it out.'
    )


@pytest.mark.parametrize(
    ("acp", "chosen"),
    [
        ({}, ["opus", "high", "default"]),
        ({"model": "sonnet", "effort": "low"}, ["sonnet", "low", "default"]),
        ({"model": "Sonnet 5"}, ["sonnet", "high", "default"]),
        ({"adapter": "claude"}, ["opus", "high", "bypassPermissions"]),
        ({"adapter": "claude", "permission": "deny"}, ["opus", "high", "default"]),
        ({"mode": "BypassPermissions", "permission": "deny"}, ["opus", "high", "bypassPermissions"]),
        ({"adapter": "claude", "mode": "default"}, ["opus", "high", "default"]),
    ],
)
async def test_model_effort_and_mode_are_chosen_among_what_is_offered(
    tmp_path: Path, acp: dict[str, str], chosen: list[str]
) -> None:
    async with open_program(tmp_path, "offers_choices", **acp) as session:
        end = await session.prompt("hi")
    assert json.loads(end.text) == chosen


@pytest.mark.parametrize(
    ("acp", "message"),
    [
        (
            {"model": "gpt-9"},
            'The agent "demo" offers no model "gpt-9"; it offers: opus, sonnet.'
            " Set `acp.model` to one of these, or to null.",
        ),
        (
            {"effort": "extreme"},
            'The agent "demo" offers no effort "extreme"; it offers: low, high.'
            " Set `acp.effort` to one of these, or to null.",
        ),
        (
            {"mode": "yolo"},
            'The agent "demo" offers no mode "yolo"; it offers: default, bypassPermissions.'
            " Set `acp.mode` to one of these, or to null.",
        ),
    ],
)
async def test_a_wrong_name_lists_the_right_ones(tmp_path: Path, acp: dict[str, str], message: str) -> None:
    with pytest.raises(AgentError) as caught:
        async with open_program(tmp_path, "offers_choices", **acp):
            pytest.fail("it must not open")
    assert str(caught.value) == message
    assert caught.value.code == f"agent.unknown_{next(iter(acp))}"


async def test_a_model_that_cannot_be_chosen_is_told_and_does_no_harm(tmp_path: Path) -> None:
    heard = Heard()
    async with open_program(tmp_path, "plain", heard=heard, model="opus"):
        pass
    assert heard.of("other") == ["the agent offers no choice of model; `acp.model` (opus) was not set"]


@pytest.mark.parametrize("method", ["session/load", "session/resume"])
async def test_resuming_repeats_nothing_to_people(tmp_path: Path, method: str) -> None:
    heard = Heard()
    async with open_program(tmp_path, "resumes", method, heard=heard, resume="old") as session:
        end = await session.prompt("hi")
    assert (session.id, session.resumed, end.text) == ("old", True, "I remember")
    assert heard.of("message") == ["I remember"]


async def test_a_session_that_the_agent_has_forgotten_is_replaced(tmp_path: Path) -> None:
    heard = Heard()
    async with open_program(tmp_path, "resumes", heard=heard, resume="lost") as session:
        end = await session.prompt("hi")
    assert (session.resumed, end.text) == (False, "I am new")
    assert heard.of("other")[0].startswith("a new session is opened, since resuming failed: The agent")


def kinds(*pairs: str) -> str:
    return json.dumps([pair.split(":") for pair in pairs])


@pytest.mark.parametrize(
    ("policy", "options", "answer"),
    [
        ("allow", kinds("once:allow_once", "always:allow_always", "no:reject_once"), "always"),
        ("allow", kinds("no:reject_once", "once:allow_once"), "once"),
        ("allow", kinds("no:reject_once", "session:allow_for_session"), "session"),
        ("allow", kinds("no:reject_once"), None),
        ("deny", kinds("never:reject_always", "once:allow_once", "no:reject_once"), "no"),
        ("deny", kinds("once:allow_once", "never:reject_always"), "never"),
        ("deny", kinds("once:allow_once"), None),
        ("ask", kinds("once:allow_once", "no:reject_once"), "no"),
    ],
)
async def test_permission_is_answered_by_the_settings(
    tmp_path: Path, policy: str, options: str, answer: str | None
) -> None:
    heard = Heard()
    async with open_program(tmp_path, "asks_permission", options, heard=heard, permission=policy) as session:
        end = await session.prompt("hi")
    wanted = {"outcome": "cancelled"} if answer is None else {"outcome": "selected", "optionId": answer}
    assert json.loads(end.text) == {"outcome": wanted}
    why = (
        "acp.permission is ask, and nobody can be asked here"
        if policy == "ask"
        else f"acp.permission is {policy}"
    )
    assert heard.of("permission") == [
        f"rm -rf build: {'cancelled' if answer is None else answer.title()} ({why})"
    ]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (PermissionAnswer.ALWAYS, "allow_always"),
        (PermissionAnswer.ONCE, "allow"),
        (PermissionAnswer.DENY, "reject"),
    ],
)
async def test_a_person_is_asked_where_one_can_be(
    tmp_path: Path, said: PermissionAnswer, answer: str
) -> None:
    seen: list[Proposal] = []
    heard = Heard()

    async def ask(proposal: Proposal) -> PermissionAnswer:
        seen.append(proposal)
        return said

    async with open_program(
        tmp_path, "asks_permission", heard=heard, permission="ask", on_permission=ask
    ) as session:
        end = await session.prompt("hi")
    assert json.loads(end.text)["outcome"]["optionId"] == answer
    assert seen == [Proposal("rm -rf build", "execute", "rm -rf build", "", lasting=True)]
    assert heard.of("permission")[0] == "rm -rf build: a person is asked (acp.permission is ask)"


async def test_a_rule_answers_in_place_of_the_policy(tmp_path: Path) -> None:
    rules = [{"kind": "execute", "pattern": "rm *", "answer": "deny"}]
    async with open_program(tmp_path, "asks_permission", permission_rules=rules) as session:
        end = await session.prompt("hi")
    assert json.loads(end.text)["outcome"]["optionId"] == "reject"


async def test_a_turn_has_no_bound_while_a_person_is_asked_and_what_was_left_of_it_after(
    tmp_path: Path,
) -> None:
    bounds: list[float | None] = []

    async def ask(_: Proposal) -> PermissionAnswer:
        bounds.append(session.session._bound.when())
        return PermissionAnswer.ONCE

    def heard(event: AgentEvent) -> None:
        if event.kind == "permission" and session.session._bound is not None:
            bounds.append(session.session._bound.when())

    async with open_program(
        tmp_path, "asks_permission", heard=heard, permission="ask", on_permission=ask
    ) as session:
        await session.prompt("hi")
    before, meanwhile, after = bounds
    assert before is not None
    assert meanwhile is None
    assert after is not None
    assert after >= before


async def test_a_question_that_fails_denies(tmp_path: Path) -> None:
    async def ask(_: Proposal) -> PermissionAnswer:
        raise OSError("the inbox is gone")

    async with open_program(tmp_path, "asks_permission", permission="ask", on_permission=ask) as session:
        end = await session.prompt("hi")
    assert json.loads(end.text)["outcome"]["optionId"] == "reject"


async def test_cancelling_a_turn_answers_an_open_question_as_cancelled(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def ask(_: Proposal) -> PermissionAnswer:
        asked.set()
        await asyncio.Event().wait()
        return PermissionAnswer.ONCE

    async with open_program(tmp_path, "asks_permission", permission="ask", on_permission=ask) as session:
        prompt = asyncio.create_task(session.prompt("hi"))
        await asked.wait()
        await session.cancel()
        end = await prompt
    assert json.loads(end.text) == {"outcome": {"outcome": "cancelled"}}
    assert end.stop in (StopKind.CANCELLED, StopKind.END_TURN)
