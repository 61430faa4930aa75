"""The driver that gives each attempt a microVM of its own, by the smolvm engine.

Called by the engine room through `core.ports.SandboxDriver`. A machine lives as long as its
sandbox is open and is never used twice: one that was made from other settings, or by a dead run,
is removed and not taken over. The workspace is mounted, so that its files are on the host's disk
whatever becomes of the machine.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from symphony.core.ports import SandboxSpec
from symphony.core.settings import SmolvmSettings
from symphony.host.process import finish_first
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.guest.kit import write_guest_kit
from symphony.sandbox.images.source import ImageSource, resolve_image
from symphony.sandbox.smolvm.boot import check_device, find_image
from symphony.sandbox.smolvm.engine import Engine, open_engine
from symphony.sandbox.smolvm.errors import EngineError
from symphony.sandbox.smolvm.machine import SmolvmMachine
from symphony.sandbox.smolvm.machines import (
    create_machine,
    delete_machine,
    list_machines,
    machine_name,
    start_machine,
)
from symphony.sandbox.smolvm.ownership import check_reachable, give
from symphony.sandbox.smolvm.plan import forwarded, plan_machine, secrets_of
from symphony.sandbox.smolvm.sandbox import SmolvmSandbox

UID_FILE = ".vm-uid"  # in a machine's data folder: the user of its VMM, when it is not the caller


class SmolvmDriver:
    """Opens machines.

    Args:
        environ: the daemon's environment: PATH, the engine's own variables, credentials by name.
        kit_root: a folder for what symphony shows inside every guest.
        state_dir: where the engine keeps its state; None is its own default.
    """

    kind = "smolvm"
    has_machines = True
    isolation = (
        "smolvm gives every attempt a machine of its own: it sees its workspace and the hosts that "
        "WORKFLOW.md allows, and no credential."
    )

    def __init__(self, environ: Mapping[str, str], kit_root: Path, *, state_dir: Path | None = None) -> None:
        self._environ = dict(environ)
        self._kit_root = kit_root
        self._state_dir = state_dir
        self._engines: dict[str | None, Engine] = {}
        self._open: set[str] = set()

    @property
    def open_machines(self) -> tuple[str, ...]:
        """The names of the machines that are open here."""
        return tuple(self._open)

    async def preflight(self, settings: SmolvmSettings) -> None:
        """Find out, without a boot, what would keep every machine from starting.

        Raises:
            SandboxError: `sandbox.engine_missing`, `sandbox.engine_version`, `sandbox.kvm_unusable`,
                `sandbox.image_missing`, `sandbox.image_corrupt`.
        """
        await self.engine(settings.binary)
        await asyncio.to_thread(check_device)
        await asyncio.to_thread(find_image, settings, self._environ)

    @asynccontextmanager
    async def open_sandbox(self, spec: SandboxSpec) -> AsyncIterator[SmolvmSandbox]:
        """Make and boot a machine; leaving the context ends every program in it and removes it.

        Raises:
            SandboxError: `sandbox.start_failed`: the folder is not there; `sandbox.image_missing`,
                `sandbox.engine_*`, `sandbox.kvm_unusable`, `sandbox.mount_failed` and others.
        Cancellation: the machine is removed first.
        """
        if not await asyncio.to_thread(spec.folder.is_dir):
            raise SandboxError(
                f"sandbox: there is no folder {spec.folder} to open a smolvm sandbox on.",
                remedy="Retry the issue, so that its workspace is made again.",
            )
        engine = await self.engine(spec.smolvm.binary)
        name = machine_name(spec.labels)
        self._open.add(name)
        try:
            async with self._booted(engine, name, spec) as machine:
                variables = {**forwarded(spec.smolvm, self._environ), **spec.environment}
                sandbox = SmolvmSandbox(engine, machine, replace(spec, environment=variables))
                try:
                    yield sandbox
                finally:
                    await finish_first(asyncio.create_task(sandbox.close()))
        finally:
            self._open.discard(name)

    async def reap(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Remove the machines of dead runs that carry all of these labels; return a word for each.

        Asked are the engines that the settings have named until now; before any did, symphony's own.
        Machines that are open here are left alone. No labels name nothing, and nothing is removed.

        Raises:
            EngineError: an engine is not there or does not answer.
        """
        if not labels:
            return ()
        removed: dict[str, None] = {}
        for engine in tuple(self._engines.values()) or (await self.engine(None),):
            removed |= dict.fromkeys(await self._remove_dead(engine, labels))
        return tuple(f"machine {name}" for name in removed)

    async def engine(self, binary: str | None) -> Engine:
        """Return the engine that the settings name, looked up once.

        Raises:
            EngineError: `sandbox.engine_missing`, `sandbox.engine_version`.
        """
        if binary not in self._engines:
            self._engines[binary] = await open_engine(binary, self._environ, state_dir=self._state_dir)
        return self._engines[binary]

    @asynccontextmanager
    async def _booted(self, engine: Engine, name: str, spec: SandboxSpec) -> AsyncIterator[SmolvmMachine]:
        await asyncio.to_thread(check_volumes, spec)
        image = await asyncio.to_thread(resolve_image, spec.smolvm, self._environ)
        kit = await asyncio.to_thread(write_guest_kit, self._kit_root)
        if os.geteuid() == 0:
            await asyncio.to_thread(self._check_reachable, spec, image, kit)
        plan = plan_machine(name, spec, image, kit)
        secrets = secrets_of(plan.credentials, self._environ)
        await self._remove_older(engine, spec.labels)
        try:
            await create_machine(engine, plan)
            await start_machine(engine, name, secrets)
            uid = await self._vmm_user(engine, name)
            if uid is not None:
                for folder in _shared(spec):
                    await give(folder, uid)
            yield SmolvmMachine(engine, name, plan.labels, uid)
        finally:
            await finish_first(asyncio.create_task(self._remove(engine, name, spec)))

    async def _remove_older(self, engine: Engine, labels: Mapping[str, str]) -> None:
        """Remove what an earlier attempt on this issue left, whatever it was made from."""
        wanted = {key: labels[key] for key in ("installation", "issue") if key in labels}
        if len(wanted) == 2:
            await self._remove_dead(engine, wanted)

    async def _remove_dead(self, engine: Engine, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Remove the machines with these labels that are not open here; return their names."""
        dead = [row.name for row in await list_machines(engine, labels) if row.name not in self._open]
        for name in dead:
            await delete_machine(engine, name)
        return tuple(dead)

    async def _remove(self, engine: Engine, name: str, spec: SandboxSpec) -> None:
        try:
            await delete_machine(engine, name)
        finally:
            for folder in _shared(spec) if os.geteuid() == 0 else ():
                if await asyncio.to_thread(folder.is_dir):
                    await give(folder, os.geteuid())

    async def _vmm_user(self, engine: Engine, name: str) -> int | None:
        """Return the user id that the machine's VMM was given; None when it is the caller's."""
        said = await engine.call("machine", "data-dir", "--name", name, doing="say where a machine is")
        file = Path(said.decode().strip()) / UID_FILE
        try:
            return int(await asyncio.to_thread(file.read_text))
        except (OSError, ValueError):
            return None

    def _check_reachable(self, spec: SandboxSpec, image: ImageSource, kit: Path) -> None:
        check_reachable(spec.folder, "the workspace")
        if spec.checkouts is not None:
            check_reachable(spec.checkouts, "the checkouts")
        check_reachable(kit, "the guest kit")
        if image.path is not None:
            check_reachable(image.path, "the image")
        for volume in spec.smolvm.volumes:
            check_reachable(volume.host, "the volume")


def _shared(spec: SandboxSpec) -> tuple[Path, ...]:
    """Return the folders of the host that the guest writes to."""
    return (spec.folder,) if spec.checkouts is None else (spec.folder, spec.checkouts)


def check_volumes(spec: SandboxSpec) -> None:
    """Make sure that what the settings show in the guest is there.

    Raises:
        EngineError: `sandbox.mount_failed`, naming the volume.
    """
    for volume in spec.smolvm.volumes:
        if not volume.host.is_dir():
            raise EngineError(
                f"smolvm.volumes names {volume.host}, which is not a folder of this machine.",
                code="sandbox.mount_failed",
                remedy="Make it, or correct `smolvm.volumes` in WORKFLOW.md.",
            )
