"""The drivers of one daemon, by the kind that the settings name."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from symphony.core.installation import Installation
from symphony.core.ports import SandboxDriver
from symphony.core.settings import Settings
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.local import LocalDriver
from symphony.sandbox.smolvm.boot import state_folder
from symphony.sandbox.smolvm.driver import SmolvmDriver

DRIVERS: Mapping[str, type[LocalDriver] | type[SmolvmDriver]] = {
    driver.kind: driver for driver in (SmolvmDriver, LocalDriver)
}


class Drivers:
    """Makes each driver once: it has to know its open sandboxes to spare them in `reap`.

    Args:
        kit_root: a folder for what machines show inside every guest.
        environ: the daemon's environment.
    """

    def __init__(self, kit_root: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._kit_root = kit_root
        self._environ = environ
        self._made: dict[str, SandboxDriver] = {}

    def of(self, kind: str) -> SandboxDriver:
        """Return the one driver of this kind.

        Raises:
            SandboxError: `sandbox.unknown_kind`.
        """
        check_kind(kind)
        if kind not in self._made:
            smolvm = kind == SmolvmDriver.kind
            made = SmolvmDriver(self._environ, self._kit_root) if smolvm else LocalDriver(self._environ)
            self._made[kind] = made
        return self._made[kind]

    async def reap(self, kind: str, places: Collection[str], labels: Mapping[str, str]) -> tuple[str, ...]:
        """End what dead runs with these labels left, of whatever kind it is; return a word for each.

        Args:
            kind: the one in force, which has to answer.
            places: where attempts of the dead run were.
            labels: those of this installation.

        Raises:
            SandboxError: the driver in force cannot look for it.
        """
        ended = list(await self.of(LocalDriver.kind).reap(labels))  # hooks are processes here in every case
        if kind == SmolvmDriver.kind:
            ended += await self.of(kind).reap(labels)
        elif any(place != LocalDriver.kind for place in places):
            try:
                ended += await self.of(SmolvmDriver.kind).reap(labels)
            except SandboxError as error:
                ended.append(f"no machine, though one may be left: {error}")
        return tuple(ended)


def check_kind(kind: str) -> None:
    """Make sure that there is a driver of this kind.

    Raises:
        SandboxError: `sandbox.unknown_kind`.
    """
    if kind not in DRIVERS:
        raise SandboxError(
            f"sandbox: there is no kind '{kind}'.",
            code="sandbox.unknown_kind",
            remedy=f"Set `sandbox` to {' or '.join(DRIVERS)} in WORKFLOW.md, or start with `--sandbox`.",
        )


def isolation_of(kind: str) -> str:
    """Return the sentence that says what a kind of sandbox keeps apart.

    Raises:
        SandboxError: `sandbox.unknown_kind`.
    """
    check_kind(kind)
    return DRIVERS[kind].isolation


def disk_places(
    settings: Settings, installation: Installation, environ: Mapping[str, str]
) -> Mapping[str, Path]:
    """Return where attempts write on the host with these settings, by what is written there."""
    places = {"workspaces": settings.workspace.root, "symphony's own files": installation.root}
    if settings.sandbox == SmolvmDriver.kind:
        places["machines"] = state_folder(environ)
    return places
