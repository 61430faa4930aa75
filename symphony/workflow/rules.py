"""What the front matter must satisfy beyond the type of each key.

Each rule is a pure function from settings to what is wrong; it names the keys that it reads, and
is skipped while one of them has a problem of its own.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import urlsplit

from symphony.core.adapters import ADAPTERS, EFFORTS
from symphony.core.hosts import HostRefused, parse_host
from symphony.core.keys import is_branch_name
from symphony.core.provenance import parse_author
from symphony.core.settings import Settings
from symphony.core.states import StateRole, state_key
from symphony.workflow.document import KeyPath
from symphony.workflow.server_rules import server_faults
from symphony.workflow.tool_rules import tool_faults
from symphony.workflow.words import meant, one_of

GUEST_OWN = tuple(map(PurePosixPath, ("/run", "/proc", "/sys", "/dev")))  # the guest's and symphony's own
NAME_BYTES = 255  # what common file systems take for one folder's name

Finding: TypeAlias = tuple[KeyPath, str]
Rule: TypeAlias = Callable[[Settings], Iterator[Finding]]

ACTIVE: KeyPath = ("tracker", "active_states")
TERMINAL: KeyPath = ("tracker", "terminal_states")
STATES: KeyPath = ("states",)
STATE_KEYS = (STATES, ACTIVE, TERMINAL)
SERVER_KEYS: tuple[KeyPath, ...] = (("acp", "mcp_servers"), ("sandbox",), ("smolvm",))
EMPTY: Mapping[str, str] = MappingProxyType({})


def broken_rules(
    settings: Settings, broken: frozenset[KeyPath], variables: Mapping[str, str] = EMPTY
) -> Iterator[Finding]:
    """Yield what is wrong between keys, leaving out rules that read a key in `broken`.

    `variables` are the values of those that settings refer to.
    """

    def _servers(settings: Settings) -> Iterator[Finding]:
        return server_faults(settings, variables)

    for reads, rule in (*RULES, (SERVER_KEYS, _servers)):
        if not any(_touch(path, key) for path in broken for key in reads):
            yield from rule(settings)


def _touch(one: KeyPath, other: KeyPath) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _named_states(settings: Settings) -> list[tuple[KeyPath, str, StateRole]]:
    if settings.states is not None:
        return [((*STATES, name), name, state.role) for name, state in settings.states.items()]
    named: list[tuple[KeyPath, str, StateRole]] = [
        ((*ACTIVE, i), name, StateRole.ACTIVE) for i, name in enumerate(settings.tracker.active_states)
    ]
    terminal = enumerate(settings.tracker.terminal_states)
    ended: list[tuple[KeyPath, str, StateRole]] = [
        ((*TERMINAL, i), name, StateRole.TERMINAL) for i, name in terminal
    ]
    # the second of two lists is blamed for a clash, and that should be one which the file has
    return named + ended if "terminal_states" in settings.tracker.model_fields_set else ended + named


def _roles(settings: Settings) -> Iterator[Finding]:
    roles = {role for _, _, role in _named_states(settings)}
    for role, key in ((StateRole.ACTIVE, ACTIVE), (StateRole.TERMINAL, TERMINAL)):
        if role in roles:
            continue
        if settings.states is None:
            yield key, f"found an empty list; allowed: at least one {role.value} state."
        else:
            yield STATES, f"found no state with `role: {role.value}`; allowed: at least one."


def _state_names(settings: Settings) -> Iterator[Finding]:
    seen: dict[str, tuple[KeyPath, str]] = {}
    for path, name, _ in _named_states(settings):
        fault = _folder_fault(name)
        if fault:
            yield path, f'found "{name}"; a state names a folder, so {fault}.'
            continue
        key = state_key(name)
        if key in seen:
            other_path, other = seen[key]
            where = "terminal_states" if other_path[:2] == TERMINAL else "active_states"
            if settings.states is None and other_path[:2] != path[:2]:
                yield path, f'found "{name}", which {where} has too; a state is active or terminal.'
            else:
                yield path, f'found "{name}" beside "{other}"; names must differ in more than case.'
        seen.setdefault(key, (path, name))


def _folder_fault(name: str) -> str | None:
    if not name.strip():
        return "it must not be blank"
    if "/" in name:
        return "it must not contain `/`"
    if name.strip().startswith("."):
        return "it must not start with a dot"
    if not name.isprintable():
        return "it must not contain control characters"
    if len(name.encode()) > NAME_BYTES:
        return f"it must have at most {NAME_BYTES} bytes"
    return None


def _transitions(settings: Settings) -> Iterator[Finding]:
    for name, state in (settings.states or {}).items():
        for number, target in enumerate(state.allowed_transitions or ()):
            yield from _known_state(settings, (*STATES, name, "allowed_transitions", number), target)


def _slots_by_state(settings: Settings) -> Iterator[Finding]:
    for name in settings.agent.max_concurrent_agents_by_state:
        yield from _known_state(settings, ("agent", "max_concurrent_agents_by_state", name), name)


def _known_state(settings: Settings, path: KeyPath, name: str) -> Iterator[Finding]:
    table = settings.state_table()
    if table.canonical(name) is None:
        hint = meant(name, table.names)
        yield path, f'found the unknown state "{name}"; allowed: {one_of(table.names)}.{hint}'


def _adapters(settings: Settings) -> Iterator[Finding]:
    named: list[tuple[KeyPath, Settings, str]] = [(("acp", "adapter"), settings, "acp")]
    for name, state in (settings.states or {}).items():
        if state.adapter is not None:
            named.append(((*STATES, name, "adapter"), settings.in_state(name), f"states.{name}"))
    for path, chosen, section in named:
        adapter = chosen.acp.adapter
        if chosen.acp.command is None and adapter not in ADAPTERS:
            message = f'found the unknown adapter "{adapter}"; allowed: {one_of(ADAPTERS)}'
            yield path, f"{message}, or any name when {section}.command is set.{meant(adapter, ADAPTERS)}"


def _efforts(settings: Settings) -> Iterator[Finding]:
    """Hold efforts to those that the adapter has, where these are known."""
    if settings.acp.command is not None:
        return
    places: list[tuple[KeyPath, Settings]] = [(("acp", "effort"), settings)]
    for name, state in (settings.states or {}).items():
        if state.effort is not None or state.adapter is not None:
            key = "effort" if state.effort is not None else "adapter"
            places.append(((*STATES, name, key), settings.in_state(name)))
    for path, here in places:
        effort, known = here.acp.effort, EFFORTS.get(here.acp.adapter, ())
        if effort is None or not known or effort.strip().casefold() in known:
            continue
        message = f'found the effort "{effort}" for {here.acp.adapter}; allowed: {one_of(known)}, or null.'
        yield path, f"{message}{meant(effort, known)}"


def _listener(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    if server.token is not None and not server.token.strip():
        yield ("server", "token"), "found a blank token; allowed: text or null."
    elif not is_loopback(server.host) and server.token is None:
        message = f'found "{server.host}" without server.token; allowed: a loopback address such as 127.0.0.1'
        yield ("server", "host"), f"{message}, or any address together with server.token."


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a listener at this address."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _endpoint_url(settings: Settings) -> Iterator[Finding]:
    url = settings.mcp.host_url
    if url is None:
        return
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/")
    except ValueError:
        fits = False
    if not fits:
        yield (
            ("mcp", "host_url"),
            f'found "{url}"; allowed: a URL without a path, such as http://10.0.0.1:8080.',
        )


def _notify(settings: Settings) -> Iterator[Finding]:
    for number, target in enumerate(settings.notify):
        key: KeyPath = ("notify", number)
        if target.kind == "command":
            if not target.target.strip():
                yield (*key, "target"), "found a blank command; allowed: a shell command."
            if target.secret is not None:
                yield (*key, "secret"), "found beside `kind: command`; allowed: with `kind: webhook`."
            continue
        try:
            parts = urlsplit(target.target)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
        if not fits:  # it may be a secret, so it is not repeated
            yield (*key, "target"), "found no URL; allowed: one that begins with https:// or http://."
        if target.secret is not None and not target.secret.strip():
            yield (*key, "secret"), "found a blank secret; allowed: text or null."


def _image(settings: Settings) -> Iterator[Finding]:
    if settings.smolvm.image is not None and settings.smolvm.from_ is not None:
        yield ("smolvm", "from"), "found beside smolvm.image; allowed: one of the two."


def _volumes(settings: Settings) -> Iterator[Finding]:
    for number, volume in enumerate(settings.smolvm.volumes):
        path = PurePosixPath(volume.guest)
        taken = any(place == path or place in path.parents for place in GUEST_OWN)
        key: KeyPath = ("smolvm", "volumes", number, "guest")
        if not path.is_absolute() or ".." in path.parts or path == PurePosixPath("/") or taken:
            yield (
                key,
                f'found "{volume.guest}"; allowed: an absolute path of the guest, such as /root/.cache, '
                f"that is not below {one_of(tuple(map(str, GUEST_OWN)))}.",
            )


def _egress(settings: Settings) -> Iterator[Finding]:
    for number, host in enumerate(settings.smolvm.egress.allow):
        key: KeyPath = ("smolvm", "egress", "allow", number)
        try:
            parse_host(host.removeprefix("*."))
        except HostRefused as refused:
            yield key, f'found "{host}"; {refused}'


def _author(settings: Settings) -> Iterator[Finding]:
    author = settings.handoff.author
    if author is None:
        return
    try:
        parse_author(author)
    except ValueError:
        yield (
            ("handoff", "author"),
            f'found "{author}"; allowed: a name and an address, such as Ada Lovelace <ada@example.org>.',
        )


def _train(settings: Settings) -> Iterator[Finding]:
    branch, base = settings.merge_train.branch, settings.workspace.base
    key: KeyPath = ("merge_train", "branch")
    if branch is None:
        return
    if not is_branch_name(branch):
        yield key, f'found "{branch}"; allowed: the name of a branch, such as symphony/train, or null.'
    elif branch.startswith("agent/"):
        yield key, f'found "{branch}"; allowed: a branch outside of agent/, where those of issues are.'
    elif branch == base:
        yield key, f'found "{branch}", which is workspace.base; allowed: a branch of its own.'
    elif base is not None and _within_ref(branch, base):
        yield key, f'found "{branch}" for the workspace.base "{base}"; git keeps no branch inside another.'


def _within_ref(one: str, other: str) -> bool:
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _folders(settings: Settings) -> Iterator[Finding]:
    issues, workspaces = settings.tracker.root, settings.workspace.root
    if _within(workspaces, issues) or _within(issues, workspaces):
        message = f'found "{workspaces}" and "{issues}" for tracker.root'
        yield ("workspace", "root"), f"{message}; allowed: two folders, neither inside the other."


def _within(inner: Path, outer: Path) -> bool:
    return inner == outer or outer in inner.parents


RULES: tuple[tuple[tuple[KeyPath, ...], Rule], ...] = (
    (STATE_KEYS, _roles),
    (STATE_KEYS, _state_names),
    (STATE_KEYS, _transitions),
    ((*STATE_KEYS, ("agent", "max_concurrent_agents_by_state")), _slots_by_state),
    ((("acp", "adapter"), ("acp", "command"), STATES), _adapters),
    ((("acp", "adapter"), ("acp", "command"), ("acp", "effort"), STATES), _efforts),
    ((("server", "host"), ("server", "token")), _listener),
    ((("mcp", "host_url"),), _endpoint_url),
    ((("notify",),), _notify),
    ((("smolvm", "image"), ("smolvm", "from")), _image),
    ((("smolvm", "volumes"),), _volumes),
    ((("smolvm", "egress"),), _egress),
    ((("handoff", "author"),), _author),
    ((("merge_train",), ("workspace", "base")), _train),
    ((("tracker", "root"), ("workspace", "root")), _folders),
    ((*STATE_KEYS, ("tools",), ("mcp", "enabled")), tool_faults),
)
