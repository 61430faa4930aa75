"""Which login files belong to which adapter.

Reads OpenCode's file for the providers in it; blocks for the length of one small file.
"""

from collections.abc import Mapping

from symphony.agent.adapters import CLAUDE, CODEX, OPENCODE, Adapter
from symphony.agent.credentials.claude import ClaudeLogin
from symphony.agent.credentials.codex import CodexLogin
from symphony.agent.credentials.login import LoginFormat
from symphony.agent.credentials.opencode import OpenCodeLogin, providers_in
from symphony.agent.credentials.renewal import read_document
from symphony.core.settings import AcpSettings

ONE_LOGIN: Mapping[str, LoginFormat] = {CLAUDE.name: ClaudeLogin(), CODEX.name: CodexLogin()}


def sources_of(adapter: Adapter, acp: AcpSettings, environ: Mapping[str, str]) -> tuple[LoginFormat, ...]:
    """Return the logins that an adapter's program may use, whether or not they are there.

    Of OpenCode's providers that is the one that `acp.model` names, else all that its file has.

    Raises:
        LoginUnreadable: OpenCode's file cannot be read.
    """
    if adapter.name in ONE_LOGIN:
        return (ONE_LOGIN[adapter.name],)
    if adapter.name != OPENCODE.name:
        return ()
    wanted = (acp.model or "").partition("/")
    if wanted[1]:
        return (OpenCodeLogin(wanted[0]),)
    any_provider = OpenCodeLogin("openai")
    path = any_provider.path(environ)
    if path is None:
        return ()
    return tuple(OpenCodeLogin(name) for name in providers_in(read_document(path, adapter.login)))


def keys_of(adapter: Adapter, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the adapter's variables with a key that are set; the program takes them before any login."""
    return tuple(name for name in adapter.credentials if environ.get(name))
