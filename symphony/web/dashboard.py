"""The dashboard: every page over one daemon, put together."""

import secrets
from typing import Final
from urllib.parse import quote

from aiohttp import web

from symphony.core.errors import SymphonyError
from symphony.web.actions import Actions
from symphony.web.assets import Assets
from symphony.web.editor_page import EditorPage
from symphony.web.errors import Refusal
from symphony.web.forms import is_htmx
from symphony.web.guards import Guard
from symphony.web.home import Home
from symphony.web.inbox_page import InboxPage
from symphony.web.issue_page import IssuePage
from symphony.web.login import Login
from symphony.web.site import Site, see_other
from symphony.web.surface import Surface
from symphony.web.workflow_page import WorkflowPage

PROGRAMS: Final = ("/api", "/healthz", "/metrics")  # paths whose answers are for programs
SIGNED_OUT: Final = "You are signed out: sign in at /login in another tab; what you typed stays here."
STREAM: Final = "/live"
PARTS: Final = ("/live", "/static/")  # and those that a page asks for by itself


class Dashboard:
    """All pages."""

    def __init__(self, surface: Surface, guard: Guard) -> None:
        self._site = Site(Assets.read())
        operations = surface.operations
        self._home = Home(self._site, operations, run=secrets.token_hex(4))
        self._inbox = InboxPage(self._site, self._home.live)
        self._login = Login(self._site, guard)
        self._actions = Actions(self._site, operations)
        self._issue = IssuePage(self._site, operations, surface.branches, self._home.live)
        self._editor = EditorPage(self._site, self._home.live, operations, surface.editing)
        self._workflow = WorkflowPage(self._site, self._home.live, operations, surface.workflow)

    def add_to(self, app: web.Application) -> None:
        """Give the application every page's paths."""
        self._site.assets.add_to(app)
        self._login.add_to(app)
        for page in (self._home, self._inbox, self._issue, self._actions, self._editor, self._workflow):
            page.add_to(app)

    def close_streams(self) -> None:
        """End what would else last as long as a browser is open."""
        for page in (self._home, self._issue):
            page.close()

    def close(self) -> None:
        """End what forms asked for and has not been done yet."""
        for page in (self._actions, self._editor):
            page.close()

    @staticmethod
    def is_page(request: web.BaseRequest) -> bool:
        """Say whether people ask for this path, rather than programs."""
        return not request.path.startswith(PROGRAMS)

    def answer(self, request: web.Request, error: SymphonyError) -> web.StreamResponse:
        """Return an error as a page, as a notice on the page that asked, or as the way to the login."""
        if isinstance(error, Refusal) and error.status == 401:
            part = request.path.startswith(PARTS) or request.path.endswith(STREAM)
            if request.method == "GET" and not part and not is_htmx(request):
                return see_other(f"/login?next={quote(request.path_qs, safe='')}")
            error = Refusal(401, "unauthorized", SIGNED_OUT, headers=error.headers)
        if is_htmx(request):
            return self._site.refused(request, error, "/")
        return self._site.error_page(request, error)
