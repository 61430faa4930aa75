"""The microVM's settings."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from symphony.core.settings.base import AsTuple, Folder, Positive, Section, Words


class Egress(Section):
    """Hosts that the guest may reach beside the adapter's own."""

    allow: Annotated[Words, Field(examples=[["pypi.org", "files.pythonhosted.org"]])] = ()
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

    image: Annotated[str | None, Field(examples=["python:3.12"])] = None
    """An image name, an archive or a root folder."""

    from_: Annotated[str | None, Field(alias="from", examples=["./machines/python.smolmachine"])] = None
    """A packed machine, in place of an image."""

    cpus: Positive = 2
    """Virtual processors."""

    mem_mib: Positive = 2048
    """Memory in MiB."""

    egress: Egress = Egress()
    """What the guest may reach."""

    net: Annotated[bool | None, Field(examples=[False])] = None
    """true opens everything but private addresses, false nothing; null is `egress`."""

    volumes: Annotated[
        tuple[Volume, ...],
        AsTuple,
        Field(examples=[[{"host": "~/.cache/pip", "guest": "/root/.cache/pip", "readonly": True}]]),
    ] = ()
    """More host folders."""

    forward_env: Annotated[Words, Field(examples=[["LANG", "TZ"]])] = ()
    """Variables of the host that the guest gets; never credentials."""

    credentials: Annotated[
        Mapping[str, str], Field(examples=[{"ANTHROPIC_API_KEY": "ANTHROPIC_API_KEY"}])
    ] = {}
    """Credentials by reference: name in the guest to a variable of the host."""

    binary: Annotated[str | None, Field(examples=["~/.local/bin/smolvm"])] = None
    """The smolvm program; null looks on PATH, then in the installed package."""
