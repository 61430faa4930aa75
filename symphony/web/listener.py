"""The daemon's one HTTP listener: opened with its guards, closed in bounded time [CONTRACT 7].

Every answer has strict headers, also those to requests that no endpoint sees. Errors are JSON, and
pages on the paths of pages.
"""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

import structlog
from aiohttp import web

from symphony.core.errors import SymphonyError
from symphony.core.text import one_line
from symphony.web.api import Api, is_agent_path
from symphony.web.dashboard import Dashboard
from symphony.web.errors import Refusal, WebError, error_response, internal_error, method_not_allowed
from symphony.web.guards import Guard
from symphony.web.surface import Surface

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPEN_PATHS: Final = ("/healthz", "/login", "/static/")  # say nothing that a token would protect
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "symphony",
    "X-Content-Type-Options": "nosniff",
}
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # a form's Origin would be null without
}
READING: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long the listener waits, in seconds.

    Attributes:
        body_s: for a request's body; a local client needs milliseconds for 1 MiB.
        operation_s: for what a request asks of the daemon; deleting a large workspace takes seconds.
        idle_s: for a connection to send a whole request head, first or next.
        unread_s: for taking in the rest of a refused body, so that its sender sees the refusal.
        close_s: for requests under way when the listener closes; twice at the very worst.
    """

    body_s: float = 15.0
    operation_s: float = 30.0
    idle_s: float = 60.0
    unread_s: float = 2.0
    close_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Listener:
    """An open listener.

    Attributes:
        url: without a path, as a program on this machine reaches it.
    """

    url: str
    port: int


class Connection(web.RequestHandler):
    """aiohttp's side of one connection; what is not HTTP gets the common error shape too."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to a request that never reached the application."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        log.debug("web.request_unreadable", status=status, reason=one_line(message or str(exc)))
        bad = Refusal(400, "bad_request", "The request is not valid HTTP.")
        response = error_response(internal_error() if status >= 500 else bad)
        response.headers.update(SECURITY_HEADERS)
        response.force_close()
        return response


@asynccontextmanager
async def open_listener(
    surface: Surface,
    *,
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: Collection[str] = (),
    bounds: Bounds = Bounds(),
) -> AsyncIterator[Listener]:
    """Listen until the context is left.

    Args:
        surface: the daemon behind the requests.
        host: an address or a name of this machine; a name is bound at its first address.
        port: 0 takes a free one.
        token: what people must show; required unless the address is loopback.
        allowed_hosts: further names in a Host header that are this server; a port is ignored.
        bounds: the waits.

    Raises:
        WebError: on entering: `port_in_use`, `port_not_permitted`, `address_unavailable`,
            `token_required`.
    Cancellation: requests under way get `bounds.close_s`, idle connections are closed at once.
    """
    address = await resolve(host)
    if token is not None and not token.strip():
        token = None
    if token is None and not ipaddress.ip_address(address).is_loopback:
        raise WebError(
            f"server.host {host} can be reached from other machines and server.token is not set.",
            code="token_required",
            remedy="In WORKFLOW.md, set server.token, to $SYMPHONY_TOKEN say, or server.host to 127.0.0.1.",
        )
    guard = Guard.of(host, address, token, allowed_hosts)
    api = Api(surface, bounds.body_s, bounds.operation_s)
    dashboard = Dashboard(surface, guard)
    runner = web.AppRunner(
        application(api, dashboard, guard),
        access_log=None,
        shutdown_timeout=bounds.close_s,
    )
    await runner.setup()
    try:
        server = await listen(runner, host, address, port, bounds)
        try:
            bound_port = server.sockets[0].getsockname()[1]
            yield Listener(url_of(address, bound_port), bound_port)
        finally:
            server.close()
    finally:
        dashboard.close_streams()
        try:
            await runner.cleanup()
        finally:
            dashboard.close()
            await api.aclose()


def application(api: Api, dashboard: Dashboard, guard: Guard) -> web.Application:
    """Return the application with its guards around every path, known or not."""

    def answer(request: web.Request, error: SymphonyError) -> web.StreamResponse:
        if Dashboard.is_page(request):
            return dashboard.answer(request, error)
        return error_response(error)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            guard.check_host(request)
            if not is_agent_path(request):
                if not request.path.startswith(OPEN_PATHS):
                    guard.check_token(request)
                guard.check_origin(request)
                if Dashboard.is_page(request) and request.method not in READING:
                    guard.check_names_origin(request)
            return await handler(request)
        except web.HTTPNotFound:
            return answer(
                request, Refusal(404, "not_found", f"There is nothing at {one_line(request.path)}.")
            )
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            return answer(
                request, method_not_allowed(one_line(request.method, 20), one_line(request.path), allowed)
            )
        except web.HTTPException as error:
            return answer(request, Refusal(error.status, "http_error", f"{error.reason}."))
        except SymphonyError as error:
            return answer(request, error)
        except ConnectionError:
            raise  # the other side has gone
        except Exception:
            log.exception("web.request_broke", method=request.method, path=one_line(request.path))
            return answer(request, internal_error())

    async def secure(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update({**SECURITY_HEADERS, **kept(response)})
        if response.content_type == "text/html":
            response.headers.update(PAGE_HEADERS)
        if isinstance(response, web.Response) and not response.body:
            response.headers.popall("Content-Type", None)

    app = web.Application(middlewares=[guarded])
    app.on_response_prepare.append(secure)
    api.add_to(app)
    dashboard.add_to(app)
    return app


def kept(response: web.StreamResponse) -> dict[str, str]:
    """Return the response's own word on how long it may be kept, if it has one."""
    given = response.headers.get("Cache-Control")
    return {} if given is None else {"Cache-Control": given}


async def resolve(host: str) -> str:
    """Return the first address of a host on this machine, IPv4 first for a name that has both.

    Raises:
        WebError: `address_unavailable`.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise address_unavailable(host) from error
    addresses = sorted(found, key=lambda each: each[0] is not socket.AF_INET)
    return str(addresses[0][4][0])


async def listen(runner: web.AppRunner, host: str, address: str, port: int, bounds: Bounds) -> asyncio.Server:
    """Return the open socket's server.

    Raises:
        WebError: `port_in_use`, `port_not_permitted`, `address_unavailable`.
    """
    loop = asyncio.get_running_loop()
    manager = cast("web.Server", runner.server)  # there once the runner is set up

    def connect() -> Connection:
        return Connection(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own way to ask for no log
            keepalive_timeout=bounds.idle_s,
            lingering_time=bounds.unread_s,
        )

    try:
        return await loop.create_server(connect, address, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise WebError(
                f"{host}:{port} is in use by another program.",
                code="port_in_use",
                remedy="Stop that program, set another server.port, or use `--port 0` for a free one.",
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise WebError(
                f"This user may not listen on {host}:{port}.",
                code="port_not_permitted",
                remedy="Use a port above 1023, or `--port 0` for a free one.",
            ) from error
        raise address_unavailable(host) from error


def address_unavailable(host: str) -> WebError:
    """Return what is said of a host that is not this machine."""
    return WebError(
        f"server.host {host} is not an address of this machine.",
        code="address_unavailable",
        remedy="Set server.host in WORKFLOW.md to 127.0.0.1.",
    )


def url_of(address: str, port: int) -> str:
    """Return how a program on this machine reaches the listener."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_unspecified:
        parsed = ipaddress.ip_address("127.0.0.1" if parsed.version == 4 else "::1")
    return f"http://[{parsed}]:{port}" if parsed.version == 6 else f"http://{parsed}:{port}"
