"""The MCP servers that `acp.mcp_servers` adds to a session: resolved, and safe for a guest. Pure.

What a machine's agent is given it holds in plain, and it is hostile: a variable of the host goes there
only if `smolvm.forward_env` lets it, or in a header of an HTTPS server, where the guest has a placeholder
and the engine puts in the value on the way to that host.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from symphony.core.agent import McpServer
from symphony.core.hosts import HostRefused, parse_host
from symphony.core.machine import Credential, GuestNeeds
from symphony.core.redaction import SECRET_KEYS
from symphony.core.references import filled_in, references_in
from symphony.core.settings import McpServerSettings, Settings

GUEST_PREFIX: Final = "SYMPHONY_MCP_"
KEY: Final = ("acp", "mcp_servers")

Fault: TypeAlias = tuple[tuple[str | int, ...], str]


def resolved(server: McpServerSettings, values: Mapping[str, str]) -> McpServer:
    """Return a server with these values of its variables.

    Raises:
        KeyError: there is none for one.
    """
    names = references_in("\n".join(texts_of(server)))
    return McpServer(
        server.name,
        url=None if server.url is None else filled_in(server.url, values),
        headers={each.name: filled_in(each.value, values) for each in server.headers},
        command=None if server.command is None else filled_in(server.command, values),
        args=tuple(filled_in(text, values) for text in server.args),
        environment={each.name: filled_in(each.value, values) for each in server.env},
        sse=server.transport == "sse",
        secrets=frozenset(values[name] for name in names),
    )


def texts_of(server: McpServerSettings) -> Iterator[str]:
    """Yield every text of a server in which a variable can be named."""
    yield from (text for text in (server.command, server.url, *server.args) if text is not None)
    yield from (each.value for each in (*server.env, *server.headers))


def with_servers(needs: GuestNeeds, settings: Settings) -> GuestNeeds:
    """Return what a guest needs, the hosts and the header secrets of its session's servers too."""
    hosts: dict[str, None] = dict.fromkeys(needs.hosts)
    goals: dict[str, dict[str, None]] = {}
    for server in settings.acp.mcp_servers:
        host = host_of(server)
        if host is None:
            continue
        hosts[host] = None
        for name in references_in("\n".join(each.value for each in server.headers)):
            if name not in settings.smolvm.forward_env:
                goals.setdefault(name, {})[host] = None
    credentials = (
        Credential(f"{GUEST_PREFIX}{name}", name, tuple(where)) for name, where in sorted(goals.items())
    )
    return replace(needs, hosts=tuple(hosts), credentials=(*needs.credentials, *credentials))


def host_of(server: McpServerSettings) -> str | None:
    """Return the host of a server with a URL as a guest may reach it; None where there is none."""
    if server.url is None:
        return None
    try:
        return parse_host(urlsplit(server.url).hostname or "")
    except (ValueError, HostRefused):
        return None


def guest_faults(settings: Settings) -> Iterator[Fault]:
    """Yield why servers cannot be given to an agent in a machine."""
    for number, server in enumerate(settings.acp.mcp_servers):
        key = (*KEY, number)
        if server.url is None:
            yield from _program_faults(key, server, settings.smolvm.forward_env)
        else:
            yield from _url_faults(key, server, server.url, settings)


def _program_faults(
    key: tuple[str | int, ...], server: McpServerSettings, forwarded: Iterable[str]
) -> Iterator[Fault]:
    given: dict[tuple[str | int, ...], str] = {("command",): server.command or ""}
    given |= {("args", place): text for place, text in enumerate(server.args)}
    given |= {("env", place, "value"): each.value for place, each in enumerate(server.env)}
    for below, text in given.items():
        if secret := _kept(text, forwarded):
            yield (
                (*key, *below),
                f"found `${{env:{secret}}}`; in a machine this program runs beside the agent, which would "
                f"hold the value; allowed: a server with a url, or {secret} in smolvm.forward_env if it is "
                "no secret.",
            )


def _url_faults(
    key: tuple[str | int, ...], server: McpServerSettings, url: str, settings: Settings
) -> Iterator[Fault]:
    forwarded = settings.smolvm.forward_env
    if settings.smolvm.net is False:
        yield (*key, "url"), "found beside `smolvm.net: false`; allowed: a command, or a network."
        return
    if secret := _kept(url, forwarded):
        yield (
            (*key, "url"),
            f"found `${{env:{secret}}}`; in a machine the agent would hold the value; allowed: in a header.",
        )
        return
    if not references_in(url):
        try:
            parse_host(urlsplit(url).hostname or "")
        except (ValueError, HostRefused) as error:
            yield (*key, "url"), f"found a url that no machine can reach: {error}"
    for place, each in enumerate(server.headers):
        below = (*key, "headers", place, "value")
        if (secret := _kept(each.value, forwarded)) and urlsplit(url).scheme.lower() != "https":
            yield (
                below,
                f"found `${{env:{secret}}}` for a url that is not https; from a machine a secret goes to "
                "https alone; allowed: a url that begins with https://.",
            )
        elif each.name.lower() in SECRET_KEYS and not references_in(each.value):
            yield (
                below,
                "found a secret written out; in a machine the agent would hold it; allowed: `${env:NAME}`, "
                "for which the agent gets a placeholder.",
            )


def _kept(text: str, forwarded: Iterable[str]) -> str | None:
    """Return the first variable in a text that no guest may hold."""
    return next((name for name in references_in(text) if name not in forwarded), None)
