"""Every endpoint [CONTRACT 7.1]: what it asks of the daemon and what it answers, errors included."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from symphony.core.access import AccessDecision
from symphony.core.access_answer import AccessAnswer, MachineAnswer
from symphony.core.errors import SymphonyError
from symphony.core.issue import IssueDraft
from symphony.core.permission import PermissionAnswer
from symphony.web.errors import STATUS_BY_CODE
from symphony.web.listener import Bounds, open_listener
from tests.web.support import BOUND, Client, Daemon, Door, make_issue, surface_of

COMMANDS = ["retry", "cancel", "pause", "resume", "discard"]
POST_ONLY = [
    f"/api/v1/issues/7/{name}"
    for name in [*COMMANDS, "steering-reply", "move", "approve", "reject", "access", "permission", "mcp"]
]
POST_ONLY += ["/api/v1/refresh", "/api/v1/pause", "/api/v1/resume"]
IDS = [
    "a b",
    "ü",
    "100%",
    "a%2Fb",
    "a/b",
    "../x",
    "...",
    "a.b",
    "?q",
    "#h",
    "a{b}",
    "x+y",
    "a&b=c",
    "😀",
    "%",
    "x" * 300,
]


class TestReading:
    async def test_state_shows_the_snapshot(self, client: Client) -> None:
        answer = await client.ask("GET", "/api/v1/state")
        assert answer.status == 200
        assert answer.json["generated_at"] == "2026-01-01T12:00:00.000Z"
        assert answer.json["counts"] == {"running": 0}

    @pytest.mark.parametrize("path", ["/api/v1/7", "/api/v1/issues/7"])
    async def test_an_issue_is_shown_under_both_paths(
        self, client: Client, daemon: Daemon, path: str
    ) -> None:
        answer = await client.ask("GET", path)
        assert (answer.status, answer.json["issue_id"]) == (200, "7")
        assert daemon.asked == [("detail", "7")]

    @pytest.mark.parametrize("name", ["state", "refresh", "issues", "pause", "mcp"])
    async def test_an_issue_named_as_an_endpoint_can_be_shown(
        self, client: Client, daemon: Daemon, name: str
    ) -> None:
        assert (await client.ask("GET", f"/api/v1/issues/{name}")).status == 200
        assert daemon.asked == [("detail", name)]

    @pytest.mark.parametrize("count", [0, 1, 500, 1_203])
    async def test_the_list_holds_every_issue(self, client: Client, daemon: Daemon, count: int) -> None:
        daemon.known = tuple(make_issue(str(number)) for number in range(count))
        answer = await client.ask("GET", "/api/v1/issues")
        assert [issue["id"] for issue in answer.json["issues"]] == [str(number) for number in range(count)]

    async def test_health_is_said_without_the_daemon(self, client: Client, daemon: Daemon) -> None:
        daemon.failure = SymphonyError("broken")
        assert (await client.ask("GET", "/healthz")).json == {"status": "ok"}

    async def test_an_unknown_issue_is_404_in_the_daemons_words(self, client: Client, daemon: Daemon) -> None:
        daemon.failure = SymphonyError(
            "There is no issue 9.", code="issue_not_found", remedy="`symphony status` lists the issues."
        )
        expected = (404, "issue_not_found", "There is no issue 9. `symphony status` lists the issues.")
        assert (await client.ask("GET", "/api/v1/9")).error == expected


class TestCommands:
    @pytest.mark.parametrize("name", COMMANDS)
    async def test_a_command_reaches_the_daemon(self, client: Client, daemon: Daemon, name: str) -> None:
        answer = await client.ask("POST", f"/api/v1/issues/7/{name}")
        assert (answer.status, answer.json) == (202, {"accepted": name, "issue_id": "7"})
        assert daemon.asked == [(name, "7")]

    @pytest.mark.parametrize("issue_id", IDS)
    async def test_any_id_survives_the_path(self, client: Client, daemon: Daemon, issue_id: str) -> None:
        answer = await client.ask("POST", f"/api/v1/issues/{quote(issue_id, safe='')}/retry")
        assert (answer.status, answer.json["issue_id"]) == (202, issue_id)
        assert daemon.asked == [("retry", issue_id)]

    @pytest.mark.parametrize("name", ["pause", "resume"])
    async def test_everything_is_paused_and_resumed(self, client: Client, daemon: Daemon, name: str) -> None:
        answer = await client.ask("POST", f"/api/v1/{name}")
        assert (answer.status, answer.json) == (202, {"accepted": name})
        assert daemon.asked == [(name, None)]

    async def test_refresh_is_accepted(self, client: Client, daemon: Daemon) -> None:
        answer = await client.ask("POST", "/api/v1/refresh")
        assert (answer.status, answer.json) == (202, {"accepted": "refresh"})
        assert daemon.asked == [("refresh",)]

    async def test_an_empty_json_body_is_as_good_as_an_empty_object(self, client: Client) -> None:
        answer = await client.ask("POST", "/api/v1/refresh", raw=b"", Content_Type="application/json")
        assert answer.status == 202

    async def test_a_reply_reaches_the_daemon_as_written(self, client: Client, daemon: Daemon) -> None:
        answer = await client.ask("POST", "/api/v1/issues/7/steering-reply", {"text": " yes\n"})
        assert (answer.status, answer.json) == (202, {"accepted": "steering-reply", "issue_id": "7"})
        assert daemon.asked == [("reply", "7", " yes\n")]

    @pytest.mark.parametrize(
        ("name", "body", "state"),
        [
            ("move", {"state": "Done"}, "Done"),
            ("approve", {}, "Todo"),
            ("reject", {"text": "Why?", "to": "In Progress"}, "In Progress"),
            ("reject", {}, "Todo"),
        ],
    )
    async def test_a_move_shows_where_the_issue_is_now(
        self, client: Client, daemon: Daemon, name: str, body: Any, state: str
    ) -> None:
        answer = await client.ask("POST", f"/api/v1/issues/7/{name}", body)
        assert (answer.status, answer.json["issue"]["state"]) == (200, state)
        assert daemon.asked[0][:2] == (name, "7")

    @pytest.mark.parametrize("decision", list(AccessDecision))
    async def test_a_decision_about_a_host_is_answered_with_what_the_machine_did(
        self, client: Client, daemon: Daemon, decision: AccessDecision
    ) -> None:
        body = {"host": "PyPI.org", "decision": decision.value}
        answer = await client.ask("POST", "/api/v1/issues/7/access", body)
        assert answer.status == 200
        assert daemon.asked == [("access", "7", "PyPI.org", decision)]
        done = AccessAnswer("7", "PyPI.org", decision, MachineAnswer.DONE, written=True)
        assert answer.json == {
            "said": list(done.sentences()),
            "issue_id": "7",
            "host": "PyPI.org",
            "decision": decision.value,
            "machine": "done",
            "asked": True,
            "repeated": False,
            "workflow_written": True,
        }

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("invalid_host", 422),
            ("access_never", 422),
            ("access_no_machine", 409),
            ("access_full", 409),
            ("workflow_not_editable", 409),
            ("sandbox.host_unresolvable", 422),
            ("issue_not_found", 404),
            ("draining", 503),
        ],
    )
    async def test_a_decision_that_cannot_be_carried_out_is_said_in_the_daemons_words(
        self, client: Client, daemon: Daemon, code: str, status: int
    ) -> None:
        daemon.failure = SymphonyError("What happened.", code=code, remedy="Do this.")
        body = {"host": "pypi.org", "decision": "issue"}
        answer = await client.ask("POST", "/api/v1/issues/7/access", body)
        assert answer.error == (status, code, "What happened. Do this.")

    @pytest.mark.parametrize("request_id", ["7.1.2", None])
    async def test_an_answer_to_a_request_for_permission_is_taken(
        self, client: Client, daemon: Daemon, request_id: str | None
    ) -> None:
        body = {"answer": "always", "request": request_id}
        answer = await client.ask("POST", "/api/v1/issues/7/permission", body)
        assert (answer.status, answer.json) == (202, {"accepted": "permission", "issue_id": "7"})
        assert daemon.asked == [("permit", "7", request_id, PermissionAnswer.ALWAYS)]

    @pytest.mark.parametrize("code", ["no_open_permission", "several_permissions"])
    async def test_an_answer_to_no_single_request_is_409(
        self, client: Client, daemon: Daemon, code: str
    ) -> None:
        daemon.failure = SymphonyError("What happened.", code=code, remedy="Do this.")
        answer = await client.ask("POST", "/api/v1/issues/7/permission", {"answer": "deny"})
        assert answer.error == (409, code, "What happened. Do this.")

    async def test_a_new_issue_is_shown_with_its_place(self, client: Client, daemon: Daemon) -> None:
        body = {
            "title": "T",
            "body": "B",
            "priority": 2,
            "labels": ["l"],
            "blocked_by": ["1"],
            "state": "Todo",
            "id": "a b",
        }
        answer = await client.ask("POST", "/api/v1/issues", body)
        assert (answer.status, answer.headers["location"]) == (201, "/api/v1/issues/a%20b")
        assert answer.json["issue"]["title"] == "T"
        assert daemon.asked == [("create", IssueDraft("T", "B", 2, ("l",), ("1",), "Todo", "a b"))]

    async def test_a_new_issue_needs_only_a_title(self, client: Client, daemon: Daemon) -> None:
        assert (await client.ask("POST", "/api/v1/issues", {"title": "T"})).status == 201
        assert daemon.asked == [("create", IssueDraft("T"))]

    async def test_a_form_of_the_dashboard_makes_an_issue(self, client: Client, daemon: Daemon) -> None:
        answer = await client.ask(
            "POST",
            "/api/v1/issues",
            raw=b"title=T+1&labels=a&labels=b&priority=2&state=",
            Content_Type="application/x-www-form-urlencoded",
            HX_Request="true",
            Origin=f"http://127.0.0.1:{client.port}",
        )
        assert answer.status == 201
        assert daemon.asked == [("create", IssueDraft("T 1", "", 2, ("a", "b")))]


class TestBodies:
    @pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"text": NaN}', b'{"text": "\\ud800"}', b"[" * 50_000])
    async def test_what_is_not_json_is_400(self, client: Client, raw: bytes) -> None:
        answer = await client.ask("POST", "/api/v1/issues", raw=raw, Content_Type="application/json")
        assert answer.error == (400, "invalid_json", "The request's body is not JSON in UTF-8.")

    async def test_json_that_is_no_object_is_400(self, client: Client) -> None:
        answer = await client.ask("POST", "/api/v1/refresh", [])
        assert answer.error == (400, "invalid_json", "The request's body must be a JSON object.")

    @pytest.mark.parametrize(
        ("path", "body", "problem"),
        [
            ("/api/v1/issues", {}, "title is missing"),
            ("/api/v1/issues", {"title": 7}, "title: input should be a valid string"),
            ("/api/v1/issues", {"title": "T", "titel": "T"}, "there is no field titel"),
            ("/api/v1/issues", {"title": "T", "priority": "x"}, "priority: input should be a valid integer"),
            ("/api/v1/issues", {"title": "T", "labels": [1]}, "labels.0: input should be a valid string"),
            ("/api/v1/issues/7/steering-reply", {"reply": "x"}, "text is missing; there is no field reply"),
            ("/api/v1/issues/7/move", {}, "state is missing"),
            ("/api/v1/issues/7/access", {}, "host is missing; decision is missing"),
            ("/api/v1/issues/7/access", {"host": 7, "decision": "deny"},
             "host: input should be a valid string"),
            ("/api/v1/issues/7/access", {"host": "pypi.org", "decision": "forever"},
             "decision: input should be 'once', 'issue', 'workflow' or 'deny'"),
            ("/api/v1/issues/7/permission", {"answer": "yes"},
             "answer: input should be 'once', 'always' or 'deny'"),
            ("/api/v1/issues/7/retry", {"now": True}, "there is no field now"),
        ],
    )  # fmt: skip
    async def test_fields_that_cannot_be_used_are_422_and_named(
        self, client: Client, daemon: Daemon, path: str, body: Any, problem: str
    ) -> None:
        answer = await client.ask("POST", path, body)
        assert answer.error == (422, "invalid_body", f"The request cannot be used: {problem}.")
        assert daemon.asked == []

    @pytest.mark.parametrize("text", ["", " \n"])
    async def test_an_empty_reply_is_422(self, client: Client, text: str) -> None:
        answer = await client.ask("POST", "/api/v1/issues/7/steering-reply", {"text": text})
        assert answer.error == (422, "invalid_reply", "The reply is empty. Write an answer for the agent.")


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "status"),
        [*STATUS_BY_CODE.items(), ("invalid_id", 422), ("invalid_title", 422), ("store_full", 500)],
    )
    async def test_a_code_has_its_status(
        self, client: Client, daemon: Daemon, code: str, status: int
    ) -> None:
        daemon.failure = SymphonyError("What happened.", code=code, remedy="Do this.")
        answer = await client.ask("POST", "/api/v1/issues/7/retry")
        assert answer.error == (status, code, "What happened. Do this.")

    async def test_a_defect_is_500_without_its_details(self, client: Client, daemon: Daemon) -> None:
        daemon.failure = ValueError("/home/secret")
        expected = (500, "internal_error", "Something broke inside symphony. Its log file has the details.")
        assert (await client.ask("GET", "/api/v1/7")).error == expected

    async def test_a_daemon_that_gives_up_is_503(self, client: Client, daemon: Daemon) -> None:
        daemon.failure = asyncio.CancelledError()
        expected = (503, "draining", "symphony is stopping and has not finished this.")
        assert (await client.ask("POST", "/api/v1/issues/7/retry")).error == expected

    @pytest.mark.parametrize(
        "path", ["/api", "/api/v1", "/api/v1/issues/7/nothing", "/api/v1/issues//retry", "/metrics/x"]
    )
    async def test_an_unknown_path_is_404(self, client: Client, path: str) -> None:
        assert (await client.ask("GET", path)).error == (404, "not_found", f"There is nothing at {path}.")

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
    @pytest.mark.parametrize("path", POST_ONLY)
    async def test_a_write_takes_post_only(self, client: Client, path: str, method: str) -> None:
        answer = await client.ask(method, path)
        assert answer.error == (405, "method_not_allowed", f"{method} is not possible on {path}: use POST.")
        assert answer.headers["allow"] == "POST"

    @pytest.mark.parametrize("path", ["/healthz", "/api/v1/state", "/api/v1/7", "/api/v1/issues/7"])
    async def test_a_view_takes_get_only(self, client: Client, path: str) -> None:
        answer = await client.ask("POST", path)
        assert answer.error == (405, "method_not_allowed", f"POST is not possible on {path}: use GET, HEAD.")
        assert answer.headers["allow"] == "GET, HEAD"

    async def test_the_list_takes_get_and_post(self, client: Client) -> None:
        assert (await client.ask("DELETE", "/api/v1/issues")).headers["allow"] == "GET, POST, HEAD"


class TestPatience:
    async def test_what_takes_too_long_is_504_and_goes_on(self, daemon: Daemon, door: Door) -> None:
        daemon.holds = True
        bounds = Bounds(operation_s=0.05, close_s=0.1)
        async with open_listener(
            surface_of(daemon, door), host="127.0.0.1", port=0, token=None, bounds=bounds
        ) as listener:
            answer = await Client(listener.port).ask("POST", "/api/v1/issues/7/discard")
            assert answer.error == (
                504,
                "timed_out",
                "symphony has not finished this within 0.05 s and goes on with it. "
                "Look at `symphony status` before you repeat it.",
            )
            daemon.release.set()
            await asyncio.wait_for(daemon.done.wait(), BOUND)
        assert daemon.asked == [("discard", "7")]

    async def test_a_client_that_leaves_does_not_undo_its_command(
        self, client: Client, daemon: Daemon
    ) -> None:
        daemon.holds = True
        leaving = asyncio.create_task(client.ask("POST", "/api/v1/issues/7/retry"))
        await asyncio.wait_for(daemon.began.wait(), BOUND)
        leaving.cancel()
        await asyncio.wait({leaving}, timeout=BOUND)
        daemon.release.set()
        await asyncio.wait_for(daemon.done.wait(), BOUND)
        assert daemon.asked == [("retry", "7")]


async def test_text_beyond_ascii_survives_as_json(client: Client, daemon: Daemon) -> None:
    daemon.known = (make_issue("ä", title="\udcff 😀"),)
    answer = await client.ask("GET", "/api/v1/issues")
    assert answer.body.isascii()
    assert json.loads(answer.body)["issues"][0]["title"] == "\udcff 😀"
