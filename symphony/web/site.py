"""What all pages share: the templates, the layout, notices and the pages for errors."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import jinja2
from aiohttp import web
from markupsafe import Markup

from symphony.core.errors import SymphonyError
from symphony.core.keys import workspace_key
from symphony.core.text import counted, duration, one_line, plain
from symphony.web.assets import Assets
from symphony.web.errors import status_of
from symphony.web.forms import is_htmx

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
NOTICE_COOKIE: Final = "symphony_notice"  # carries a sentence over a redirect
NOTICE_LIMIT: Final = 500  # characters
NOTICE_S: Final = 20  # far longer than a redirect takes
TITLE_LIMIT: Final = 200  # characters of a title on a page
TEXT_LIMIT: Final = 20_000  # characters of anything that is shown in full

HTMX_CONFIG: Final = json.dumps(
    {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
        "responseHandling": [{"code": "204", "swap": False}, {"code": "...", "swap": True}],
    }
)


class Site:
    """The templates with what they may use.

    Attributes:
        assets: style sheets and scripts.
    """

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=as_text,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            id_path=id_path,
            element_id=workspace_key,
            line=lambda text: one_line(str(text), TITLE_LIMIT),
            text=lambda text: plain(str(text), TEXT_LIMIT),
            duration=duration,
            since=lambda moment, now: duration((now - moment).total_seconds()),
            instant=instant,
            clock=lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
            counted=counted,
        )
        self._templates.globals.update(assets=assets.by_name, htmx_config=HTMX_CONFIG, missing=assets.missing)

    def fragment(self, name: str, **values: Any) -> str:
        """Return a part of a page."""
        return self._templates.get_template(name).render(**values)

    def page(
        self,
        request: web.BaseRequest,
        name: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> web.Response:
        """Return a page, with the notice that a redirect brought along."""
        notice = plain(unquote(request.cookies.get(NOTICE_COOKIE, "")), NOTICE_LIMIT)
        text = self.fragment(name, notice=notice, path=request.path, **values)
        response = web.Response(text=text, status=status, content_type="text/html", headers=headers)
        if NOTICE_COOKIE in request.cookies:
            response.del_cookie(NOTICE_COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    def done(self, request: web.BaseRequest, message: str, back: str) -> web.StreamResponse:
        """Return that a form was carried out: a notice, or the page `back` with it."""
        if is_htmx(request):
            return self.notice(message, bad=False)
        response = see_other(back)
        response.set_cookie(
            NOTICE_COOKIE,
            quote(plain(message, NOTICE_LIMIT)),
            max_age=NOTICE_S,
            path="/",
            httponly=True,
            samesite="Strict",
        )
        return response

    def refused(
        self, request: web.BaseRequest, error: SymphonyError, back: str, typed: str = ""
    ) -> web.Response:
        """Return why a form was not carried out: a notice, or a page that keeps what was typed."""
        if is_htmx(request):
            return self.notice(str(error), bad=True, status=status_of(error))
        return self.error_page(request, error, back=back, typed=typed)

    def notice(self, message: str, *, bad: bool, status: int = 200) -> web.Response:
        """Return the notice as a fragment that finds its own place."""
        text = self.fragment("notice.html", notice=plain(message, NOTICE_LIMIT), bad=bad, oob=True)
        return web.Response(text=text, status=status, content_type="text/html")

    def error_page(
        self, request: web.BaseRequest, error: SymphonyError, *, back: str = "/", typed: str = ""
    ) -> web.Response:
        """Return a page that says what went wrong and what to do."""
        headers: Mapping[str, str] = getattr(error, "headers", {})
        return self.page(
            request,
            "error.html",
            status=status_of(error),
            headers=headers,
            error=error,
            back=back,
            typed=plain(typed, TEXT_LIMIT),
        )


def as_text(value: object) -> object:
    """Return what a template prints, without control characters and bounded, whoever wrote it."""
    return plain(value, TEXT_LIMIT) if isinstance(value, str) and not isinstance(value, Markup) else value


def see_other(path: str) -> web.Response:
    """Return the way to another page, taken with GET."""
    return web.Response(status=303, headers={"Location": path})


def id_path(issue_id: str) -> str:
    """Return an id as a part of a path."""
    return quote(issue_id, safe="")


def instant(moment: datetime) -> str:
    """Return a time for the `datetime` attribute."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_live(element_id: str, html: str) -> Markup:
    """Return a fragment that replaces the element with its id, wherever it is on the page."""
    mark = f' id="{element_id}"'
    return Markup(html.replace(mark, f'{mark} hx-swap-oob="morph"', 1))  # noqa: S704 - a template made it
