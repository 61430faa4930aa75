"""What `acp.mcp_servers` must satisfy beyond the type of each key; called by `rules`."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from symphony.core.agent import OWN_SERVER
from symphony.core.references import filled_in
from symphony.core.session_servers import KEY, guest_faults
from symphony.core.settings import McpServerSettings, Settings
from symphony.core.settings.servers import NamedValue
from symphony.workflow.document import KeyPath
from symphony.workflow.variables import VARIABLE_NAME
from symphony.workflow.words import found

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z")  # agents put it before each tool's name
HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f]")

Finding: TypeAlias = tuple[KeyPath, str]


def server_faults(settings: Settings, values: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with the servers, given the values of the variables that they name."""
    seen: dict[str, int] = {}
    for number, server in enumerate(settings.acp.mcp_servers):
        key: KeyPath = (*KEY, number)
        yield from _name((*key, "name"), server.name, seen)
        seen.setdefault(server.name.lower(), number)
        yield from _kind(key, server)
        if server.url is not None and not _is_url(filled_in(server.url, values)):
            # it may hold a secret, so it is not repeated
            yield (*key, "url"), "found no URL; allowed: one that begins with https:// or http://."
        yield from _variables((*key, "env"), server.env)
        yield from _headers((*key, "headers"), server.headers, values)
    if settings.sandbox == "smolvm":
        yield from guest_faults(settings)


def _name(key: KeyPath, name: str, seen: Mapping[str, int]) -> Iterator[Finding]:
    if not NAME.match(name):
        yield key, f"found {found(name)}; allowed: 1 to 32 letters, digits, `_` and `-`."
    elif name.lower() == OWN_SERVER:
        yield key, f'found "{name}", which is symphony\'s own server; allowed: another name.'
    elif (other := seen.get(name.lower())) is not None:
        yield key, f'found "{name}", which acp.mcp_servers[{other}] has too; allowed: each name once.'


def _kind(key: KeyPath, server: McpServerSettings) -> Iterator[Finding]:
    if server.command is None and server.url is None:
        yield key, "found neither command nor url; allowed: one of the two."
    elif server.command is not None and server.url is not None:
        yield (*key, "url"), "found beside command; allowed: one of the two."
    elif server.type is not None and (server.type == "stdio") != (server.url is None):
        beside = "url" if server.command is None else "command"
        kinds = "stdio" if server.url is None else "http or sse"
        yield (*key, "type"), f"found {server.type} beside {beside}; allowed: {kinds}, or nothing."
    elif server.command is not None and not server.command.strip():
        yield (*key, "command"), "found a blank command; allowed: a program."
    for name, value, other in (
        ("headers", server.headers, server.command),
        ("args", server.args, server.url),
        ("env", server.env, server.url),
    ):
        if value and other is not None and not (server.command is not None and server.url is not None):
            with_what = "a url" if name == "headers" else "a command"
            yield (*key, name), f"found for a server that has none; allowed: with {with_what}."


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
    return fits and url.isascii() and not UNPRINTABLE.search(url) and " " not in url


def _variables(key: KeyPath, pairs: tuple[NamedValue, ...]) -> Iterator[Finding]:
    for number, each in enumerate(pairs):
        if not VARIABLE_NAME.fullmatch(each.name):
            yield (*key, number, "name"), f"found {found(each.name)}; allowed: a variable's name."
    yield from _twice(key, [each.name for each in pairs])


def _headers(key: KeyPath, pairs: tuple[NamedValue, ...], values: Mapping[str, str]) -> Iterator[Finding]:
    for number, each in enumerate(pairs):
        if not HEADER.match(each.name):
            yield (*key, number, "name"), f"found {found(each.name)}; allowed: a header's name."
        if UNPRINTABLE.search(filled_in(each.value, values)):
            yield (*key, number, "value"), "found a line break or the like; allowed: text on one line."
    yield from _twice(key, [each.name.lower() for each in pairs])


def _twice(key: KeyPath, names: list[str]) -> Iterator[Finding]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield (*key, number, "name"), f"found {found(name)} twice; allowed: each name once."
