"""The listener itself: opening, closing, and what arrives too large, too slow or broken."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from symphony.web.errors import WebError
from symphony.web.listener import Bounds, open_listener, url_of
from symphony.web.requests import BODY_LIMIT_BYTES
from tests.web.support import BOUND, JSON, Client, Daemon, Door, read_answer, request, send, surface_of

QUICK = Bounds(body_s=0.2, idle_s=0.2, unread_s=0.2, close_s=0.2)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class TestOpening:
    async def test_a_free_port_is_taken_and_named(self, daemon: Daemon, door: Door) -> None:
        async with open_listener(surface_of(daemon, door), host="127.0.0.1", port=0, token=None) as listener:
            assert listener.port > 0
            assert listener.url == f"http://127.0.0.1:{listener.port}"

    async def test_localhost_is_one_address_with_one_port(self, daemon: Daemon, door: Door) -> None:
        async with open_listener(surface_of(daemon, door), host="localhost", port=0, token=None) as listener:
            assert listener.url == f"http://127.0.0.1:{listener.port}"

    @pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
    @pytest.mark.parametrize("host", ["::1", "[::1]"])
    async def test_ipv6_is_written_in_brackets(self, daemon: Daemon, door: Door, host: str) -> None:
        async with open_listener(surface_of(daemon, door), host=host, port=0, token=None) as listener:
            assert listener.url == f"http://[::1]:{listener.port}"

    def test_a_listener_on_every_address_is_reached_on_loopback(self) -> None:
        assert url_of("0.0.0.0", 80) == "http://127.0.0.1:80"
        assert url_of("::", 80) == "http://[::1]:80"

    async def test_a_port_in_use_is_named_with_the_remedy(self, daemon: Daemon, door: Door) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(WebError) as refused:
                async with open_listener(surface_of(daemon, door), host="127.0.0.1", port=port, token=None):
                    pass
        assert refused.value.code == "port_in_use"
        assert str(refused.value) == (
            f"127.0.0.1:{port} is in use by another program. "
            "Stop that program, set another server.port, or use `--port 0` for a free one."
        )

    @pytest.mark.parametrize("host", ["192.0.2.7", "a..b", "not an address"])
    async def test_an_address_of_another_machine_is_refused(
        self, daemon: Daemon, door: Door, host: str
    ) -> None:
        with pytest.raises(WebError) as refused:
            async with open_listener(surface_of(daemon, door), host=host, port=0, token="t"):
                pass
        assert refused.value.code == "address_unavailable"
        assert str(refused.value) == (
            f"server.host {host} is not an address of this machine. "
            "Set server.host in WORKFLOW.md to 127.0.0.1."
        )

    async def test_the_port_is_free_again_after_closing(self, daemon: Daemon, door: Door) -> None:
        async with open_listener(surface_of(daemon, door), host="127.0.0.1", port=0, token=None) as listener:
            assert (await Client(listener.port).ask("GET", "/healthz")).status == 200
        async with open_listener(
            surface_of(daemon, door), host="127.0.0.1", port=listener.port, token=None
        ) as again:
            assert again.port == listener.port


class TestClosing:
    async def test_idle_connections_do_not_delay_it(self, daemon: Daemon, door: Door) -> None:
        bounds = Bounds(close_s=10 * BOUND)
        async with asyncio.timeout(BOUND):
            listening = open_listener(
                surface_of(daemon, door), host="127.0.0.1", port=0, token=None, bounds=bounds
            )
            async with listening as listener:
                reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                writer.write(request("GET", "/healthz", {"Host": "localhost"}))
                assert (await read_answer(reader)).status == 200
                _, silent = await asyncio.open_connection("127.0.0.1", listener.port)
            assert await reader.read() == b""
            writer.close()
            silent.close()

    async def test_a_request_under_way_is_answered(self, daemon: Daemon, door: Door) -> None:
        daemon.holds = True
        async with asyncio.TaskGroup() as group:
            listening = open_listener(surface_of(daemon, door), host="127.0.0.1", port=0, token=None)
            async with listening as listener:
                answer = group.create_task(Client(listener.port).ask("POST", "/api/v1/issues/7/retry"))
                await asyncio.wait_for(daemon.began.wait(), BOUND)
                daemon.release.set()
        assert answer.result().status == 202

    async def test_a_request_that_hangs_is_cut_off(self, daemon: Daemon, door: Door) -> None:
        daemon.holds = True
        async with asyncio.timeout(BOUND):
            listening = open_listener(
                surface_of(daemon, door), host="127.0.0.1", port=0, token=None, bounds=QUICK
            )
            async with listening as listener:
                reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                writer.write(request("POST", "/api/v1/issues/7/retry", {"Host": "localhost", **JSON}, b"{}"))
                await daemon.began.wait()
            assert await reader.read() == b""
            writer.close()
        assert daemon.asked == []


@pytest.fixture
async def quick(daemon: Daemon, door: Door) -> AsyncIterator[Client]:
    async with open_listener(
        surface_of(daemon, door), host="127.0.0.1", port=0, token=None, bounds=QUICK
    ) as listener:
        yield Client(listener.port)


class TestWhatArrives:
    @pytest.mark.parametrize("chunked", [True, False])
    async def test_a_body_over_1_mib_is_413(self, client: Client, chunked: bool) -> None:
        head = {"Host": "localhost", **JSON}
        for size in (BODY_LIMIT_BYTES + 1, 3 * BODY_LIMIT_BYTES):
            data = request("POST", "/api/v1/issues", head, b" " * size, chunked=chunked)
            answer = await send(client.port, data)
            assert answer.error == (413, "body_too_large", "The request is larger than 1 MiB.")

    @pytest.mark.parametrize("chunked", [True, False])
    async def test_a_body_of_1_mib_is_taken(self, client: Client, chunked: bool) -> None:
        body = b"{}".ljust(BODY_LIMIT_BYTES)
        data = request("POST", "/api/v1/refresh", {"Host": "localhost", **JSON}, body, chunked=chunked)
        assert (await send(client.port, data)).status == 202

    @pytest.mark.parametrize("chunked", [True, False])
    async def test_the_door_gets_no_more_of_a_huge_body_than_it_needs_to_refuse_it(
        self, client: Client, door: Door, chunked: bool
    ) -> None:
        body = b"x" * (3 * BODY_LIMIT_BYTES)
        data = request("POST", "/api/v1/issues/7/mcp", {"Host": "localhost"}, body, chunked=chunked)
        assert (await send(client.port, data)).status == 200
        assert [len(posted[2]) for posted in door.posted] == [BODY_LIMIT_BYTES + 1]

    @pytest.mark.parametrize("path", ["/api/v1/refresh", "/api/v1/issues/7/mcp"])
    async def test_half_a_body_is_408_and_the_end_of_the_connection(
        self, quick: Client, daemon: Daemon, door: Door, path: str
    ) -> None:
        head = {"Host": "localhost", "Content-Length": "10", **JSON}
        async with asyncio.timeout(BOUND):
            reader, writer = await asyncio.open_connection("127.0.0.1", quick.port)
            writer.write(request("POST", path, head, b"{"))
            answer = await read_answer(reader)
            expected = "The request's body did not arrive within 0.2 s. Send it again."
            assert answer.error == (408, "body_timeout", expected)
            assert await reader.read() == b""
            writer.close()
        assert (daemon.asked, door.posted) == ([], [])

    @pytest.mark.parametrize("sent", [b"", b"GET /api/v1/sta", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
    async def test_half_a_head_is_the_end_of_the_connection(self, quick: Client, sent: bytes) -> None:
        async with asyncio.timeout(BOUND):
            reader, writer = await asyncio.open_connection("127.0.0.1", quick.port)
            writer.write(sent)
            assert await reader.read() == b""
            writer.close()

    async def test_a_body_that_breaks_off_reaches_nobody(self, client: Client, daemon: Daemon) -> None:
        head = {"Host": "localhost", "Content-Length": "10", **JSON}
        _, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(request("POST", "/api/v1/refresh", head, b"{}"))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await client.ask("GET", "/healthz")).status == 200
        assert daemon.asked == []

    async def test_a_badly_chunked_body_is_400(self, client: Client, daemon: Daemon) -> None:
        head = b"POST /api/v1/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        answer = await send(client.port, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert answer.status == 400
        assert answer.json["error"]["code"] in {"bad_request", "invalid_body"}
        assert daemon.asked == []

    @pytest.mark.parametrize(
        "data",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"hello\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
            b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ],
        ids=["tls", "words", "long header", "long path"],
    )
    async def test_what_is_not_http_is_400_in_json(self, client: Client, data: bytes) -> None:
        answer = await send(client.port, data)
        assert answer.error == (400, "bad_request", "The request is not valid HTTP.")

    async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(self, client: Client) -> None:
        head = {"Host": "localhost", "Expect": "100-continue", "Content-Length": "2", **JSON}
        async with asyncio.timeout(BOUND):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
            writer.write(request("POST", "/api/v1/refresh", head))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"{}")
            assert (await read_answer(reader)).status == 202
            writer.close()

    async def test_an_unknown_expectation_is_not_met_and_does_no_harm(self, client: Client) -> None:
        answer = await client.ask("POST", "/api/v1/refresh", Expect="wonders")
        assert answer.status == 202
