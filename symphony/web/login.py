"""Signing in with the server's token: a page, a cookie, and patience with those who guess [CONTRACT 7.2]."""

from collections import deque
from collections.abc import Callable
from typing import Final

from aiohttp import web

from symphony.core.text import counted
from symphony.web.errors import Refusal
from symphony.web.forms import read_form
from symphony.web.guards import COOKIE, Guard, cookie_of
from symphony.web.requests import Body
from symphony.web.site import Site, see_other

COOKIE_S: Final = 30 * 86_400  # a month; a new token ends it at once
TRIES: Final = 5  # wrong tokens in a window, from whomever: a person mistypes twice
WINDOW_S: Final = 60.0


class LoginBody(Body):
    """What the page sends."""

    token: str = ""
    next: str = "/"


class Login:
    """The page and the count of wrong tokens."""

    def __init__(self, site: Site, guard: Guard, monotonic: Callable[[], float]) -> None:
        self._site = site
        self._guard = guard
        self._monotonic = monotonic
        self._wrong: deque[float] = deque(maxlen=TRIES)

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
        body = await read_form(request, LoginBody)
        self._raise_if_hurried()
        back = own_path(body.next)
        if self._guard.token is None:
            return see_other(back)
        if not self._guard.is_token(body.token.strip()):
            self._wrong.append(self._monotonic())
            return self._page(request, back, wrong=True)
        self._wrong.clear()
        response = see_other(back)
        response.set_cookie(
            COOKIE,
            cookie_of(self._guard.token),
            max_age=COOKIE_S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """Take the cookie back."""
        del request
        response = see_other("/login")
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    def _raise_if_hurried(self) -> None:
        if len(self._wrong) < TRIES:
            return
        left = self._wrong[0] + WINDOW_S - self._monotonic()
        if left > 0:
            wait = max(1, round(left))
            raise Refusal(
                429,
                "too_many_tries",
                f"Wrong tokens came in too often; try again in {counted(wait, 'second')}.",
                headers={"Retry-After": str(wait)},
            )

    def _page(self, request: web.Request, back: str, *, wrong: bool = False) -> web.Response:
        status = 401 if wrong else 200
        return self._site.page(request, "login.html", status=status, back=back, wrong=wrong)


def own_path(path: str) -> str:
    """Return a path of this server, or its root for anything that could lead elsewhere."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain and "\\" not in path else "/"
