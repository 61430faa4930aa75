"""The microVM's settings."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from symphony.core.settings.base import AsTuple, Folder, Positive, Section, Words


class Egress(Section):
    """Hosts that the guest may reach beside the adapter's own."""

    allow: Words = ()
    """Host names."""


class Volume(Section):
    """A host folder shown in the guest."""

    host: Folder
    """The folder on the host."""

    guest: str
    """Where the guest sees it."""

    readonly: bool = True
    """False lets the guest write there."""


class SmolvmSettings(Section):
    """One microVM per issue."""

    image: str | None = None
    """An image name, an archive or a root folder."""

    from_: Annotated[str | None, Field(alias="from")] = None
    """A packed machine, in place of an image."""

    cpus: Positive = 2
    """Virtual processors."""

    mem_mib: Positive = 2048
    """Memory in MiB."""

    egress: Egress = Egress()
    """What the guest may reach."""

    net: bool | None = None
    """true opens everything but private addresses, false nothing; null is `egress`."""

    volumes: Annotated[tuple[Volume, ...], AsTuple] = ()
    """More host folders."""

    forward_env: Words = ()
    """Variables of the host that the guest gets; never credentials."""

    credentials: Mapping[str, str] = {}
    """Credentials by reference: name in the guest to a variable of the host."""

    binary: str | None = None
    """The smolvm program; null looks on PATH, then in the installed package."""
