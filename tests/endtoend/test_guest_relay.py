"""The guest kit's `mcp` with each program that can carry it, on dash and busybox."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from symphony.mcp_server.gate import Gate
from symphony.mcp_server.socket_folder import SocketFolder
from symphony.sandbox.guest import GUEST_KIT, GUEST_MCP, GUEST_SOCKET, write_guest_kit
from tests.agents.harness import Reports
from tests.support.guest_tools import find, shell
from tests.support.sockets import short_folder

BOUND = 90.0
BIG = 5_000_000
CARRIERS = ("socat", "python3", "node", "perl")


@pytest.fixture
def base() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    return write_guest_kit(tmp_path / "kits")


@pytest.fixture(params=["dash", "busybox"])
def sh(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return shell(request.param)


@pytest.fixture(params=CARRIERS)
def carrier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A PATH with this one program in it."""
    return only(tmp_path, request.param)


def only(tmp_path: Path, *names: str) -> Path:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in names:
        program = Path(sys.executable).resolve() if name == "python3" else find(name)
        (tools / name).symlink_to(program)
    return tools


@pytest.fixture
async def relay(sh: tuple[str, ...], kit: Path, base: Path) -> AsyncIterator[Callable]:
    started: list[asyncio.subprocess.Process] = []

    async def relay(tools: Path) -> asyncio.subprocess.Process:
        arguments = (f"{kit}/mcp", str(base / "s"))
        process = await asyncio.create_subprocess_exec(
            *sh, *arguments, stdin=-1, stdout=-1, stderr=-1, env={"PATH": str(tools)}, limit=2 * BIG
        )
        started.append(process)
        return process

    yield relay
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def answering(base: Path, answer: Callable) -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(answer, base / "s", limit=2 * BIG)
    try:
        yield
    finally:
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def by_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def owe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer only after the end, all that was said, backwards."""
    said = await reader.read(-1)
    writer.write(said[::-1])
    await writer.drain()
    writer.close()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"bye")
    await writer.drain()
    writer.close()


class TestEveryCarrier:
    async def test_both_sides_may_send_at_once(self, relay: Callable, carrier: Path, base: Path) -> None:
        said = os.urandom(BIG)
        async with answering(base, echo):
            process = await relay(carrier)
            heard, complaint = await process.communicate(said)
        assert (complaint, len(heard), heard == said) == (b"", BIG, True)

    async def test_a_line_of_five_megabytes_comes_back_byte_for_byte(
        self, relay: Callable, carrier: Path, base: Path
    ) -> None:
        line = os.urandom(BIG).replace(b"\n", b"\0") + b"\n"
        async with answering(base, by_line):
            process = await relay(carrier)
            process.stdin.write(line)
            heard = await process.stdout.readline()
            assert (len(heard), heard == line) == (len(line), True)
            process.stdin.write(b"and\n")
            assert await process.stdout.readline() == b"and\n"
            assert await process.communicate(b"") == (b"", b"")
        assert process.returncode == 0

    async def test_answers_that_are_due_when_stdin_ends_still_come(
        self, relay: Callable, carrier: Path, base: Path
    ) -> None:
        said = os.urandom(BIG)
        async with answering(base, owe):
            process = await relay(carrier)
            heard, complaint = await process.communicate(said)
            assert (complaint, len(heard), heard == said[::-1]) == (b"", BIG, True)
        assert process.returncode == 0

    async def test_stdout_ends_when_the_host_hangs_up(
        self, relay: Callable, carrier: Path, base: Path
    ) -> None:
        async with answering(base, hang_up):
            process = await relay(carrier)
            assert await process.stdout.read() == b"bye"
            process.stdin.close()
            assert await process.wait() == 0

    async def test_a_socket_that_nobody_serves_is_an_error_with_its_reason(
        self, relay: Callable, carrier: Path, base: Path
    ) -> None:
        async with answering(base, echo):
            pass
        if not (base / "s").exists():  # newer Pythons remove it
            os.mknod(base / "s", 0o140600)
        process = await relay(carrier)
        said, complaint = await process.communicate(b"")
        assert (said, process.returncode) == (b"", 1)
        assert b"refused" in complaint.lower()

    async def test_an_agents_mcp_client_works_through_it(
        self, sh: tuple[str, ...], kit: Path, carrier: Path, base: Path
    ) -> None:
        gate, reports = Gate(lambda: "http://x", sockets=SocketFolder("t", base=base)), Reports()
        async with asyncio.timeout(BOUND), gate.admit("1", reports, socket=True) as access:
            command, *arguments = (*sh, f"{kit}/mcp", str(access.socket))
            server = StdioServerParameters(command=command, args=arguments, env={"PATH": str(carrier)})
            async with Client(server, mode="legacy") as client:
                assert len((await client.list_tools()).tools) == 3
                result = await client.call_tool("mark_done", {"title": "T", "summary": "S"})
        assert result.content[0].text == "Accepted."
        assert reports.of("mark_done") == ["T"]


async def test_without_any_carrier_it_says_what_to_install(
    relay: Callable, tmp_path: Path, base: Path
) -> None:
    async with answering(base, echo):
        process = await relay(only(tmp_path))
        said, complaint = await process.communicate(b"")
    assert (said, process.returncode) == (b"", 69)
    assert complaint == (
        b"symphony-mcp: this image has none of socat, python3, node and perl: install one of them\n"
    )


async def test_without_the_socket_it_says_that_the_dispatch_has_ended(
    relay: Callable, tmp_path: Path
) -> None:
    process = await relay(only(tmp_path))
    said, complaint = await process.communicate(b"")
    assert (said, process.returncode) == (b"", 66)
    assert b"there is no socket" in complaint


def test_the_scripts_socket_is_the_one_that_the_driver_mounts(kit: Path) -> None:
    assert ("/bin/sh", f"{GUEST_KIT}/mcp") == GUEST_MCP
    assert f"socket=${{1:-{GUEST_SOCKET}}}" in (kit / "mcp").read_text()
