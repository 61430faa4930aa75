"""What all pages share: the templates, the layout, notices and the pages for errors."""

import json
import re
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
from symphony.web.guards import COOKIE, cookie_name

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
NOTICE_COOKIE: Final = "symphony_notice"  # carries a sentence over a redirect
NOTICE_LIMIT: Final = 500  # characters
NOTICE_S: Final = 20  # far longer than a redirect takes
TITLE_LIMIT: Final = 200  # characters of a title on a page
HALF: Final = re.compile("[\ud800-\udfff]")
TEXT_LIMIT: Final = 20_000  # characters of anything that is shown in full

HTMX_CONFIG: Final = json.dumps(
    {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
        "responseHandling": [
            {"code": "204", "swap": False},
            {"code": "[45]..", "swap": True, "error": True},
            {"code": "...", "swap": True},
        ],
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
            ago=ago,
            until=until,
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
        cookie = cookie_name(NOTICE_COOKIE, request)
        notice = plain(unquote(request.cookies.get(cookie, "")), NOTICE_LIMIT)
        text = self.fragment(
            name,
            notice=notice,
            path=request.path,
            signed_in=cookie_name(COOKIE, request) in request.cookies,
            server_time=instant(datetime.now(UTC)),
            **values,
        )
        response = web.Response(text=text, status=status, content_type="text/html", headers=headers)
        if cookie in request.cookies:
            response.del_cookie(cookie, path="/", httponly=True, samesite="Strict")
        return response

    def done(self, request: web.BaseRequest, message: str, back: str) -> web.StreamResponse:
        """Return that a form was carried out: a notice, or the page `back` with it."""
        if is_htmx(request):
            return self.notice(message, bad=False)
        response = see_other(back)
        response.set_cookie(
            cookie_name(NOTICE_COOKIE, request),
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
    """Return an id as a part of a path, also one from a file name that is not UTF-8."""
    how = "surrogateescape" if is_escaped(issue_id) else "surrogatepass"
    return quote(issue_id.encode("utf-8", how), safe="")


def is_escaped(text: str) -> bool:
    """Say whether half characters stand for bytes, as in the name of a file."""
    return all("\udc80" <= character <= "\udcff" for character in HALF.findall(text))


def instant(moment: datetime) -> str:
    """Return a time for the `datetime` attribute."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ago(moment: datetime, after: str = "") -> Markup:
    """Return a time in the past; a script makes it a duration that counts, with `after` behind it."""
    words = Markup('<time data-since="{0}" data-after="{2}">at {1:%Y-%m-%d %H:%M:%S} UTC</time>')
    return words.format(instant(moment), moment.astimezone(UTC), after)


def until(moment: datetime, before: str = "in ") -> Markup:
    """Return a time to come; a script makes it a duration that counts, with `before` in front of it."""
    words = Markup('<time data-until="{0}" data-before="{2}">at {1:%Y-%m-%d %H:%M:%S} UTC</time>')
    return words.format(instant(moment), moment.astimezone(UTC), before)


def as_live(element_id: str, html: str) -> Markup:
    """Return a fragment that replaces the element with its id, wherever it is on the page."""
    mark = f' id="{element_id}"'
    return Markup(html.replace(mark, f'{mark} hx-swap-oob="morph"', 1))  # noqa: S704 - a template made it
