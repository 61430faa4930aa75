"""From a started agent program to an open session: the handshake, the servers, the choices.

Called by the registry; imported only when a session opens.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acp import PROTOCOL_VERSION
from acp.schema import (
    AgentCapabilities,
    ClientCapabilities,
    EnvVarAuthMethod,
    EnvVariable,
    HttpHeader,
    HttpMcpServer,
    Implementation,
    LoadSessionResponse,
    McpServerStdio,
    NewSessionResponse,
    ResumeSessionResponse,
    SessionModeState,
    SseMcpServer,
)

import symphony
from symphony.agent.adapters import Adapter
from symphony.agent.advertised import Offers
from symphony.agent.choices import EFFORT, MODE, MODEL, Offer, find_offer, offers_of
from symphony.agent.errors import AgentError, AgentProtocolError, AgentRequestFailed, AgentUnknownChoice
from symphony.agent.link import Link
from symphony.agent.versions import AgentTooOld
from symphony.core.agent import OWN_SERVER, AgentEvent, McpServer, SessionSpec
from symphony.core.settings import AcpSettings
from symphony.core.text import one_line

Server = HttpMcpServer | SseMcpServer | McpServerStdio
Answer = NewSessionResponse | LoadSessionResponse | ResumeSessionResponse
MODEL_SHOWN = 120  # characters of its name
Remember = Callable[[str, Offers], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that is ready for its first turn.

    Attributes:
        resumed: it goes on with one of an earlier process.
        model: what it works with, as the agent calls it; empty when the agent does not say.
    """

    id: str
    resumed: bool
    model: str


async def open_acp_session(
    link: Link,
    adapter: Adapter,
    spec: SessionSpec,
    on_event: Callable[[AgentEvent], None],
    remember: Remember,
) -> Opened:
    """Shake hands, open or resume the session, and set what the settings ask for.

    `remember` is told what may be asked for.

    Raises:
        AgentError: `agent.*`.
    """
    servers = mcp_servers(spec)
    hello = await link.ask(
        "initialize",
        link.connection.initialize(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=ClientCapabilities(),
            client_info=Implementation(name="symphony", title="symphony", version=symphony.__version__),
        ),
    )
    if hello.protocol_version != PROTOCOL_VERSION:
        fact = f"speaks ACP version {hello.protocol_version}; symphony speaks version {PROTOCOL_VERSION}"
        raise AgentProtocolError(link.agent, fact)
    _take_introduction(link.agent, adapter, spec.acp, hello.agent_info, on_event)
    capabilities = hello.agent_capabilities or AgentCapabilities()
    _check_transports(link.agent, capabilities, servers, on_event)
    await _authenticate(link, spec, hello.auth_methods or (), on_event)
    answer = await _resume(link, spec, capabilities, servers, on_event)
    resumed = answer is not None
    if answer is None:
        answer = await link.ask(
            "session/new", link.connection.new_session(cwd=str(spec.cwd), mcp_servers=[*servers])
        )
    identity = answer.session_id if isinstance(answer, NewSessionResponse) else spec.resume or ""
    options = _plain(answer.config_options)
    if spec.acp.command is None:  # before anything is chosen: of a wrong name they are what a person needs
        await remember(hello.agent_info.version if hello.agent_info else "", offers_of(options))
    choosing = _Choosing(link, spec, identity, answer.modes, options, on_event)
    await choosing.apply(adapter)
    return Opened(identity, resumed, choosing.model)


def _take_introduction(
    agent: str,
    adapter: Adapter,
    acp: AcpSettings,
    info: Implementation | None,
    on_event: Callable[[AgentEvent], None],
) -> None:
    """Say which program of which version it is, and what is to be thought of that.

    Raises:
        AgentTooOld: it cannot work.
    """
    name, version = ("", "") if info is None else (info.name, info.version)
    if info is not None:
        on_event(AgentEvent("program", one_line(f"{info.title or name} {version}")))
    versions, own = adapter.versions, acp.command is None
    if versions is None or not (own or versions.is_known_as(name)):
        return
    if name and not versions.is_known_as(name):
        doubt = f"it calls itself {one_line(name, 80)}; symphony was tested with {versions.name}."
    elif reason := versions.too_old(version):
        raise AgentTooOld(f"{agent} cannot be used: {reason}", remedy=versions.remedy)
    else:
        doubt = versions.doubt(version)
    if doubt:
        on_event(AgentEvent("warning", f"{agent}: {doubt} {versions.remedy}"))


def mcp_servers(spec: SessionSpec) -> list[Server]:
    """Return the session's servers as ACP declares them."""
    return [_server(server) for server in spec.mcp_servers]


def _server(server: McpServer) -> Server:
    if server.url is not None:
        headers = [HttpHeader(name=name, value=value) for name, value in server.headers.items()]
        if server.sse:
            return SseMcpServer(type="sse", name=server.name, url=server.url, headers=headers)
        return HttpMcpServer(type="http", name=server.name, url=server.url, headers=headers)
    env = [EnvVariable(name=name, value=value) for name, value in server.environment.items()]
    return McpServerStdio(name=server.name, command=server.command or "", args=[*server.args], env=env)


def _check_transports(
    agent: str,
    capabilities: AgentCapabilities,
    servers: Sequence[Server],
    on_event: Callable[[AgentEvent], None],
) -> None:
    """Say of symphony's own server that the agent may not reach it; it may say too little of itself.

    Raises:
        AgentError: `agent.mcp_transport_not_offered`: it does not say so of a server of `acp.mcp_servers`.
    """
    offered = capabilities.mcp_capabilities
    for server in servers:
        match server:
            case HttpMcpServer() if not (offered and offered.http):
                way = "HTTP"
            case SseMcpServer() if not (offered and offered.sse):
                way = "SSE"
            case _:
                continue
        if server.name != OWN_SERVER:
            raise AgentError(
                f"{agent} does not say that it can reach MCP servers over {way}, and `acp.mcp_servers` has "
                f'"{one_line(server.name, 80)}".',
                code="agent.mcp_transport_not_offered",
                remedy="Use another adapter, another type for this server, or take it out.",
            )
        on_event(AgentEvent("other", f"the agent does not say that it can reach MCP servers over {way}"))


async def _authenticate(
    link: Link, spec: SessionSpec, methods: Sequence[object], on_event: Callable[[AgentEvent], None]
) -> None:
    """Let the agent take the key that it was given, where it wants to be told that it has one."""
    for method in methods:
        if isinstance(method, EnvVarAuthMethod) and spec.credentials.issuperset(
            variable.name for variable in method.vars
        ):
            await link.ask("authenticate", link.connection.authenticate(method_id=method.id))
            on_event(AgentEvent("other", one_line(f"authenticated by {method.id}")))
            return


async def _resume(
    link: Link,
    spec: SessionSpec,
    capabilities: AgentCapabilities,
    servers: Sequence[Server],
    on_event: Callable[[AgentEvent], None],
) -> Answer | None:
    """Go on with an earlier session; None when there is none or the agent cannot."""
    if spec.resume is None:
        return None
    offered = capabilities.session_capabilities
    cwd = str(spec.cwd)
    try:
        if offered is not None and offered.resume is not None:
            return await link.ask(
                "session/resume",
                link.connection.resume_session(session_id=spec.resume, cwd=cwd, mcp_servers=[*servers]),
            )
        if capabilities.load_session:
            return await link.ask(
                "session/load",
                link.connection.load_session(session_id=spec.resume, cwd=cwd, mcp_servers=[*servers]),
            )
    except AgentRequestFailed as error:
        on_event(
            AgentEvent("other", one_line(f"a new session is opened, since resuming failed: {error.message}"))
        )
        return None
    on_event(AgentEvent("other", "a new session is opened, since the agent cannot resume one"))
    return None


class _Choosing:
    """Sets model, effort and mode of a session that was just opened."""

    def __init__(
        self,
        link: Link,
        spec: SessionSpec,
        session_id: str,
        modes: SessionModeState | None,
        options: Sequence[Mapping[str, Any]],
        on_event: Callable[[AgentEvent], None],
    ) -> None:
        self._link = link
        self._spec = spec
        self._session_id = session_id
        self._modes = modes
        self._options = options
        self._on_event = on_event

    @property
    def model(self) -> str:
        """The current one as the agent calls it; empty when it offers none."""
        offer = find_offer(self._options, MODEL)
        return "" if offer is None else one_line(offer.current, MODEL_SHOWN)

    async def apply(self, adapter: Adapter) -> None:
        acp = self._spec.acp
        if acp.model is not None:
            await self._choose("model", acp.model, MODEL)
        if acp.effort is not None:
            await self._choose("effort", acp.effort, EFFORT)
        if acp.mode is not None:
            await self._choose_mode(acp.mode)
        elif self._spec.asking.permission == "allow" and not acp.permission_rules:
            await self._enter_quiet_mode(adapter.modes)

    async def _choose(self, what: str, wanted: str, names: Sequence[str]) -> None:
        offer = find_offer(self._options, names)
        if offer is None:
            note = f"the agent offers no choice of {what}; `acp.{what}` ({wanted}) was not set"
            self._on_event(AgentEvent("other", one_line(note)))
            return
        value = offer.match(wanted)
        if value is None:
            raise AgentUnknownChoice(self._link.agent, what, wanted, offer.values)
        if value != offer.current:
            answer = await self._link.ask(
                "session/set_config_option",
                self._link.connection.set_config_option(
                    config_id=offer.id, session_id=self._session_id, value=value
                ),
            )
            self._options = _plain(answer.config_options)  # a model may offer other efforts

    async def _choose_mode(self, wanted: str) -> None:
        if find_offer(self._options, MODE) is not None or self._modes is None:
            await self._choose("mode", wanted, MODE)
            return
        modes = {mode.id: mode.name for mode in self._modes.available_modes}
        offer = Offer("mode", self._modes.current_mode_id, modes)
        value = offer.match(wanted)
        if value is None:
            raise AgentUnknownChoice(self._link.agent, "mode", wanted, offer.values)
        if value != offer.current:
            await self._set_mode(value)

    async def _set_mode(self, mode: str) -> None:
        await self._link.ask(
            "session/set_mode",
            self._link.connection.set_session_mode(session_id=self._session_id, mode_id=mode),
        )

    async def _enter_quiet_mode(self, wanted: Sequence[str]) -> None:
        if self._modes is None:
            return
        offered = {mode.id for mode in self._modes.available_modes}
        mode = next((name for name in wanted if name in offered), None)
        if mode is None or mode == self._modes.current_mode_id:
            return
        try:
            await self._set_mode(mode)
        except AgentRequestFailed as error:
            # its questions are answered one by one instead
            self._on_event(AgentEvent("other", one_line(error.message)))


def _plain(options: Sequence[Any] | None) -> list[dict[str, Any]]:
    return [option.model_dump(by_alias=True) for option in options or ()]
