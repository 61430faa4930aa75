"""The daemon's own surfaces."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from symphony.core.settings.base import Section, digits

Port = Annotated[int, BeforeValidator(digits), Field(ge=0, le=65_535)]


class ServerSettings(Section):
    """The listener of the dashboard and the API. Needs a restart when it changes."""

    port: Annotated[Port | None, Field(examples=[8080])] = None
    """TCP port; 0 or null takes a free one. `--port` beats it."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs `token`."""

    token: Annotated[str | None, Field(examples=["$SYMPHONY_TOKEN"])] = None
    """What a person must give to use the dashboard and the API; best kept in the environment."""


class McpSettings(Section):
    """The endpoint that agents report to."""

    enabled: bool = True
    """false leaves agents without `mark_done`."""

    host: str = "127.0.0.1"
    """Address of the endpoint as agents on this machine reach it."""

    host_url: Annotated[str | None, Field(examples=["http://10.0.2.2:8080"])] = None
    """The URL that agents are told instead, without a path."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The further names under which agents reach the listener."""
        host = urlsplit(self.host_url).netloc if self.host_url else ""
        return (host,) if host else ()


class NotifySettings(Section):
    """Tell someone that something needs a person, once for each thing."""

    kind: Literal["command", "webhook"]
    """What is called."""

    target: str
    """A shell command, which gets the notice as JSON on its input and in SYMPHONY_KIND, _TEXT, _URL
    and so on, or the URL of a webhook, which gets it as the JSON body of a POST."""

    secret: str | None = None
    """Signs what a webhook gets: `X-Symphony-Signature: sha256=` and the HMAC of the body in hex."""
