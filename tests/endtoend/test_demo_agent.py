"""The demo agent as the real program it is: real git, real tests, real MCP, real ACP."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from symphony.agent import AcpAgents, AgentError
from symphony.agent.demo.tools import Server, call_tool
from symphony.core.agent import McpServer, StopKind
from symphony.core.issue import Issue
from symphony.core.ports import SandboxSpec, Session
from symphony.core.states import StateRole
from symphony.core.steering import SteeringRequest
from symphony.core.transition import Exits, Target
from symphony.mcp_server.gate import Gate
from symphony.mcp_server.socket_folder import SocketFolder
from symphony.sandbox.guest import write_guest_kit
from symphony.sandbox.local import LocalDriver
from symphony.workflow.continuation import continuation_prompt, reply_prompt
from tests.agents.harness import BOUND, PATIENT, Heard, Reports, make_spec, open_listener
from tests.support.guest_tools import find
from tests.support.sockets import short_folder
from tests.support.world import NOON

GREETER = "def greet(name):\n    return 'Hello'\n"
TEST = """\
import unittest

from greeter import greet


class Greets(unittest.TestCase):
    def test_greets_by_name(self):
        self.assertIn("Ada", greet("Ada"))
"""
NO_IDENTITY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
FIX = """\
You are working on the issue `1`: Greet people by name

`greet()` forgets the name.

Test: python3 -m unittest -q

```replace greeter.py
<<<<
    return 'Hello'
====
    return f'Hello, {name}'
>>>>
```
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git project with a test that fails."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "greeter.py").write_text(GREETER)
    (folder / "test_greeter.py").write_text(TEST)
    git(folder, "init", "-q", "-b", "agent/1")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "Start")
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@asynccontextmanager
async def open_demo(project: Path, reports: Reports, heard: Heard | None = None) -> AsyncIterator[Session]:
    """Open a session with the demo agent, with symphony's real endpoint behind real HTTP."""
    url: list[str] = [""]
    gate = Gate(lambda: url[0])
    async with open_listener(gate) as listener:
        url[0] = listener.url
        async with (
            asyncio.timeout(BOUND * 2),
            gate.admit("1", reports) as access,
            LocalDriver().open_sandbox(SandboxSpec(project, NO_IDENTITY)) as sandbox,
        ):
            server = McpServer(
                "symphony", url=access.url, headers={"Authorization": f"Bearer {access.token}"}
            )
            spec = make_spec(project, None, server)
            async with AcpAgents(bounds=PATIENT).open_session(spec, sandbox, heard or Heard()) as session:
                yield session


def answered(question: str, reply: str) -> str:
    return reply_prompt(SteeringRequest("q1", "1", "1.1", question, "", NOON, reply, NOON))


async def test_it_fixes_what_the_issue_describes_commits_and_reports(project: Path) -> None:
    reports, heard = Reports(), Heard()
    async with open_demo(project, reports, heard) as session:
        assert reports.of("connected") == ["symphony-demo-agent 1"]
        end = await session.prompt(FIX)
    assert end.stop is StopKind.END_TURN
    assert (project / "greeter.py").read_text() == "def greet(name):\n    return f'Hello, {name}'\n"
    assert git(project, "log", "--format=%s|%an", "agent/1") == (
        "Greet people by name|symphony demo agent\nStart|a"
    )
    assert git(project, "status", "--porcelain") == ""
    assert reports.of("mark_done") == ["Greet people by name"]
    assert reports.details == [
        "Made the changes that the issue describes in greeter.py. "
        "`python3 -m unittest -q` failed before and passes now."
    ]
    assert heard.of("message")[0].startswith("I am symphony's demo agent. I have no model")
    assert "python3 -m unittest -q (in_progress)" in heard.of("tool_call")
    assert "Edit greeter.py (completed)" in heard.of("tool_call")
    assert "Find greet (in_progress)" in heard.of("tool_call")
    assert "plan 6/6 done" in heard.of("plan")


async def test_it_reports_no_usage_since_it_has_none(project: Path) -> None:
    heard = Heard()
    async with open_demo(project, Reports(), heard) as session:
        await session.prompt(FIX)
    assert heard.of("usage") == []


async def test_it_asks_when_the_issue_says_so_and_uses_the_reply(project: Path) -> None:
    reports = Reports()
    issue = FIX.replace("Hello, {name}", "@REPLY@, {name}") + "\nAsk: Which greeting is wanted?\n"
    async with open_demo(project, reports) as session:
        await session.prompt(issue)
        assert reports.of("ask") == ["Which greeting is wanted?"]
        assert reports.details == ["The issue says to ask this before any work."]
        assert git(project, "status", "--porcelain") == ""
        await session.prompt(answered("Which greeting is wanted?", "Good day"))
    assert "return f'Good day, {name}'" in (project / "greeter.py").read_text()
    assert reports.of("mark_done") == ["Greet people by name"]


async def test_a_fresh_session_that_knows_the_reply_does_not_ask_again(project: Path) -> None:
    reports = Reports()
    issue = FIX.replace("Hello, {name}", "@REPLY@, {name}") + "\nAsk: Which greeting is wanted?\n"
    async with open_demo(project, reports) as session:
        await session.prompt(f"{issue}\n{answered('Which greeting is wanted?', 'Welcome')}")
    assert reports.of("ask") == []
    assert "return f'Welcome, {name}'" in (project / "greeter.py").read_text()


async def test_it_says_that_the_tests_still_fail_and_takes_new_blocks_from_the_reply(project: Path) -> None:
    reports = Reports()
    wrong = FIX.replace("return f'Hello, {name}'", "return 'Good day'")
    async with open_demo(project, reports) as session:
        await session.prompt(wrong)
        question, context = reports.of("ask")[-1], reports.details[-1]
        assert question == (
            "I made the changes of the issue, and `python3 -m unittest -q` still fails (exit status 1)."
            " What is to be changed?"
        )
        assert "AssertionError" in (context or "")
        assert reports.of("mark_done") == []
        block = "```replace greeter.py\n<<<<\n'Good day'\n====\nf'Good day, {name}'\n>>>>\n```"
        await session.prompt(answered(question, f"Use this:\n\n{block}"))
    assert reports.of("mark_done") == ["Greet people by name"]


async def test_without_instructions_it_asks_instead_of_pretending(project: Path) -> None:
    reports = Reports()
    async with open_demo(project, reports) as session:
        await session.prompt("You are working on the issue `1`: Make it better\n\nPlease.\n")
    assert reports.of("ask")[0].startswith(
        "I found no change that I could make: the issue has no fenced block"
    )
    assert reports.of("mark_done") == []


async def test_an_old_text_that_is_not_there_is_asked_about_and_nothing_is_changed(project: Path) -> None:
    reports = Reports()
    issue = FIX.replace("    return 'Hello'\n====", "    return 'Bonjour'\n====")
    issue += "\n```file new.txt\nnew\n```\n"
    async with open_demo(project, reports) as session:
        await session.prompt(issue)
    assert reports.of("ask")[0] == (
        "I cannot make the change: in greeter.py the old text that starts with \"return 'Bonjour'\" is not"
        " there. What is to be changed instead?"
    )
    assert git(project, "status", "--porcelain") == ""


async def test_it_applies_a_diff_and_whole_files(project: Path) -> None:
    reports = Reports()
    issue = """\
# Add a farewell

```diff
--- a/greeter.py
+++ b/greeter.py
@@ -1,2 +1,2 @@
 def greet(name):
-    return 'Hello'
+    return 'Hello ' + name
```

```python pack/farewell.py
def part(name):
    return "Bye"
```
"""
    async with open_demo(project, reports) as session:
        await session.prompt(issue)
    assert git(project, "show", "--stat", "--format=%s", "HEAD").splitlines()[0] == "Add a farewell"
    assert git(project, "show", "HEAD:pack/farewell.py") == 'def part(name):\n    return "Bye"'
    assert "return 'Hello ' + name" in git(project, "show", "HEAD:greeter.py")
    assert reports.details[0].startswith(
        "Made the changes that the issue describes in pack/farewell.py, greeter.py."
    )


async def test_a_second_attempt_on_finished_work_commits_nothing_again(project: Path) -> None:
    for _ in range(2):
        reports = Reports()
        async with open_demo(project, reports) as session:
            await session.prompt(FIX)
        assert len(reports.of("mark_done")) == 1
    assert git(project, "rev-list", "--count", "HEAD") == "2"


async def test_it_passes_the_issue_on_when_it_is_told_where(project: Path) -> None:
    reports = Reports(Exits((Target("Review", StateRole.ACTIVE, "codex"),)))
    async with open_demo(project, reports) as session:
        await session.prompt(f"{FIX}\nTransition: Review\n")
    assert reports.of("mark_done") == []
    assert reports.of("transition") == ["Review"]
    assert reports.details == [
        "Made the changes that the issue describes in greeter.py. "
        "`python3 -m unittest -q` failed before and passes now."
    ]


async def test_an_edited_issue_goes_where_the_prompt_has_said(project: Path) -> None:
    reports = Reports(Exits((Target("Review", StateRole.ACTIVE, "codex"),)))
    issue = FIX.replace("Test: ", "Ask: Which one?\n\nTest: ")
    async with open_demo(project, reports) as session:
        await session.prompt(f"{issue}\nTransition: Review\n")
        described = FIX.partition("\n\n")[2]
        edited = Issue("1", "1", "Greet people by name", "Todo", Path("/1.md"), description=described)
        await session.prompt(continuation_prompt(edited, 2, 20, edited=True))
    assert reports.of("transition") == ["Review"]


async def test_it_says_that_its_issue_may_not_go_there(project: Path) -> None:
    async with open_demo(project, Reports()) as session:
        end = await session.prompt(f"{FIX}\nTransition: Review\n")
    assert end.text.endswith(
        "I could not pass the issue on: symphony's tools cannot be reached: ToolError: There is no tool "
        "'transition'. The tools are mark_done, request_human_steering, propose_issue."
    )


async def test_a_continuation_after_mark_done_is_answered_with_a_question(project: Path) -> None:
    reports = Reports()
    async with open_demo(project, reports) as session:
        await session.prompt(FIX)
        await session.prompt("Your `mark_done` does not count yet: a check fails.\n\nlint (exit status 1):\n")
    assert len(reports.of("mark_done")) == 1
    question, context = reports.of("ask")[-1], reports.details[-1]
    assert question.startswith("I have done all that the issue describes, and it is still open.")
    assert "a check fails" in (context or "")


async def test_a_path_out_of_the_workspace_is_refused(project: Path) -> None:
    (project / "link").symlink_to(project.parent)
    for path in ("../outside.txt", "/tmp/outside.txt", "link/outside.txt", ".git/config"):
        reports = Reports()
        async with open_demo(project, reports) as session:
            await session.prompt(f"# Out\n\n```file {path}\nx\n```\n")
        assert reports.of("mark_done") == []
        assert "What is to be changed instead?" in reports.of("ask")[0]
    assert not (project.parent / "outside.txt").exists()


async def test_cancel_ends_the_running_command_with_all_that_it_started(project: Path) -> None:
    heard = Heard()
    os.mkfifo(project / "pid")
    issue = FIX.replace("python3 -m unittest -q", "sleep 600 & echo $! > pid; wait")
    async with open_demo(project, Reports(), heard) as session:
        prompt = asyncio.create_task(session.prompt(issue))
        pid = int(await asyncio.to_thread((project / "pid").read_text))
        await session.cancel()
        assert (await prompt).stop is StopKind.CANCELLED
        assert not is_alive(pid)
        assert (await session.prompt("# Next\n\n```file a.txt\na\n```\n")).stop is StopKind.END_TURN


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_it_works_on_when_symphonys_tools_cannot_be_reached_and_says_so(project: Path) -> None:
    heard = Heard()
    server = McpServer("symphony", url="http://127.0.0.1:9/api/v1/issues/1/mcp")
    async with (
        asyncio.timeout(BOUND * 2),
        LocalDriver().open_sandbox(SandboxSpec(project)) as sandbox,
        AcpAgents(bounds=PATIENT).open_session(make_spec(project, None, server), sandbox, heard) as session,
    ):
        end = await session.prompt(FIX)
    assert end.text.startswith("I could not report that I am done: symphony's tools cannot be reached:")
    assert any(line.startswith("demo agent: cannot reach symphony's tools:") for line in heard.of("stderr"))


def test_its_format_is_documented_in_the_package() -> None:
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "import symphony.agent.demo as d, sys; print(d.__doc__, 'acp' in sys.modules)",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "```replace path/to/file" in shown
    assert shown.strip().endswith("False")


async def test_it_reports_over_a_stdio_server_as_well(project: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    program = Path(__file__).parents[1] / "agents" / "mcp_stdio.py"
    server = McpServer("symphony", command=sys.executable, args=(str(program), str(calls)))
    async with (
        asyncio.timeout(BOUND * 2),
        LocalDriver().open_sandbox(SandboxSpec(project, NO_IDENTITY)) as sandbox,
        AcpAgents(bounds=PATIENT).open_session(make_spec(project, None, server), sandbox, Heard()) as session,
    ):
        await session.prompt(FIX)
    assert [json.loads(line)["name"] for line in calls.read_text().splitlines()] == ["mark_done"]


async def test_sigterm_ends_it_in_the_middle_of_a_turn(project: Path) -> None:
    os.mkfifo(project / "pid")
    issue = FIX.replace("python3 -m unittest -q", "echo $PPID > pid; sleep 600")
    async with open_demo(project, Reports()) as session:
        prompt = asyncio.create_task(session.prompt(issue))
        agent = psutil.Process(int(await asyncio.to_thread((project / "pid").read_text)))
        agent.terminate()
        with pytest.raises(AgentError) as caught:
            await prompt
    assert caught.value.code == "agent.exited"


def oldest_python() -> Path:
    """Return a Python 3.9, which the one file promises to run on; without one the test is skipped."""
    installed = sorted((Path.home() / ".pyenv" / "versions").glob("3.9.*/bin/python3.9"))
    return installed[0] if installed else find("python3.9")


@pytest.mark.parametrize("oldest", [False, True], ids=["this python", "python 3.9"])
async def test_as_one_file_it_works_on_the_standard_library_alone_over_a_socket(
    project: Path, tmp_path: Path, oldest: bool
) -> None:
    python = oldest_python() if oldest else Path(sys.executable).resolve()
    kit = write_guest_kit(tmp_path / "kits")
    reports, heard = Reports(), Heard()
    with short_folder() as base:
        gate = Gate(lambda: "http://x", sockets=SocketFolder("t", base=base))
        async with (
            asyncio.timeout(BOUND * 2),
            gate.admit("1", reports, socket=True) as access,
            LocalDriver().open_sandbox(SandboxSpec(project, NO_IDENTITY)) as sandbox,
        ):
            server = McpServer("symphony", command="/bin/sh", args=(str(kit / "mcp"), str(access.socket)))
            command = shlex.join([str(python), "-I", "-S", "-W", "error", str(kit / "demo.pyz")])
            spec = make_spec(project, command, server)
            async with AcpAgents(bounds=PATIENT).open_session(spec, sandbox, heard) as session:
                assert reports.of("connected") == ["symphony-demo-agent 1"]
                await session.prompt(FIX)
    assert reports.of("mark_done") == ["Greet people by name"]
    assert git(project, "log", "--format=%s", "agent/1") == "Greet people by name\nStart"
    assert heard.of("stderr") == []


async def test_a_prompt_to_no_session_and_an_unknown_method_are_refused(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "symphony.agent.demo", stdin=-1, stdout=-1
    )

    async def ask(said: bytes) -> dict[str, Any]:
        process.stdin.write(said + b"\n")
        answer: dict[str, Any] = json.loads(await process.stdout.readline())
        return answer

    async with asyncio.timeout(BOUND):
        refusals = [
            await ask(
                b'{"jsonrpc": "2.0", "id": 1, "method": "session/prompt", "params": {"sessionId": "x"}}'
            ),
            await ask(b'{"jsonrpc": "2.0", "id": "2", "method": "fs/read"}'),
            await ask(b'{"jsonrpc": "2.0", "id": 3, "method": "session/new", "params": {"cwd": "/no/such"}}'),
            await ask(b'{"jsonrpc": "2.0", "id": 4, "method": "session/new"}'),
            await ask(b"{"),
        ]
        process.stdin.close()
        assert await process.wait() == 0
    assert [(each["id"], each["error"]["code"]) for each in refusals] == [
        (1, -32002),
        ("2", -32601),
        (3, -32602),
        (4, -32602),
        (None, -32700),
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 X\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone", "HTTP 404: gone"),
        (
            b"HTTP/1.1 200 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
            "did not answer with a JSON-RPC",
        ),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
    ],
    ids=["404", "no answer", "no http"],
)
async def test_an_endpoint_that_does_not_speak_mcp_is_told_on_stderr(
    project: Path, answer: bytes, reason: str
) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(say, "127.0.0.1", 0)
    heard, port = Heard(), listening.sockets[0].getsockname()[1]
    spec = make_spec(project, None, McpServer("symphony", url=f"http://127.0.0.1:{port}/mcp"))
    async with (
        asyncio.timeout(BOUND),
        listening,
        LocalDriver().open_sandbox(SandboxSpec(project)) as sandbox,
        AcpAgents(bounds=PATIENT).open_session(spec, sandbox, heard),
    ):
        await heard.until("stderr")
    assert reason in heard.of("stderr")[0]


async def test_an_answer_as_an_event_stream_is_understood(project: Path) -> None:
    def answer(said: dict[str, Any]) -> dict[str, Any]:
        result = {"tools": [], "content": [{"type": "text", "text": "Accepted."}]}
        return {"jsonrpc": "2.0", "id": said["id"], "result": result}

    calls = []

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        said = json.loads(await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0])))
        calls.append((said["method"], b"mcp-session-id: s7" in head))
        body = b""
        if "id" in said:
            note = b'data: {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}\r\n\r\n'
            body = note + b"event: message\r\ndata: " + json.dumps(answer(said)).encode() + b"\r\n\r\n"
        kind = b"Content-Type: text/event-stream\r\nMcp-Session-Id: s7\r\n"
        writer.write(b"HTTP/1.1 200 X\r\n" + kind + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(say, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server = Server(url=f"http://127.0.0.1:{port}/mcp")
    async with asyncio.timeout(BOUND), listening:
        assert (await call_tool(server, "mark_done", {})).text == "Accepted."
    assert calls == [("initialize", False), ("notifications/initialized", True), ("tools/call", True)]
