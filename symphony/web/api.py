"""The endpoints: each asks or tells `Operations` one thing and shows the answer [CONTRACT 7.1, 6.1].

What was begun is carried through, also when its client stops waiting: a command may be half done.
A path takes one or two methods; any other is 405 with Allow.
An issue whose id is also the name of an endpoint (`state`, say) is reached under
`/api/v1/issues/<id>`, where every id can be read.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import structlog
from aiohttp import web

from symphony.core.access import AccessDecision
from symphony.core.operations import Operations
from symphony.core.permission import PermissionAnswer
from symphony.web.begun import result_of
from symphony.web.budget_view import budget_view
from symphony.web.disk_view import disk_view
from symphony.web.errors import Refusal, json_response
from symphony.web.explanation_view import explanation_view
from symphony.web.issue_list import issues_response
from symphony.web.methods import Endpoint, by_method, expect
from symphony.web.openapi import document
from symphony.web.requests import (
    AccessBody,
    BodyT,
    BudgetBody,
    CreateBody,
    MoveBody,
    NoFields,
    PermissionBody,
    RejectBody,
    ReplyBody,
    RestoreBody,
    SweepBody,
    parse_body,
    read_body,
)
from symphony.web.surface import Surface
from symphony.web.train_view import reset_view, train_view
from symphony.web.views import answer_view, detail_view, issue_view, state_view

SWEEP_BOUND_S: Final = 300.0  # millions of files are measured and removed in minutes
MCP_SUFFIX: Final = "mcp"
CLOSE_BOUND_S: Final = 2.0  # a cancelled operation has only its own clean-up left
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Api:
    """The JSON endpoints over one daemon."""

    def __init__(self, surface: Surface, body_bound_s: float, operation_bound_s: float) -> None:
        self._operations = surface.operations
        self._door = surface.door
        self._metrics = surface.metrics
        self._disk = surface.disk
        self._train = surface.train
        self._metrics.show(self._operations.picture)
        self._body_bound_s = body_bound_s
        self._operation_bound_s = operation_bound_s
        self._begun: set[asyncio.Task[Any]] = set()

    def add_to(self, app: web.Application) -> None:
        """Give the application every path."""
        for path, endpoints in self.paths().items():
            app.router.add_route("*", path, by_method(endpoints), expect_handler=expect)

    def paths(self) -> Mapping[str, Mapping[str, Endpoint]]:
        """Return the endpoints by path and method; of two paths that fit, the first counts."""
        return {
            "/healthz": {"GET": self.health},
            "/metrics": {"GET": self.metrics},
            "/api/v1/openapi.json": {"GET": self.openapi},
            "/api/v1/state": {"GET": self.state},
            "/api/v1/refresh": {"POST": self.refresh},
            "/api/v1/pause": {"POST": self.pause_all},
            "/api/v1/resume": {"POST": self.resume_all},
            "/api/v1/gc": {"POST": self.gc},
            "/api/v1/restore": {"POST": self.restore},
            "/api/v1/train": {"GET": self.train},
            "/api/v1/train/reset": {"POST": self.reset_train},
            "/api/v1/issues": {"GET": self.issues, "POST": self.create},
            "/api/v1/issues/{id:[^/]+}": {"GET": self.detail},
            "/api/v1/issues/{id:[^/]+}/explain": {"GET": self.explain},
            "/api/v1/issues/{id:[^/]+}/steering-reply": {"POST": self.reply},
            "/api/v1/issues/{id:[^/]+}/retry": {"POST": self.retry},
            "/api/v1/issues/{id:[^/]+}/cancel": {"POST": self.cancel},
            "/api/v1/issues/{id:[^/]+}/pause": {"POST": self.pause},
            "/api/v1/issues/{id:[^/]+}/resume": {"POST": self.resume},
            "/api/v1/issues/{id:[^/]+}/move": {"POST": self.move},
            "/api/v1/issues/{id:[^/]+}/approve": {"POST": self.approve},
            "/api/v1/issues/{id:[^/]+}/discard": {"POST": self.discard},
            "/api/v1/issues/{id:[^/]+}/reject": {"POST": self.reject},
            "/api/v1/issues/{id:[^/]+}/access": {"POST": self.access},
            "/api/v1/issues/{id:[^/]+}/permission": {"POST": self.permission},
            "/api/v1/issues/{id:[^/]+}/budget": {"POST": self.budget},
            "/api/v1/issues/{id:[^/]+}/mcp": {"POST": self.mcp},
            "/api/v1/{id:[^/]+}": {"GET": self.detail},
        }

    async def health(self, _: web.Request) -> web.Response:
        """Say that the listener answers; asks nothing of the daemon behind it."""
        return json_response({"status": "ok"})

    async def metrics(self, _: web.Request) -> web.Response:
        """Show the numbers."""
        return self._metrics.render()

    async def openapi(self, _: web.Request) -> web.Response:
        """Describe all paths."""
        return json_response(document())

    async def state(self, _: web.Request) -> web.Response:
        """Show the latest picture."""
        return json_response(state_view(self._operations.snapshot()))

    async def detail(self, request: web.Request) -> web.Response:
        """Show one issue."""
        return json_response(detail_view(await self._finish(self._operations.detail(issue_id(request)))))

    async def explain(self, request: web.Request) -> web.Response:
        """Say where one issue stands and what happens next."""
        explanation = await self._finish(self._operations.explain(issue_id(request)))
        return json_response(explanation_view(explanation))

    async def issues(self, _: web.Request) -> web.Response:
        """List every readable issue."""
        return await issues_response(await self._finish(self._operations.issues()))

    async def create(self, request: web.Request) -> web.Response:
        """Write a new issue."""
        body = await self._body(request, CreateBody)
        issue = await self._finish(self._operations.create(body.draft()))
        location = f"/api/v1/issues/{quote(issue.id, safe='')}"
        return json_response({"issue": issue_view(issue)}, 201, {"Location": location})

    async def refresh(self, request: web.Request) -> web.Response:
        """Look at tracker and workflow now."""
        await self._body(request, NoFields)
        await self._finish(self._operations.refresh())
        return json_response({"accepted": "refresh"}, 202)

    async def pause_all(self, request: web.Request) -> web.Response:
        """Start no new attempt on any issue."""
        await self._body(request, NoFields)
        await self._finish(self._operations.pause(None))
        return json_response({"accepted": "pause"}, 202)

    async def resume_all(self, request: web.Request) -> web.Response:
        """Lift the pause on everything."""
        await self._body(request, NoFields)
        await self._finish(self._operations.resume(None))
        return json_response({"accepted": "resume"}, 202)

    async def gc(self, request: web.Request) -> web.Response:
        """Remove from the disk what may go, or only say what would."""
        body = await self._body(request, SweepBody)
        report = await self._finish(self._disk.sweep(dry_run=body.dry_run), SWEEP_BOUND_S)
        return json_response(disk_view(report))

    async def restore(self, request: web.Request) -> web.Response:
        """Begin to go on with another store, which `symphony restore` has prepared."""
        body = await self._body(request, RestoreBody)
        await self._finish(self._operations.restore(body.name))
        return json_response({"accepted": "restore"}, 202)

    async def train(self, _: web.Request) -> web.Response:
        """Show the merge train."""
        return json_response(train_view(await self._finish(self._train.look())))

    async def reset_train(self, request: web.Request) -> web.Response:
        """Move the merge train to its base."""
        await self._body(request, NoFields)
        return json_response(reset_view(await self._finish(self._train.reset())))

    async def reply(self, request: web.Request) -> web.Response:
        """Answer the issue's open question."""
        body = await self._body(request, ReplyBody)
        if not body.text.strip():
            raise Refusal(
                422, "invalid_reply", "The reply is empty.", remedy="Write an answer for the agent."
            )
        if body.question is not None:
            await self._finish(check_open(self._operations, issue_id(request), body.question))
        await self._finish(self._operations.reply(issue_id(request), body.text))
        return accepted("steering-reply", request)

    async def retry(self, request: web.Request) -> web.Response:
        """Forget the issue's failures and make it eligible."""
        return await self._command(request, "retry", self._operations.retry)

    async def cancel(self, request: web.Request) -> web.Response:
        """End the issue's attempt."""
        return await self._command(request, "cancel", self._operations.cancel)

    async def pause(self, request: web.Request) -> web.Response:
        """Start no new attempt on the issue."""
        return await self._command(request, "pause", self._operations.pause)

    async def resume(self, request: web.Request) -> web.Response:
        """Lift the issue's pause."""
        return await self._command(request, "resume", self._operations.resume)

    async def discard(self, request: web.Request) -> web.Response:
        """Delete the issue's workspace with all undelivered work."""
        return await self._command(request, "discard", self._operations.discard)

    async def reject(self, request: web.Request) -> web.Response:
        """Send delivered work back with a reviewer's words."""
        body = await self._body(request, RejectBody)
        issue = await self._finish(self._operations.reject(issue_id(request), body.text, body.to))
        return json_response({"issue": issue_view(issue)})

    async def move(self, request: web.Request) -> web.Response:
        """Move the issue's file into another state."""
        body = await self._body(request, MoveBody)
        return json_response(
            {"issue": issue_view(await self._finish(self._operations.move(issue_id(request), body.state)))}
        )

    async def approve(self, request: web.Request) -> web.Response:
        """Move a proposed issue into the first active state, or let held work out."""
        await self._body(request, NoFields)
        issue = await self._finish(self._operations.approve(issue_id(request)))
        return json_response({"issue": issue and issue_view(issue)})

    async def access(self, request: web.Request) -> web.Response:
        """Let an issue's guest reach a host, or keep it from it."""
        body = await self._body(request, AccessBody)
        decision = AccessDecision(body.decision)
        answer = await self._finish(self._operations.decide_access(issue_id(request), body.host, decision))
        return json_response(answer_view(answer))

    async def permission(self, request: web.Request) -> web.Response:
        """Answer an agent's request for permission."""
        body = await self._body(request, PermissionBody)
        answer = PermissionAnswer(body.answer)
        await self._finish(self._operations.permit(issue_id(request), body.request, answer))
        return accepted("permission", request)

    async def budget(self, request: web.Request) -> web.Response:
        """Give an issue ceilings of its own."""
        changes = (await self._body(request, BudgetBody)).changes()
        answer = await self._finish(self._operations.set_budget(issue_id(request), changes))
        return json_response(budget_view(answer))

    async def mcp(self, request: web.Request) -> web.Response:
        """Pass an agent's message through the door, too large or not: the door checks in its own order."""
        body = await read_body(request, self._body_bound_s)
        reply = await self._door.post(issue_id(request), request.headers.get("Authorization"), body)
        response = web.Response(status=reply.status, body=reply.body or None)
        if reply.body:
            response.content_type = "application/json"
        if reply.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    async def _command(
        self, request: web.Request, name: str, command: Callable[[str], Coroutine[Any, Any, None]]
    ) -> web.Response:
        await self._body(request, NoFields)
        await self._finish(command(issue_id(request)))
        return accepted(name, request)

    async def _finish(self, work: Coroutine[Any, Any, T], bound_s: float | None = None) -> T:
        begun = asyncio.create_task(work)
        self._begun.add(begun)
        begun.add_done_callback(self._ended)
        return await result_of(
            begun, bound_s or self._operation_bound_s, "Look at `symphony status` before you repeat it."
        )

    def _ended(self, begun: asyncio.Task[Any]) -> None:
        self._begun.discard(begun)
        if not begun.cancelled() and (error := begun.exception()) is not None:
            log.debug("web.operation_refused", reason=str(error))

    async def aclose(self) -> None:
        """End what is still under way, in bounded time."""
        for begun in self._begun:
            begun.cancel()
        if self._begun:
            await asyncio.wait(self._begun, timeout=CLOSE_BOUND_S)

    async def _body(self, request: web.Request, shape: type[BodyT]) -> BodyT:
        return await parse_body(request, shape, self._body_bound_s)


async def check_open(operations: Operations, asked: str, question: str) -> None:
    """Return if this question still waits for an answer.

    Raises:
        Refusal: 409.
        SymphonyError: as of `Operations.detail`.
    """
    detail = await operations.detail(asked)
    if not any(steering.id == question and steering.open for steering in detail.steering):
        raise Refusal(
            409,
            "already_answered",
            "This question has been answered already, so your answer was not sent.",
            remedy="Look at the issue's page for what was said.",
        )


def issue_id(request: web.Request) -> str:
    """Return the id in the path, decoded."""
    return request.match_info["id"]


def is_agent_path(request: web.Request) -> bool:
    """Say whether a request is an agent's, which shows its own token and comes from no browser."""
    canonical = request.match_info.route.resource
    return canonical is not None and canonical.canonical.endswith(f"/{MCP_SUFFIX}")


def accepted(command: str, request: web.Request) -> web.Response:
    """Return that a command was taken and its effect follows."""
    return json_response({"accepted": command, "issue_id": issue_id(request)}, 202)
