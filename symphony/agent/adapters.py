"""The agent programs that symphony knows, as data: how each is started and where it differs.

What is said here of a program was seen in the versions that it names as tested. Credentials are here by
name only: a guest uses them without seeing them, and with the local sandbox a program finds the
user's own.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType

from symphony.agent.errors import AgentError
from symphony.agent.switches import CODEX_KEYS, Switching, codex_switches, no_switches, opencode_switches
from symphony.agent.versions import Versions
from symphony.core.guest import GUEST_DEMO
from symphony.core.settings import AcpSettings


class TokenScope(StrEnum):
    """What an agent's token counts in a prompt's answer are a total of."""

    TURN = "turn"
    """The turn that ends, or its last model call."""
    SESSION = "session"
    """All turns so far, as the letter of ACP's schema has it."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One agent program.

    Attributes:
        argv: how it is started on the host; nothing for a program that is not known here.
        guest_argv: how it is started in a guest; None is the same names on the guest's PATH.
        environment: switches; the session's own variables beat them.
        switches: more of them, which depend on the settings and on what the host gives.
        versions: which ones were tested; None for a program that is symphony's own.
        install: what a user does when the program is missing.
        login: what a user does when its model refuses its credentials.
        modes: session modes in which it asks no questions, best first; used when permission
            is `allow`, and only one that it offers.
        tokens: what its token counts are a total of.
        cost_survives_load: whether a resumed session's cost includes that of earlier processes.
        api_hosts: where its model is and its login is renewed; the first is what `base_url` replaces.
        credentials: the variables that it takes a key from, all for `api_hosts`.
        base_url: the variable that names another place for its model.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    install: str = ""
    login: str = ""
    modes: tuple[str, ...] = ()
    tokens: TokenScope = TokenScope.TURN
    cost_survives_load: bool = False
    guest_argv: tuple[str, ...] | None = None
    api_hosts: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    base_url: str | None = None
    switches: Switching = no_switches
    versions: Versions | None = None

    def launch(self, acp: AcpSettings, *, in_guest: bool = False) -> tuple[str, ...]:
        """Return the command line: `acp.command` in its shell if there is one, else the program."""
        if acp.command is not None:
            return (acp.shell, "-lc", acp.command)
        return self.guest_argv if in_guest and self.guest_argv is not None else self.argv


CLAUDE = Adapter(
    name="claude",
    argv=("claude-agent-acp",),
    environment=MappingProxyType(
        {
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_AUTOUPDATER": "1",
            "MCP_CONNECTION_NONBLOCKING": "0",  # else its first model call may come without our tools
            "ENABLE_TOOL_SEARCH": "false",  # else releases from 0.100 on hide our tools
            "CLAUDE_CODE_MAX_RETRIES": "2",  # it is silent while it retries; the scheduler waits better
        }
    ),
    install="Install it with `npm install -g @agentclientprotocol/claude-agent-acp`, or set `acp.command`.",
    login="Set ANTHROPIC_API_KEY, or run `claude` once and log in.",
    modes=("bypassPermissions",),
    api_hosts=("api.anthropic.com",),
    credentials=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
    base_url="ANTHROPIC_BASE_URL",
    versions=Versions(
        "claude-agent-acp",
        "@agentclientprotocol/claude-agent-acp",
        known_as=("@agentclientprotocol/claude-agent-acp",),
        tested=("0.49.0",),
    ),
)

CODEX = Adapter(
    name="codex",
    argv=("codex-acp",),
    install=(
        "Install it with `npm install -g @zed-industries/codex-acp` and put its native program"
        " codex-acp-linux-x64 on PATH as codex-acp, or set `acp.command`."
    ),
    login="Set OPENAI_API_KEY, or run `codex login`.",
    modes=("full-access", "agent-full-access"),  # its default cannot write, and asks nothing
    api_hosts=("api.openai.com", "chatgpt.com", "auth.openai.com"),
    credentials=CODEX_KEYS,
    base_url="OPENAI_BASE_URL",
    switches=codex_switches,
    versions=Versions(
        "codex-acp",
        "@zed-industries/codex-acp",
        known_as=("codex-acp",),
        tested=("0.16.0",),
        oldest="0.10.0",  # older ones do not say how they are told of a key
    ),
)

OPENCODE = Adapter(
    name="opencode",
    argv=("opencode", "acp"),
    environment=MappingProxyType(
        {
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_DISABLE_SHARE": "1",
        }
    ),
    install="Install it with `npm install -g opencode-ai`, or set `acp.command`.",
    login="Run `opencode auth login`.",
    cost_survives_load=True,
    switches=opencode_switches,
    versions=Versions("opencode", "opencode-ai", known_as=("opencode",), tested=("1.18.33",)),
    # it has no model of its own: `smolvm.credentials` names the key of the provider that it is to use
)

DEMO = Adapter(
    name="demo",
    argv=(sys.executable, "-m", "symphony.agent.demo"),
    install="It needs symphony on the host, or Python 3.9 or later in a guest; or set `acp.command`.",
    tokens=TokenScope.SESSION,
    guest_argv=("python3", GUEST_DEMO),
)

ADAPTERS: Mapping[str, Adapter] = MappingProxyType(
    {adapter.name: adapter for adapter in (CLAUDE, CODEX, OPENCODE, DEMO)}
)


def adapter_of(acp: AcpSettings) -> Adapter:
    """Return the adapter that the settings name; of a name of their own only `acp.command` is known.

    Raises:
        AgentError: `agent.unknown_adapter`: there is neither such an adapter nor a command.
    """
    if acp.command is not None and _key(acp.adapter) not in ADAPTERS:
        return Adapter(acp.adapter, argv=())
    return find_adapter(acp.adapter)


def find_adapter(name: str) -> Adapter:
    """Return the adapter of this name.

    Raises:
        AgentError: `agent.unknown_adapter`.
    """
    adapter = ADAPTERS.get(_key(name))
    if adapter is None:
        near = get_close_matches(name, ADAPTERS, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise AgentError(
            f'there is no adapter "{name}"; there are: {", ".join(ADAPTERS)}.{meant}',
            code="agent.unknown_adapter",
            remedy="Set `acp.adapter` to one of these; any other ACP program goes into `acp.command`.",
        )
    return adapter


def _key(name: str) -> str:
    return name.strip().casefold()
