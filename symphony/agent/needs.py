"""What an agent's program needs of the host: in a guest hosts and credentials by name, else variables.

Pure. Values of credentials are looked at only to see whether they are there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from symphony.agent.adapters import ADAPTERS, Adapter
from symphony.agent.errors import AgentError
from symphony.core.machine import Credential, GuestNeeds

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "ANTHROPIC_API_KEY": "api.anthropic.com",
        "DEEPSEEK_API_KEY": "api.deepseek.com",
        "GEMINI_API_KEY": "generativelanguage.googleapis.com",
        "GROQ_API_KEY": "api.groq.com",
        "MISTRAL_API_KEY": "api.mistral.ai",
        "OPENAI_API_KEY": "api.openai.com",
        "OPENCODE_API_KEY": "opencode.ai",
        "OPENROUTER_API_KEY": "openrouter.ai",
        "XAI_API_KEY": "api.x.ai",
    }
)
"""Where a key goes that is named for an adapter without hosts of its own."""


def guest_needs(adapter: Adapter, chosen: Mapping[str, str], environ: Mapping[str, str]) -> GuestNeeds:
    """Return what an adapter's program needs.

    Args:
        adapter: knows its hosts and the names of its keys.
        chosen: `smolvm.credentials`, a name in the guest to a variable of the host.
        environ: the host's; what is not set or empty there is left out.

    Raises:
        AgentError: `agent.credential_without_host`.
    """
    environment, hosts = {}, adapter.api_hosts
    if adapter.base_url and (url := environ.get(adapter.base_url)) and (host := urlsplit(url).hostname):
        environment[adapter.base_url] = url
        hosts = (host, *hosts[1:])
    sources = {name: name for name in adapter.credentials} | dict(chosen)
    credentials = tuple(
        Credential(name, source, hosts or _provider_of(name, adapter))
        for name, source in sources.items()
        if environ.get(source)
    )
    named = (host for credential in credentials for host in credential.hosts)
    return GuestNeeds(tuple(dict.fromkeys((*hosts, *named))), credentials, environment)


def needs_with(
    needs: GuestNeeds, credentials: tuple[Credential, ...], environment: Mapping[str, str]
) -> GuestNeeds:
    """Return the needs with these credentials and variables as well."""
    named = (host for credential in credentials for host in credential.hosts)
    return GuestNeeds(
        tuple(dict.fromkeys((*needs.hosts, *named))),
        (*needs.credentials, *credentials),
        {**needs.environment, **environment},
    )


def host_environment(adapter: Adapter, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the host's variables that an adapter's program needs where nothing keeps it from the host.

    Nothing else of the host's environment is passed on, and no other process of the attempt gets them.
    """
    names = (*adapter.credentials, *((adapter.base_url,) if adapter.base_url else ()))
    return {name: value for name in names if (value := environ.get(name))}


def credential_values(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the host's keys to any model, to be kept out of everything that is written down."""
    names = {*PROVIDERS, *(name for adapter in ADAPTERS.values() for name in adapter.credentials)}
    return frozenset(value for name in names if (value := environ.get(name)))


def _provider_of(name: str, adapter: Adapter) -> tuple[str, ...]:
    host = PROVIDERS.get(name)
    if host is None:
        raise AgentError(
            f"`smolvm.credentials` names {name}, and nothing tells to which host the adapter"
            f' "{adapter.name}" sends it.',
            code="agent.credential_without_host",
            remedy=f"Use one of {', '.join(PROVIDERS)}, or an adapter that has hosts of its own.",
        )
    return (host,)
