"""A dispatch's socket [CONTRACT 6.1]: framing, several clients, and what hostile ones cost."""

import asyncio
import json
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from symphony.core.errors import SymphonyError
from symphony.mcp_server import socket_client, socket_server
from symphony.mcp_server.gate import Gate
from symphony.mcp_server.socket_folder import SocketFolder, open_socket_folder
from symphony.mcp_server.socket_server import CONNECTIONS_LIMIT, MACHINE_USERS_FROM, is_welcome
from tests.contract.test_mcp_endpoint import BOUND, MIB, Reports
from tests.support.sockets import short_folder

CALL = {"name": "mark_done", "arguments": {"title": "t", "summary": "s"}}
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "codex", "version": "3"},
}


class Client:
    """One connection, as an agent's MCP client has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def say_forever(self, data: bytes) -> None:
        while True:
            await self.say(data)

    async def ask(self, method: str, params: Any = None, identity: int | str = 1) -> None:
        message = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params or {}}
        await self.say(json.dumps(message).encode() + b"\n")

    async def hear(self) -> Any:
        return json.loads(await self.reader.readline())

    async def answer(self, method: str, params: Any = None, identity: int | str = 1) -> Any:
        await self.ask(method, params, identity)
        return await self.hear()

    async def initialize(self) -> None:
        assert "result" in await self.answer("initialize", HELLO)
        await self.say(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')

    async def rest(self) -> bytes:
        return await self.reader.read()


@pytest.fixture
def base() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_unix_connection(path, limit=4 * MIB)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def served(base: Path, reports: Reports, **bounds: float) -> AsyncIterator[Path]:
    """Serve one dispatch; yield its socket."""
    gate = Gate(lambda: "http://x", sockets=SocketFolder("test", base=base), **bounds)
    async with asyncio.timeout(BOUND * 2), gate.admit("1", reports, socket=True) as access:
        assert access.socket is not None
        yield access.socket


PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'


async def still_answers(client: Client) -> bool:
    return await client.answer("ping", identity="still") == {"jsonrpc": "2.0", "id": "still", "result": {}}


class TestTheFraming:
    async def test_each_line_is_a_message_and_each_answer_is_a_line(self, base: Path) -> None:
        reports = Reports()
        async with served(base, reports) as path, connected(path) as client:
            await client.initialize()
            assert len((await client.answer("tools/list"))["result"]["tools"]) == 3
            answer = await client.answer("tools/call", CALL, "a")
            assert (answer["id"], answer["result"]["content"][0]["text"]) == ("a", "Accepted. t")
        assert reports.told == [("connected", "codex 3"), ("mark_done", "t", "s")]

    async def test_many_requests_may_be_in_one_write_and_one_in_many(self, base: Path) -> None:
        async with served(base, Reports()) as path, connected(path) as client:
            await client.say(PING * 50 + b"\r\n  \n" + PING[:20])
            assert [(await client.hear())["result"] for _ in range(50)] == [{}] * 50
            await client.say(PING[20:])
            assert (await client.hear())["result"] == {}

    async def test_a_hundred_calls_at_once_each_get_their_own_answer(self, base: Path) -> None:
        reports = Reports(holds=True)
        async with served(base, reports) as path, connected(path) as client:
            await client.initialize()
            for number in range(100):
                call = {"name": "mark_done", "arguments": {"title": f"t{number}", "summary": "s"}}
                await client.ask("tools/call", call, number)
            await reports.began.wait()
            reports.release.set()
            answers = [await client.hear() for _ in range(100)]
        told = {answer["id"]: answer["result"]["content"][0]["text"] for answer in answers}
        assert told == {number: f"Accepted. t{number}" for number in range(100)}

    async def test_a_client_that_closes_its_half_gets_what_it_is_owed_and_then_the_end(
        self, base: Path
    ) -> None:
        reports = Reports(holds=True)
        async with served(base, reports) as path, connected(path) as client:
            await client.initialize()
            await client.ask("tools/call", CALL)
            client.writer.write_eof()
            await reports.began.wait()
            reports.release.set()
            assert json.loads(await client.rest())["result"]["isError"] is False

    async def test_a_last_line_without_its_end_is_read(self, base: Path) -> None:
        async with served(base, Reports()) as path, connected(path) as client:
            await client.say(PING.rstrip())
            client.writer.write_eof()
            assert json.loads(await client.rest())["result"] == {}

    async def test_several_clients_and_one_that_comes_again_share_the_dispatch(self, base: Path) -> None:
        reports = Reports()
        async with served(base, reports) as path:
            for _ in range(2):
                async with connected(path) as one, connected(path) as other:
                    for client in (one, other):
                        await client.initialize()
                        await client.answer("tools/call", CALL)
        assert len(reports.calls) == 4

    async def test_a_cancelled_request_is_answered_as_such(self, base: Path) -> None:
        reports = Reports(holds=True)
        async with served(base, reports) as path, connected(path) as client:
            await client.initialize()
            await client.ask("tools/call", CALL, "x")
            await reports.began.wait()
            told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "x"}}
            await client.say(json.dumps(told).encode() + b"\n")
            assert (await client.hear())["error"]["code"] == -32800
            reports.release.set()


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("line", "code", "message"),
        [
            (b"{", -32700, "The request body is not JSON."),
            (b'{"a": NaN}', -32700, "The request body is not JSON."),
            (b"\xff\xfe\x00", -32700, "The request body is not JSON."),
            (b"[" * 100_000, -32700, "The request body is not JSON."),
            (b"GET / HTTP/1.1", -32700, "The request body is not JSON."),
            (b"[" + PING.strip() + b"]", -32600,
             "JSON-RPC batches are not accepted: send one message per request."),
            (b'"ping"', -32600, "The request body is not a JSON-RPC message."),
            (b'{"method": "ping"}', -32600, "The request body is not a JSON-RPC message."),
            (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600,
             "The request body is not a JSON-RPC message."),
        ],
        ids=["cut", "nan", "bytes", "deep", "http", "batch", "text", "no version", "null id"],
    )  # fmt: skip
    async def test_what_is_no_message_is_answered_and_the_connection_goes_on(
        self, base: Path, line: bytes, code: int, message: str
    ) -> None:
        async with served(base, Reports()) as path, connected(path) as client:
            await client.say(line + b"\n")
            assert await client.hear() == {
                "jsonrpc": "2.0",
                "id": None,
                "error": {"code": code, "message": message},
            }
            assert await still_answers(client)

    async def test_half_a_line_at_the_end_is_answered_as_no_json(self, base: Path) -> None:
        async with served(base, Reports()) as path, connected(path) as client:
            await client.say(PING[:-10])
            client.writer.write_eof()
            assert json.loads(await client.rest())["error"]["code"] == -32700

    async def test_a_line_of_1_mib_is_read_and_a_longer_one_is_answered_once(self, base: Path) -> None:
        async with served(base, Reports()) as path, connected(path) as client:
            await client.say(PING.strip().ljust(MIB) + b"\n")
            assert (await client.hear())["result"] == {}
            for size in (MIB + 1, 5_000_000):
                await client.say(b"x" * size + b"\n")
                assert (await client.hear())["error"] == {
                    "code": -32600,
                    "message": "The request is larger than 1 MiB.",
                }
            assert await still_answers(client)

    async def test_an_endless_line_is_taken_in_and_not_kept(self, base: Path) -> None:
        async with served(base, Reports()) as path, connected(path) as client:
            before = psutil.Process().memory_info().rss
            for _ in range(64):
                await client.say(b"x" * MIB)
            assert psutil.Process().memory_info().rss - before < 24 * MIB
            client.writer.write_eof()
            assert json.loads(await client.rest())["error"]["message"] == "The request is larger than 1 MiB."

    async def test_a_refused_request_keeps_its_id_and_a_refused_notification_gets_no_answer(self) -> None:
        refused = socket_client.too_many()
        assert json.loads(socket_client.as_line({"id": 7, "method": "ping"}, refused)) == {
            "jsonrpc": "2.0",
            "id": 7,
            "error": {"code": -32000, "message": refused.message},
        }
        assert socket_client.as_line({"method": "notifications/progress"}, refused) == b""

    async def test_more_than_one_client_may_hold_is_refused_and_goes_on_when_answers_came(
        self, base: Path
    ) -> None:
        reports = Reports(holds=True)
        async with served(base, reports) as path, connected(path) as client:
            await client.initialize()
            call = {"jsonrpc": "2.0", "method": "tools/call", "params": CALL}
            for number in range(6):
                await client.say(json.dumps({**call, "id": number}).encode().ljust(MIB - 1) + b"\n")
            refused = [await client.hear() for _ in range(4)]
            assert [(answer["id"], answer["error"]["code"]) for answer in refused] == [
                (number, -32000) for number in (2, 3, 4, 5)
            ]
            async with connected(path) as other:
                assert await still_answers(other)
            reports.release.set()
            assert sorted([(await client.hear())["id"] for _ in range(2)]) == [0, 1]
            assert await still_answers(client)

    async def test_a_client_that_never_reads_is_cut_off_and_the_others_are_served(
        self, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket_client, "WRITE_BOUND_S", 0.2)
        async with served(base, Reports()) as path, connected(path) as deaf, connected(path) as other:
            before = psutil.Process().memory_info().rss
            deaf.reader._transport.pause_reading()
            await deaf.say(b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n' * 1000)
            assert await still_answers(other)
            with pytest.raises(ConnectionError):
                await deaf.say_forever(b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n' * 100)
            assert psutil.Process().memory_info().rss - before < 64 * MIB
            assert await still_answers(other)

    async def test_three_hundred_connections_are_answered_or_refused(self, base: Path) -> None:
        async with served(base, Reports()) as path:
            clients = [Client(*await asyncio.open_unix_connection(path)) for _ in range(300)]
            outcomes = []
            for number, client in enumerate(clients):
                if number < CONNECTIONS_LIMIT:
                    outcomes.append(await client.answer("ping"))
                else:
                    outcomes.append(json.loads(await client.rest()))
            assert [("result" in each) for each in outcomes] == [True] * 32 + [False] * 268
            assert outcomes[-1]["error"]["message"] == "Too many connections: close others first."
            for client in clients:
                client.writer.close()
                await asyncio.gather(client.writer.wait_closed(), return_exceptions=True)
            async with connected(path) as fresh:
                assert await still_answers(fresh)

    async def test_a_client_that_vanishes_takes_nothing_with_it(self, base: Path) -> None:
        reports = Reports(holds=True)
        async with served(base, reports) as path:
            async with connected(path) as client:
                await client.initialize()
                await client.ask("tools/call", CALL)
                await reports.began.wait()
                client.writer.transport.abort()
            reports.release.set()
            await reports.done.wait()
            async with connected(path) as fresh:
                assert await still_answers(fresh)
        assert reports.calls == [("mark_done", "t", "s")]


class TestTheEndOfTheDispatch:
    async def test_the_file_is_gone_and_connections_end(self, base: Path) -> None:
        async with asyncio.timeout(BOUND):
            async with served(base, Reports()) as path, connected(path) as client:
                assert await still_answers(client)
                rest = asyncio.create_task(client.rest())
            assert await rest == b""
            assert not path.exists()
            with pytest.raises(OSError, match="No such file"):
                await asyncio.open_unix_connection(path)

    async def test_the_answer_to_the_call_that_ends_it_arrives(self, base: Path) -> None:
        reports = Reports(holds=True)
        reader: asyncio.StreamReader
        async with served(base, reports) as path:
            reader, writer = await asyncio.open_unix_connection(path)
            client = Client(reader, writer)
            await client.initialize()
            await client.ask("tools/call", CALL)
            await reports.began.wait()
            reports.release.set()
        assert json.loads(await reader.read())["result"]["content"][0]["text"] == "Accepted. t"
        writer.close()

    async def test_a_call_that_hangs_is_cancelled_and_told_that_nothing_runs(self, base: Path) -> None:
        reports = Reports(holds=True)
        async with served(base, reports, grace_s=0.05) as path:
            client = Client(*await asyncio.open_unix_connection(path))
            await client.initialize()
            await client.ask("tools/call", CALL)
            await reports.began.wait()
        assert json.loads(await client.rest())["error"]["code"] == -32000
        assert reports.cancelled == 1
        client.writer.close()

    async def test_the_socket_of_one_dispatch_says_nothing_for_another(self, base: Path) -> None:
        gate = Gate(lambda: "http://x", sockets=SocketFolder("test", base=base))
        one, other = Reports(), Reports()
        async with (
            asyncio.timeout(BOUND),
            gate.admit("1", one, socket=True) as first,
            gate.admit("2", other, socket=True) as second,
        ):
            assert first.socket != second.socket
            async with connected(first.socket) as client:
                await client.initialize()
                await client.answer("tools/call", CALL)
        assert (len(one.calls), len(other.calls)) == (1, 0)

    async def test_a_dispatch_without_the_wish_has_no_socket(self, base: Path) -> None:
        gate = Gate(lambda: "http://x", sockets=SocketFolder("test", base=base))
        async with gate.admit("1", Reports()) as access:
            assert access.socket is None
        assert list(base.iterdir()) == []


class TestTheFolder:
    def test_a_path_is_short_and_says_nothing(self, base: Path) -> None:
        folder = SocketFolder("test", base=base)
        paths = {folder.new_path() for _ in range(50)}
        assert len(paths) == 50
        assert all(len(os.fsencode(path)) <= 103 for path in paths)

    def test_only_this_user_gets_in_or_as_root_whoever_knows_the_name(
        self, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = os.geteuid()
        for user, mode in ((0, 0o711), (1000, 0o700)):
            monkeypatch.setattr(os, "geteuid", lambda user=user: user)
            path = SocketFolder(f"test {user}", base=base).new_path()
            monkeypatch.setattr(os, "geteuid", lambda: own)
            assert stat.S_IMODE(path.parent.stat().st_mode) == mode

    async def test_the_socket_itself_is_open_to_a_machine_of_roots_daemon_alone(self, base: Path) -> None:
        async with served(base, Reports()) as path:
            mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o666 if os.geteuid() == 0 else 0o600)

    def test_other_users_of_the_host_are_no_machines(self) -> None:
        assert is_welcome(0, 0)
        assert is_welcome(MACHINE_USERS_FROM, 0)
        assert not is_welcome(1000, 0)
        assert is_welcome(1000, 1000)
        assert not is_welcome(1001, 1000)
        assert not is_welcome(MACHINE_USERS_FROM, 1000)

    async def test_a_stranger_is_turned_away_without_a_word(
        self, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket_server, "user_of", lambda _: 1234567)
        async with served(base, Reports()) as path, connected(path) as client:
            heard = await asyncio.gather(client.say(PING), client.rest(), return_exceptions=True)
            assert heard[1] == b"" or isinstance(heard[1], ConnectionError)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
    async def test_a_machines_user_can_connect_and_another_user_cannot(self, base: Path) -> None:
        program = (
            "import os, socket, sys; os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]));"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            "s.sendall(sys.argv[3].encode() + b'\\n'); s.shutdown(socket.SHUT_WR);"
            "print(s.recv(9999).decode(), end='')"
        )
        async with served(base, Reports()) as path:
            said = []
            for user in (MACHINE_USERS_FROM + 3, 1000):
                arguments = (str(path), str(user), PING.decode().strip())
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-I", "-S", "-c", program, *arguments, stdout=-1, stderr=-1
                )
                said.append((await process.communicate())[0])
        assert json.loads(said[0])["result"] == {}
        assert said[1] == b""

    def test_leftovers_of_the_same_installation_go_and_others_stay(self, base: Path) -> None:
        dead, other = SocketFolder("mine", base=base), SocketFolder("theirs", base=base)
        bind_at(dead.new_path())
        kept = other.new_path().parent
        (base / "symphony-link").symlink_to(kept)
        fresh = SocketFolder("mine", base=base)
        own = fresh.new_path().parent
        assert fresh.sweep() == (f"sockets in {dead._folder}",)
        assert sorted(base.iterdir()) == sorted([own, kept, base / "symphony-link"])
        assert fresh.sweep() == ()

    def test_a_link_in_the_place_of_a_leftover_is_not_followed(self, base: Path) -> None:
        dead = SocketFolder("mine", base=base)
        (base / "treasure").mkdir()
        (base / "treasure" / "kept").write_text("x")
        (base / f"{dead._prefix}planted").symlink_to(base / "treasure")
        assert SocketFolder("mine", base=base).sweep() == ()
        assert (base / "treasure" / "kept").exists()

    def test_the_daemons_own_folder_goes_with_it(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(base))
        with open_socket_folder("mine", {}) as folder:
            bind_at(folder.new_path())
            assert len(list(base.iterdir())) == 1
        assert list(base.iterdir()) == []

    def test_a_folder_that_was_cleaned_away_is_made_again(self, base: Path) -> None:
        folder = SocketFolder("mine", base=base)
        folder.new_path().parent.rmdir()
        assert folder.new_path().parent.is_dir()

    def test_the_users_runtime_folder_comes_first_and_never_for_root(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for user, first in ((1000, "/run/user/1000"), (0, "/elsewhere")):
            monkeypatch.setattr(os, "geteuid", lambda user=user: user)
            monkeypatch.setattr("tempfile.tempdir", "/elsewhere")
            folder = SocketFolder("x", {"XDG_RUNTIME_DIR": "/run/user/1000"})
            assert str(folder._bases[0]) == first

    def test_where_no_folder_will_do_the_error_says_what_to_set(self, base: Path) -> None:
        deep = base / ("x" * 90)
        deep.mkdir()
        with pytest.raises(SymphonyError, match="Set TMPDIR to a short path") as caught:
            SocketFolder("x", base=deep).new_path()
        assert caught.value.code == "mcp.no_socket_folder"
        with pytest.raises(SymphonyError, match="cannot be written to"):
            SocketFolder("x", base=base / "missing").new_path()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only a root daemon's machines are other users")
    def test_root_passes_over_a_folder_that_keeps_a_machines_user_out(self, base: Path) -> None:
        base.chmod(0o700)
        with pytest.raises(SymphonyError, match="keep the machine's user out"):
            SocketFolder("x", base=base).new_path()


def bind_at(path: Path) -> None:
    """Leave a socket behind, as a daemon that was killed does."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
