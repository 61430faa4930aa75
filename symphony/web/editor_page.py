"""The pages that make and change an issue: what was typed is kept whatever becomes of it.

Both work as plain forms. A script keeps a copy of what is being typed (`static/drafts.js`) and is
told by a cookie which copy has become an issue.
"""

import asyncio
import re
import secrets
from typing import Any, Final

from aiohttp import web
from markupsafe import Markup, escape

from symphony.core.editing import EditConflict, Editing, IssueText, IssueTextRefused, TextFault, TextReading
from symphony.core.errors import SymphonyError
from symphony.core.issue import Issue
from symphony.core.operations import Operations
from symphony.core.states import StateRole
from symphony.web.api import issue_id
from symphony.web.differences import Difference, differences
from symphony.web.errors import status_of
from symphony.web.forms import read_form
from symphony.web.guards import cookie_name
from symphony.web.issue_form import FIELDS, EditForm, NewForm, PreviewForm, unified
from symphony.web.live import Live
from symphony.web.markdown import render_markdown
from symphony.web.once import Once
from symphony.web.site import Site, id_path

TOKEN: Final = re.compile(r"[0-9a-f]{16}")
SAVED_COOKIE: Final = "symphony_saved"
SAVED_KEPT: Final = 8  # drafts of so many pages at once
SAVED_S: Final = 86_400  # the script forgets the copy when it next runs
HEADER: Final = "header"
FORM_LIMIT_BYTES: Final = 4 * 1_048_576  # a form writes a letter with up to three times its bytes


class EditorPage:
    """New and edit issue, with their previews."""

    def __init__(self, site: Site, live: Live, operations: Operations, editing: Editing) -> None:
        self._site = site
        self._live = live
        self._operations = operations
        self._editing = editing
        self._once: Once[Issue] = Once()

    def add_to(self, app: web.Application) -> None:
        """Give the application the paths."""
        app.router.add_get("/new", self.new)
        app.router.add_post("/new", self.create)
        app.router.add_post("/preview", self.preview)
        app.router.add_get("/issues/{id:[^/]+}/edit", self.edit)
        app.router.add_post("/issues/{id:[^/]+}/edit", self.save)
        app.router.add_post("/issues/{id:[^/]+}/preview", self.reading)

    def close(self) -> None:
        """End what is still under way."""
        self._once.close()

    async def new(self, request: web.Request) -> web.Response:
        """Show the empty form."""
        form = NewForm(state=request.query.get("state", ""), draft=new_token())
        return self._new_page(request, form)

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Make the issue, or show the form again as it was sent with what is wrong with it."""
        form = await read_form(request, NewForm, FORM_LIMIT_BYTES)
        if form.action == "preview":
            return self._new_page(request, form, preview=await rendered(unified(form.body)))
        wrong = form.wrong()
        if wrong:
            return self._new_page(request, form, wrong=wrong, status=422)
        try:
            key = form if form.draft else None  # who names no form means every one of them
            issue = await self._once.run(key, lambda: self._operations.create(form.asked()))
        except SymphonyError as error:
            wrong = {FIELDS.get(error.code, "form"): str(error)}
            return self._new_page(request, form, wrong=wrong, status=status_of(error))
        return self._done(request, issue, f"Created {issue.identifier}.", form.draft)

    async def preview(self, request: web.Request) -> web.Response:
        """Return a body as it will be shown."""
        form = await read_form(request, PreviewForm, FORM_LIMIT_BYTES)
        return fragment(self._site.fragment("preview.html", preview=await rendered(unified(form.body))))

    async def edit(self, request: web.Request) -> web.Response:
        """Show the issue's whole text.

        Raises:
            SymphonyError: there is no such file, or it is none that can be edited.
        """
        opened = await self._editing.text(issue_id(request))
        return await self._edit_page(request, opened, opened.text, opened.revision)

    async def save(self, request: web.Request) -> web.StreamResponse:
        """Save the text, or show it again as it was sent with what is in its way."""
        form = await read_form(request, EditForm, FORM_LIMIT_BYTES)
        asked, text = issue_id(request), unified(form.text)
        if form.action == "preview":
            return await self._edit_page(request, None, text, form.revision, draft=form.draft)
        try:
            # a repeated save is the tracker's to judge: the file may have changed in between
            issue = await self._once.run(None, lambda: self._editing.save(asked, text, form.revision))
        except EditConflict as conflict:
            now = conflict.now
            found = await asyncio.to_thread(differences, now.text, text)
            return await self._edit_page(
                request, now, text, now.revision, draft=form.draft, error=conflict, theirs=now, found=found
            )
        except SymphonyError as error:
            return await self._edit_page(request, None, text, form.revision, draft=form.draft, error=error)
        return self._done(request, issue, f"Saved {issue.identifier}.", form.draft)

    async def reading(self, request: web.Request) -> web.Response:
        """Return what an edited text would be read as, and its body as it will be shown."""
        form = await read_form(request, PreviewForm, FORM_LIMIT_BYTES)
        values = await self._read(issue_id(request), unified(form.text))
        return fragment(self._site.fragment("reading_live.html", **values))

    def _new_page(
        self,
        request: web.Request,
        form: NewForm,
        *,
        wrong: dict[str, str] | None = None,
        preview: Markup | None = None,
        status: int = 200,
    ) -> web.Response:
        states = self._operations.picture().states
        chosen = states.canonical(form.state) or form.state or states.with_role(StateRole.ACTIVE)[0]
        options = [(name, states.role(name).value) for name in states.names]
        if states.canonical(chosen) is None:
            options.append((chosen, "not configured"))
        return self._page(
            request,
            "new.html",
            status=status,
            form=form,
            title=escape(form.title),
            body=escape(unified(form.body)),
            labels=", ".join(form.labels),
            blocked_by=", ".join(form.blocked_by),
            states=options,
            chosen=chosen,
            wrong=wrong or {},
            preview=preview,
            sent=request.method == "POST",
        )

    async def _edit_page(
        self,
        request: web.Request,
        opened: IssueText | None,
        text: str,
        revision: str,
        *,
        draft: str = "",
        error: SymphonyError | None = None,
        theirs: IssueText | None = None,
        found: tuple[Difference, ...] = (),
    ) -> web.Response:
        values = await self._read(issue_id(request), text)
        told = {fault.message for fault in values["reading"].faults}
        silent = error is None or isinstance(error, IssueTextRefused) or str(error) in told
        return self._page(
            request,
            "edit.html",
            status=200 if error is None else status_of(error),
            issue_id=issue_id(request),
            path_on_disk=None if opened is None else str(opened.path),
            typed=escape(text),
            revision=revision,
            draft=draft or new_token(),
            refused=error is not None,
            error=None if silent else error,
            theirs=None if theirs is None else escape(theirs.text),
            found=found,
            sent=request.method == "POST",
            **values,
        )

    async def _read(self, asked: str, text: str) -> dict[str, Any]:
        """Return what a text would be read as, also when nobody can say under which id."""
        try:
            reading = await self._editing.check(asked, text)
        except SymphonyError as error:
            reading = TextReading(None, (TextFault(str(error)),))
        issue = reading.issue
        return {
            "reading": reading,
            "renamed": None if issue is None or issue.id == asked else issue.id,
            "preview": None if issue is None else await rendered(issue.description),
        }

    def _done(self, request: web.Request, issue: Issue, said: str, draft: str) -> web.StreamResponse:
        response = self._site.done(request, said, f"/issues/{id_path(issue.id)}")
        if TOKEN.fullmatch(draft):
            cookie = cookie_name(SAVED_COOKIE, request)
            before = [token for token in request.cookies.get(cookie, "").split(".") if TOKEN.fullmatch(token)]
            response.set_cookie(
                cookie, ".".join([*before, draft][-SAVED_KEPT:]), max_age=SAVED_S, samesite="Strict"
            )
        return response

    def _page(self, request: web.Request, name: str, *, status: int, **values: Any) -> web.Response:
        cursor = self._live.look()
        return self._site.page(
            request, name, status=status, cursor=cursor, header=self._live.part(HEADER), **values
        )


def new_token() -> str:
    """Return a name for one form."""
    return secrets.token_hex(8)


async def rendered(text: str) -> Markup:
    """Return Markdown as it will be shown; a long one is rendered beside the loop."""
    return await asyncio.to_thread(render_markdown, text)


def fragment(html: str) -> web.Response:
    """Return a part of a page."""
    return web.Response(text=html, content_type="text/html")
