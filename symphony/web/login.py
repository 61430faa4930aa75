"""Signing in with the server's token: a page and a cookie [CONTRACT 7.2]."""

from typing import Final

from aiohttp import web

from symphony.web.forms import read_form
from symphony.web.guards import COOKIE, Guard, cookie_name, cookie_of
from symphony.web.requests import Body
from symphony.web.site import Site, see_other

COOKIE_S: Final = 30 * 86_400  # a month; a new token ends it at once
FORM_LIMIT_BYTES: Final = 4_096  # a token and a path


class LoginBody(Body):
    """What the page sends."""

    token: str = ""
    next: str = "/"


class Login:
    """The page, which needs no token."""

    def __init__(self, site: Site, guard: Guard) -> None:
        self._site = site
        self._guard = guard

    def add_to(self, app: web.Application) -> None:
        """Give the application the paths."""
        app.router.add_get("/login", self.show)
        app.router.add_post("/login", self.sign_in)
        app.router.add_post("/logout", self.sign_out)

    async def show(self, request: web.Request) -> web.Response:
        """Show the form."""
        return self._page(request, own_path(request.query.get("next", "/")))

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """Give the cookie for the right token, and the form again for a wrong one.

        Raises:
            Refusal: 429 after too many wrong ones.
        """
        self._guard.patience.check(request.remote or "")
        body = await read_form(request, LoginBody, FORM_LIMIT_BYTES)
        back = own_path(body.next)
        if self._guard.token is None:
            return see_other(back)
        if not self._guard.is_token(request, body.token.strip()):
            return self._page(request, back, wrong=True)
        response = see_other(back)
        response.set_cookie(
            cookie_name(COOKIE, request),
            cookie_of(self._guard.token),
            max_age=COOKIE_S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.headers.get("Origin", "").startswith("https:"),
        )
        return response

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """Take the cookie back."""
        response = see_other("/login")
        response.del_cookie(cookie_name(COOKIE, request), path="/", httponly=True, samesite="Strict")
        return response

    def _page(self, request: web.Request, back: str, *, wrong: bool = False) -> web.Response:
        status = 401 if wrong else 200
        return self._site.page(request, "login.html", status=status, back=back, wrong=wrong)


def own_path(path: str) -> str:
    """Return a path of this server, or its root for anything that could lead elsewhere."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain and "\\" not in path else "/"
