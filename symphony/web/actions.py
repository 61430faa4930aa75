"""What a person does to one issue from any page: each a plain form that tells `Operations` one thing."""

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from aiohttp import web

from symphony.core.access import AccessDecision
from symphony.core.errors import SymphonyError
from symphony.core.operations import Operations
from symphony.core.permission import PermissionAnswer
from symphony.core.text import one_line
from symphony.web.api import check_open, issue_id
from symphony.web.errors import Refusal
from symphony.web.forms import read_form
from symphony.web.login import own_path
from symphony.web.once import Once
from symphony.web.requests import AccessBody, Body, BudgetBody, NoFields, PermissionBody
from symphony.web.site import Site, id_path

SHOWN: Final = 60  # characters of an id in a sentence
NAMES: Final = (
    "reply",
    "retry",
    "cancel",
    "pause",
    "resume",
    "approve",
    "discard",
    "move",
    "reject",
    "access",
    "permission",
    "budget",
)
PERMITTED: Final = {
    PermissionAnswer.ONCE: "The agent of {} may do it, and goes on.",
    PermissionAnswer.ALWAYS: "The agent of {} may do it for the rest of its session, and goes on.",
    PermissionAnswer.DENY: "The agent of {} is told that it may not.",
}


class ReplyForm(Body):
    """The answer to an agent's question; `question` names it, so that no other one gets the answer."""

    text: str = ""
    question: str = ""


class MoveForm(Body):
    """Where an issue goes."""

    state: str = ""


class RejectForm(Body):
    """What a reviewer says; `work` names what was delivered, so that a double click says it once."""

    text: str = ""
    work: str = ""


class BudgetForm(BudgetBody):
    """Ceilings for the issue, and `was`, what the page said of them when it was sent."""

    was: str = ""


class DiscardForm(Body):
    """That a person means it."""

    sure: Literal["yes", "no"] = "no"


class Actions:
    """The forms of an issue."""

    def __init__(self, site: Site, operations: Operations) -> None:
        self._site = site
        self._operations = operations
        self._once: Once[str] = Once()

    def add_to(self, app: web.Application) -> None:
        """Give the application the paths."""
        for name in NAMES:
            app.router.add_post(f"/issues/{{id:[^/]+}}/{name}", getattr(self, name))

    def close(self) -> None:
        """End what is still under way."""
        self._once.close()

    async def reply(self, request: web.Request) -> web.StreamResponse:
        """Answer the issue's open question; an answer that comes too late is given back."""
        form = await read_form(request, ReplyForm)
        asked, text = issue_id(request), form.text.replace("\r\n", "\n")
        if not text.strip():
            empty = Refusal(422, "invalid_reply", "The answer is empty.", remedy="Write one for the agent.")
            return self._site.refused(request, empty, self._back(request))

        async def answer() -> str:
            if form.question:
                await check_open(self._operations, asked, form.question)
            await self._operations.reply(asked, text)
            return f"Your answer to {shown(asked)} is kept; its agent gets it now."

        # sent twice by a double click is one answer; another text is another answer, and too late
        key = (asked, form.question, text) if form.question else None
        return await self._carry_out(request, answer, key, typed=text)

    async def retry(self, request: web.Request) -> web.StreamResponse:
        """Forget the issue's failures and make it eligible."""
        return await self._command(request, self._operations.retry, "{} starts again as soon as it can.")

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """End the issue's attempt."""
        return await self._command(
            request, self._operations.cancel, "{} is being stopped; it rests until you retry or edit it."
        )

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """Start no new attempt on the issue."""
        return await self._command(
            request, self._operations.pause, "{} is paused: a running attempt goes on, no new one starts."
        )

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Lift the issue's pause."""
        return await self._command(request, self._operations.resume, "{} is no longer paused.")

    async def approve(self, request: web.Request) -> web.StreamResponse:
        """Move a proposed issue into the first active state, or let held work out."""
        await read_form(request, NoFields)

        async def approve() -> str:
            held = any(view.issue_id == issue_id(request) for view in self._operations.snapshot().held)
            issue = await self._operations.approve(issue_id(request))
            if held or issue is None:
                return f"The work of {shown(issue_id(request))} is let out, and is handed over."
            return f"{shown(issue.identifier)} is approved, and is in {one_line(issue.state, SHOWN)} now."

        return await self._carry_out(request, approve)

    async def discard(self, request: web.Request) -> web.StreamResponse:
        """Delete the issue's undelivered work, or its patch, when the person says to be sure."""
        form = await read_form(request, DiscardForm)
        if form.sure != "yes":
            unsure = Refusal(
                422,
                "invalid_confirmation",
                "Nothing was discarded, because it was not confirmed.",
                remedy="Use the button under `Discard` on the issue's page.",
            )
            return self._site.refused(request, unsure, self._back(request))

        async def discard() -> str:
            await self._operations.discard(issue_id(request))
            return f"What there was of {shown(issue_id(request))} is discarded."

        return await self._carry_out(request, discard)

    async def move(self, request: web.Request) -> web.StreamResponse:
        """Move the issue's file into another state."""
        form = await read_form(request, MoveForm)
        if not form.state.strip():
            nowhere = Refusal(422, "invalid_state", "No state was chosen.", remedy="Choose one.")
            return self._site.refused(request, nowhere, self._back(request))

        async def move() -> str:
            issue = await self._operations.move(issue_id(request), form.state)
            return f"{shown(issue.identifier)} is in {one_line(issue.state, SHOWN)} now."

        return await self._carry_out(request, move)

    async def reject(self, request: web.Request) -> web.StreamResponse:
        """Send the issue's delivered work back with a reviewer's words."""
        form = await read_form(request, RejectForm)
        asked, text = issue_id(request), form.text.replace("\r\n", "\n")

        async def reject() -> str:
            issue = await self._operations.reject(asked, text, None)
            where = one_line(issue.state, SHOWN)
            return f"{shown(issue.identifier)} is back in {where} with your words; its agent goes on."

        key = (asked, "reject", form.work, text) if form.work else None
        return await self._carry_out(request, reject, key, typed=text)

    async def access(self, request: web.Request) -> web.StreamResponse:
        """Let the issue's guest reach a host, or keep it from it."""
        form = await read_form(request, AccessBody)

        async def decide() -> str:
            decision = AccessDecision(form.decision)
            answer = await self._operations.decide_access(issue_id(request), form.host, decision)
            return " ".join(answer.sentences())

        return await self._carry_out(request, decide)

    async def permission(self, request: web.Request) -> web.StreamResponse:
        """Answer an agent's request for permission, once for a double click."""
        form = await read_form(request, PermissionBody)
        answer, asked = PermissionAnswer(form.answer), issue_id(request)

        async def permit() -> str:
            await self._operations.permit(asked, form.request, answer)
            return PERMITTED[answer].format(shown(asked))

        return await self._carry_out(request, permit, (asked, "permission", form.request, answer))

    async def budget(self, request: web.Request) -> web.StreamResponse:
        """Give the issue ceilings of its own."""
        form, asked = await read_form(request, BudgetForm), issue_id(request)

        async def give() -> str:
            answer = await self._operations.set_budget(asked, form.changes())
            return " ".join(answer.sentences())

        # a double click adds once; what was shown has changed when more is added
        return await self._carry_out(request, give, (asked, "budget", form) if form.was else None)

    async def _command(
        self, request: web.Request, command: Callable[[str], Coroutine[Any, Any, None]], said: str
    ) -> web.StreamResponse:
        await read_form(request, NoFields)

        async def carry_out() -> str:
            await command(issue_id(request))
            return said.format(shown(issue_id(request)))

        return await self._carry_out(request, carry_out)

    async def _carry_out(
        self,
        request: web.Request,
        work: Callable[[], Coroutine[Any, Any, str]],
        key: Hashable | None = None,
        typed: str = "",
    ) -> web.StreamResponse:
        try:
            said = await self._once.run(key, work)
        except SymphonyError as error:
            return self._site.refused(request, error, self._back(request), typed)
        return self._site.done(request, said, self._back(request))

    @staticmethod
    def _back(request: web.Request) -> str:
        """Return the page that the form was on; the issue's where the browser does not say."""
        came = urlsplit(request.headers.get("Referer", ""))
        page = f"/issues/{id_path(issue_id(request))}"
        if came.netloc != request.headers.get("Host"):
            return page
        path = own_path(f"{came.path}?{came.query}" if came.query else came.path)
        return page if path.startswith(f"{page}/") else path


def shown(issue: str) -> str:
    """Return an id as it is said in a sentence."""
    return one_line(issue, SHOWN)
