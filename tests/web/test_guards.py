"""Who may talk to the listener [CONTRACT 7.2]: host, token, origin and content type."""

from typing import Any

import pytest

from symphony.core.operations import DoorReply
from symphony.web.errors import WebError
from symphony.web.guards import Guard
from symphony.web.listener import Bounds, open_listener
from tests.web.support import Client, Daemon, Door, request, send, surface_of

PATHS = ["/api/v1/state", "/healthz", "/api/nowhere", "/api/v1/issues/7/mcp"]
FORM = "application/x-www-form-urlencoded"
ELSEWHERE = "Use the address that symphony printed at its start."


class TestHost:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost:9", "[::1]:80", "localhost."])
    async def test_names_of_this_machine_are_answered_on_any_port(self, client: Client, host: str) -> None:
        assert (await client.ask("GET", "/api/v1/state", Host=host)).status == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1",
            "user@127.0.0.1",
            "127.0.0.1/x",
            "localhost:x",
            "",
        ],
    )
    async def test_another_name_is_421(self, client: Client, host: str) -> None:
        answer = await client.ask("GET", "/api/v1/state", Host=host)
        expected = f"This server does not answer to the host name {host!r}. {ELSEWHERE}"
        assert answer.error == (421, "wrong_host", expected)

    @pytest.mark.parametrize("path", PATHS)
    async def test_another_name_is_421_on_every_path(self, client: Client, door: Door, path: str) -> None:
        answer = await client.ask("POST", path, Host="evil.example")
        assert answer.error[:2] == (421, "wrong_host")
        assert door.posted == []

    async def test_a_missing_name_is_421(self, client: Client) -> None:
        answer = await send(client.port, b"GET /api/v1/state HTTP/1.0\r\n\r\n")
        expected = f"This server does not answer to the host name ''. {ELSEWHERE}"
        assert answer.error == (421, "wrong_host", expected)
        assert (await client.ask("GET", "/api/v1/state", Host=None)).status == 400

    async def test_two_names_are_refused(self, client: Client) -> None:
        head = request("GET", "/api/v1/state", {"Host": "localhost", "host": "evil.example"})
        assert (await send(client.port, head)).status in {400, 421}

    async def test_a_configured_name_is_answered(self, daemon: Daemon, door: Door) -> None:
        allowed = ["Guest.Internal:8080"]
        listening = open_listener(
            surface_of(daemon, door), host="localhost", port=0, token=None, allowed_hosts=allowed
        )
        async with listening as listener:
            client = Client(listener.port)
            for host in ("guest.internal", f"GUEST.internal:{listener.port}", "localhost"):
                assert (await client.ask("GET", "/api/v1/state", Host=host)).status == 200
            assert (await client.ask("GET", "/api/v1/state", Host="internal")).status == 421

    def test_a_listener_on_every_address_answers_to_addresses_and_not_to_names(self) -> None:
        guard = Guard.of("0.0.0.0", "0.0.0.0", "token", ["box.example"])
        assert guard.any_address
        assert guard.names == {"0.0.0.0", "127.0.0.1", "::1", "localhost", "box.example"}

    def test_a_listener_on_one_address_answers_to_that_alone(self) -> None:
        guard = Guard.of("box.example", "192.0.2.7", "token", [])
        assert (guard.any_address, guard.names) == (False, {"box.example", "192.0.2.7"})


class TestOrigin:
    async def test_our_own_pages_may_write(self, client: Client) -> None:
        for origin in (f"http://127.0.0.1:{client.port}", f"HTTP://127.0.0.1:{client.port}"):
            assert (await client.ask("POST", "/api/v1/refresh", Origin=origin)).status == 202

    async def test_a_default_port_need_not_be_written(self, client: Client) -> None:
        for host, origin in (("localhost", "https://localhost:443"), ("localhost:80", "http://localhost")):
            assert (await client.ask("POST", "/api/v1/refresh", Host=host, Origin=origin)).status == 202

    @pytest.mark.parametrize(
        "origin",
        [
            "http://evil.example",
            "null",
            "http://127.0.0.1:1",
            "http://localhost",
            "file://",
            "ftp://127.0.0.1",
            "",
        ],
    )
    @pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/refresh"), ("GET", "/api/v1/state")])
    async def test_another_origin_is_403(
        self, client: Client, daemon: Daemon, origin: str, method: str, path: str
    ) -> None:
        answer = await client.ask(method, path, Origin=origin)
        assert answer.error == (
            403,
            "wrong_origin",
            f"A page of {origin!r} may not use this server. "
            "Use symphony's own pages, or a program that sends no Origin header.",
        )
        assert daemon.asked == []

    async def test_an_agent_may_name_any_origin(self, client: Client, door: Door) -> None:
        answer = await client.ask("POST", "/api/v1/issues/7/mcp", Origin="null", Authorization="Bearer t")
        assert answer.status == 200
        assert door.posted == [("7", "Bearer t", b"{}")]


class TestContentType:
    @pytest.mark.parametrize(
        "content_type",
        [None, "", "text/plain", "multipart/form-data; boundary=x", "application/jsonp", "text/json"],
    )
    async def test_a_write_that_is_not_json_is_415(
        self, client: Client, daemon: Daemon, content_type: str | None
    ) -> None:
        answer = await client.ask("POST", "/api/v1/issues/7/retry", raw=b"{}", Content_Type=content_type)
        assert answer.error == (
            415,
            "unsupported_media_type",
            "The content type must be application/json. "
            "Send `Content-Type: application/json`, and `{}` where there is nothing to say.",
        )
        assert daemon.asked == []

    @pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
    async def test_a_write_in_json_is_taken(self, client: Client, content_type: str) -> None:
        answer = await client.ask("POST", "/api/v1/issues/7/retry", raw=b"{}", Content_Type=content_type)
        assert answer.status == 202

    @pytest.mark.parametrize(
        "headers", [{}, {"HX_Request": "true"}, {"HX_Request": "1", "Origin": "own"}, {"Origin": "own"}]
    )
    async def test_a_form_from_elsewhere_is_403(
        self, client: Client, daemon: Daemon, headers: dict[str, Any]
    ) -> None:
        if "Origin" in headers:
            headers = {**headers, "Origin": f"http://127.0.0.1:{client.port}"}
        answer = await client.ask("POST", "/api/v1/issues/7/retry", raw=b"", Content_Type=FORM, **headers)
        expected = "A form is accepted from the dashboard only. Send application/json instead."
        assert answer.error == (403, "form_refused", expected)
        assert daemon.asked == []

    async def test_a_form_of_the_dashboard_is_taken(self, client: Client, daemon: Daemon) -> None:
        own = f"http://127.0.0.1:{client.port}"
        path = "/api/v1/issues/7/steering-reply"
        answer = await client.ask(
            "POST", path, raw="text=jä+%26".encode(), Content_Type=FORM, HX_Request="true", Origin=own
        )
        assert answer.status == 202
        assert daemon.asked == [("reply", "7", "jä &")]

    async def test_a_form_that_is_not_utf_8_is_400(self, client: Client) -> None:
        own = f"http://127.0.0.1:{client.port}"
        path = "/api/v1/issues/7/steering-reply"
        for raw in (b"text=\xff", b"text=%ff"):
            answer = await client.ask("POST", path, raw=raw, Content_Type=FORM, HX_Request="true", Origin=own)
            assert answer.error == (400, "invalid_form", "The request's body is not a form in UTF-8.")


class TestToken:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
    @pytest.mark.parametrize("token", [None, "", "  "])
    async def test_other_machines_are_not_served_without_a_token(
        self, daemon: Daemon, door: Door, host: str, token: str | None
    ) -> None:
        with pytest.raises(WebError) as refused:
            async with open_listener(surface_of(daemon, door), host=host, port=0, token=token):
                pass
        assert refused.value.code == "token_required"
        assert str(refused.value) == (
            f"server.host {host} can be reached from other machines and server.token is not set. "
            "In WORKFLOW.md, set server.token, to $SYMPHONY_TOKEN say, or server.host to 127.0.0.1."
        )

    async def test_a_token_once_set_is_asked_of_everyone_but_health_and_agents(
        self, daemon: Daemon, door: Door
    ) -> None:
        door.reply = DoorReply(404, b"{}")
        bounds = Bounds(close_s=0.1)
        listening = open_listener(
            surface_of(daemon, door), host="127.0.0.1", port=0, token="sécret", bounds=bounds
        )
        async with listening as listener:
            client = Client(listener.port)
            refusal = (
                "This server needs its token. Send `Authorization: Bearer` with the value of server.token."
            )
            for given in (None, "", "Bearer", "Bearer wrong", "Basic sécret", "sécret", "Bearer ÿ"):
                answer = await client.ask("GET", "/api/v1/state", Authorization=given)
                assert answer.error == (401, "unauthorized", refusal)
                assert answer.headers["www-authenticate"] == "Bearer"
            for given in ("Bearer sécret", "bearer  sécret "):
                assert (await client.ask("GET", "/api/v1/state", Authorization=given)).status == 200
            assert (await client.ask("GET", "/api/nowhere")).status == 401
            assert (await client.ask("GET", "/healthz")).status == 200
            assert (await client.ask("POST", "/api/v1/issues/7/mcp", Authorization="Bearer t")).status == 404

    def test_the_token_is_not_in_the_guard_as_printed(self) -> None:
        assert "secret" not in repr(Guard.of("127.0.0.1", "127.0.0.1", "secret", []))


class TestHeaders:
    @pytest.mark.parametrize(
        ("method", "path", "headers"),
        [
            ("GET", "/api/v1/state", {}),
            ("GET", "/api/nowhere", {}),
            ("PUT", "/api/v1/state", {}),
            ("POST", "/api/v1/refresh", {"Content_Type": None}),
            ("GET", "/api/v1/state", {"Host": "evil.example"}),
            ("GET", "/api/v1/state", {"X": "y" * 20_000}),
            ("BREW", "/api/v1/state", {}),
            ("POST", "/api/v1/issues/7/mcp", {}),
        ],
    )
    async def test_every_answer_is_closed_to_browsers(
        self, client: Client, door: Door, method: str, path: str, headers: dict[str, Any]
    ) -> None:
        door.reply = DoorReply(202)
        answer = await client.ask(method, path, **headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["server"] == "symphony"
        assert ("content-type" in answer.headers) == (answer.body != b"")
