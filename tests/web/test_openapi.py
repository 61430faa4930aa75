"""The OpenAPI document is true to the listener: every path, every answer, every code, both ways."""

import ast
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import symphony.web
from symphony.agent.script import ask, mark_done, one_turn
from symphony.core.access import AccessDecision, AccessLedger, AccessRequest
from symphony.core.access_answer import AccessAnswer, MachineAnswer
from symphony.core.access_view import AccessView
from symphony.core.budget import Ceilings, account
from symphony.core.effect import Audit
from symphony.core.errors import SymphonyError
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.operations import IssueDetail
from symphony.core.permission import PermissionAnswer, PermissionRequest, Proposal
from symphony.core.ports import AttemptRow
from symphony.core.problem import Problem
from symphony.core.snapshot import BlockedView, RetryingView, RunningView, Snapshot, WaitingView
from symphony.core.usage import Usage
from symphony.web import views
from symphony.web.api import Api
from symphony.web.calls import CALLS
from symphony.web.errors import STATUS_BY_CODE
from symphony.web.listener import Bounds, open_listener
from symphony.web.openapi import AGENT_PATH, LISTENER_CODES, codes_of, document
from symphony.web.patience import TRIES
from symphony.web.schema import ref
from tests.engine.conftest import World
from tests.support.world import make_steering
from tests.web.conformity import check, operations, path_of, resolved, validator
from tests.web.support import NOON, Client, Daemon, Door, make_issue, surface_of

ROOM = Path(symphony.web.__file__).parent
FOR_PROGRAMS = ("api.py", "begun.py", "requests.py", "guards.py", "patience.py", "listener.py", "errors.py")
MACHINE = MachineUsage("symphony-7", MachineState.PAUSED, 1_000, 12.5)
RUNNING = RunningView(
    "7", "7", "T", "Todo", "a1", 1, "demo", "in a turn", 1, 20, NOON, NOON, "", Usage(), "stalled", MACHINE
)
ASKED = AccessRequest("pypi.org", 443, 3, NOON, NOON, trouble="It has no address.")
DENIED = AccessRequest("a.example", decision=AccessDecision.DENY, decided_at=NOON)
PROPOSAL = Proposal("rm -rf build", "execute", "rm -rf build", "{}", lasting=True)
PERMISSIONS = (
    PermissionRequest("7.1.1", "7", "a1", PROPOSAL, NOON),
    PermissionRequest("7.1.2", "7", "a1", PROPOSAL, NOON, PermissionAnswer.DENY),
)
FULL = Snapshot(
    NOON,
    status="attention",
    counts={"running": 1, "state:Todo": 4},
    running=(RUNNING, replace(RUNNING, stopping=None, machine=None, permissions=PERMISSIONS)),
    retrying=tuple(
        RetryingView("8", "8", kind, NOON, 2, "") for kind in ("retry", "continuation", "handoff")
    ),
    waiting=(
        WaitingView("9", "9", "T", make_steering("9"), "", MACHINE),
        WaitingView("9", "9", "T", make_steering("9", "yes"), ""),
    ),
    blocked=(BlockedView("10", "10", "T", "Todo", "failed", "", NOON),),
    access=(AccessView("7", "7", "T", ASKED, 12),),
    problems=(Problem("a", "b", "c"), Problem("a", "b", "c", "7")),
    rate_limits={"claude": NOON},
)
ENDED = AttemptRow("a1", "7", 1, "demo", "local", NOON, NOON + timedelta(1), "stalled", "", 2, "s1", Usage(1))
DETAIL = IssueDetail(
    issue_id="7",
    issue=replace(make_issue(), priority=1, url="x", created_at=NOON, branch_name="b", extra={"due": NOON}),
    standing="",
    attempts=(ENDED, AttemptRow("a2", "7", 2, "demo", "local", NOON)),
    steering=(make_steering("7"), make_steering("7", "yes")),
    audit=(Audit(NOON, "7", "dispatch", ""), Audit(NOON, None, "pause", "")),
    run_log=Path("/logs/7.jsonl"),
    last_handoff="",
    failures=1,
    paused=True,
    access=AccessLedger((ASKED, DENIED), 12, 7),
    machine=MACHINE,
    budget=account(Usage(input_tokens=5, cost_usd=0.5), Ceilings(tokens=3)),
)
BODIES: dict[str, Any] = {
    "steering-reply": {"text": "yes"},
    "move": {"state": "Done"},
    "access": {"host": "pypi.org", "decision": "once"},
    "permission": {"answer": "once"},
    "budget": {"tokens": "+500000", "usd": 2.5, "minutes": "default"},
    "issues": {"title": "T"},
    "restore": {"name": "n"},
}


def errors_in(value: object, shape: str) -> list[str]:
    schema = {**ref(shape), "components": document()["components"]}
    return [
        error.message for error in Draft202012Validator(schema).iter_errors(json.loads(json.dumps(value)))
    ]


class TestPaths:
    def test_every_path_and_method_of_the_listener_is_described_and_no_other(self) -> None:
        api = Api(surface_of(Daemon(), Door()), 1.0, 1.0)
        routes = {
            (path.replace(":[^/]+", ""), method.lower())
            for path, endpoints in api.paths().items()
            for method in endpoints
        }
        assert routes == {(path, method) for method, path in operations()}

    def test_paths_that_overlap_are_in_the_listeners_order(self) -> None:
        assert path_of("/api/v1/openapi.json") == "/api/v1/openapi.json"
        assert path_of("/api/v1/state") == "/api/v1/state"
        assert path_of("/api/v1/7") == "/api/v1/{id}"

    def test_operations_have_names_of_their_own(self) -> None:
        names = [document()["paths"][path][method]["operationId"] for method, path in operations()]
        assert len(set(names)) == len(names)

    async def test_it_is_served_before_an_issue_of_that_name(self, client: Client) -> None:
        answer = await client.ask("GET", "/api/v1/openapi.json")
        assert (answer.status, answer.json) == (200, document())

    async def test_an_issue_of_that_name_is_reached_under_issues(
        self, client: Client, daemon: Daemon
    ) -> None:
        assert (await client.ask("GET", "/api/v1/issues/openapi.json")).json["issue_id"] == "openapi.json"

    async def test_it_needs_the_token(self, daemon: Daemon, door: Door) -> None:
        opening = open_listener(surface_of(daemon, door), host="127.0.0.1", port=0, token="t0ken")
        async with opening as listener:
            answer = await Client(listener.port).ask("GET", "/api/v1/openapi.json")
            check("get", "/api/v1/openapi.json", answer)
            assert answer.status == 401

    async def test_every_refusal_of_a_guess_is_described(self, daemon: Daemon, door: Door) -> None:
        opening = open_listener(surface_of(daemon, door), host="127.0.0.1", port=0, token="t0ken")
        async with opening as listener:
            for _ in range(TRIES + 1):
                answer = await Client(listener.port).ask("GET", "/api/v1/state", Authorization="Bearer x")
                check("get", "/api/v1/state", answer)
            assert answer.error[:2] == (429, "too_many_tries")


class TestShapes:
    def test_every_reference_leads_somewhere_and_every_shape_is_used(self) -> None:
        found = set(references(document()))
        for reference in found:
            assert resolved({"$ref": reference})
        shapes = {f"#/components/schemas/{name}" for name in document()["components"]["schemas"]}
        assert shapes <= found

    def test_every_schema_is_one(self) -> None:
        for schema in document()["components"]["schemas"].values():
            Draft202012Validator.check_schema(schema)

    @pytest.mark.parametrize(
        ("value", "shape"),
        [
            (views.state_view(FULL), "State"),
            (views.state_view(Snapshot(NOON)), "State"),
            (views.detail_view(DETAIL), "Detail"),
            (views.detail_view(replace(DETAIL, issue=None, machine=None)), "Detail"),
            (views.issue_view(make_issue()), "Issue"),
            *[
                (views.answer_view(AccessAnswer("7", "h", decision, machine)), "AccessAnswer")
                for decision in AccessDecision
                for machine in MachineAnswer
            ],
        ],
    )
    def test_every_view_has_the_described_shape(self, value: object, shape: str) -> None:
        assert errors_in(value, shape) == []

    def test_a_field_that_nobody_described_is_found(self) -> None:
        assert errors_in({**views.state_view(FULL), "more": 1}, "State")


class TestErrors:
    def test_every_code_that_the_listener_gives_is_listed_and_no_other(self) -> None:
        given: dict[int, set[str]] = {}
        for name in FOR_PROGRAMS:
            for status, code in refusals_in(ROOM / name):
                given.setdefault(status, set()).add(code)
        listed = {status: set(codes) for status, codes in LISTENER_CODES.items()}
        rooms = {(status, code) for code, status in STATUS_BY_CODE.items()}
        for status, codes in given.items():
            for code in codes:
                known = code in listed.get(status, set()) or (status, code) in rooms
                assert known or (status == 422 and code.startswith("invalid_")), (status, code)
        for status, codes in listed.items():
            assert codes <= given.get(status, set()), status

    @pytest.mark.parametrize("code", [*STATUS_BY_CODE, "invalid_title", "store_full"])
    async def test_every_error_of_the_daemon_has_the_described_shape(
        self, client: Client, daemon: Daemon, code: str
    ) -> None:
        daemon.failure = SymphonyError("What happened.", code=code)
        for call in CALLS:
            if call.fails and call.method == "post":
                answer = await client.ask("POST", target_of(call.path), body_of(call.path))
                check(call.method, call.path, answer)
                assert answer.error[1] == code
        assert code in codes_of(STATUS_BY_CODE.get(code, 0)) or code in {"invalid_title", "store_full"}


@pytest.mark.parametrize(("method", "path"), operations())
async def test_every_call_that_goes_well_answers_as_described(
    client: Client, daemon: Daemon, method: str, path: str
) -> None:
    daemon.shown, daemon.known = FULL, (make_issue(),)
    body = body_of(path) if method == "post" else None
    answer = await client.ask(method.upper(), target_of(path), body)
    check(method, path, answer)
    assert answer.status < 300


@pytest.mark.parametrize(("method", "path"), operations())
async def test_head_is_answered_where_get_is(client: Client, method: str, path: str) -> None:
    answer = await client.ask("HEAD", target_of(path))
    assert answer.status == (200 if method == "get" or path == "/api/v1/issues" else 405)


@pytest.fixture
async def engine() -> AsyncIterator[tuple[World, Client]]:
    """A listener over a whole engine, with an issue that is done and one that asks."""
    world = World()
    async with world.running():
        world.script("2", one_turn(ask("Which colour?")))
        world.script("1", one_turn(mark_done()))
        world.drop("1", "---\ntitle: Fix it\nlabels: [bug]\ndue: 2026-01-01\n---\nText\n")
        world.drop("2")
        await world.until(lambda: world.state_of("1") == "Done" and world.operations.snapshot().waiting)
        surface = replace(surface_of(Daemon(), Door()), operations=world.operations)
        bounds = Bounds(close_s=0.1)
        async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds) as listener:
            yield world, Client(listener.port)


@pytest.mark.parametrize(("method", "path"), operations())
@pytest.mark.parametrize("issue_id", ["1", "2", "none"])
async def test_a_whole_engine_answers_as_described(
    engine: tuple[World, Client], method: str, path: str, issue_id: str
) -> None:
    _, client = engine
    body = body_of(path) if method == "post" else None
    check(method, path, await client.ask(method.upper(), path.replace("{id}", issue_id), body))


def references(node: Any) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in node.values():
                yield from references(value)
        case list():
            for value in node:
                yield from references(value)


def refusals_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield status and code of each refusal that the source makes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
            status, code = node.args[:2]
            if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                yield int(str(status.value)), str(code.value)


def target_of(path: str) -> str:
    return path.replace("{id}", "7")


def body_of(path: str) -> Any:
    return BODIES.get(path.rpartition("/")[2], {})


def test_the_agents_endpoint_is_described_with_its_own_token() -> None:
    assert document()["paths"][AGENT_PATH]["post"]["security"] == [{"dispatch": []}]
    assert validator("post", AGENT_PATH, 202) is None
