"""What machines need: the engine, KVM by really booting one, an image, and folders that they can enter."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from symphony.doctor.case import Case
from symphony.doctor.check import Finding, failed, in_thread, ok, skipped, warning
from symphony.host.memory import nearest
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.smolvm.boot import (
    BOOT_DEADLINE,
    CREATE_BOUND,
    EXEC_BOUND,
    UNPACK_DEADLINE,
    check_boot,
    check_device,
    find_image,
    must_unpack,
)
from symphony.sandbox.smolvm.engine import ASK_TIMEOUT, Engine, open_engine
from symphony.sandbox.smolvm.errors import DOCTOR, EngineError
from symphony.sandbox.smolvm.machines import DELETE_TIMEOUT
from symphony.sandbox.smolvm.ownership import check_reachable

KVM_BOUND = (  # each part has a bound of its own, and says more when it meets it
    ASK_TIMEOUT + CREATE_BOUND + UNPACK_DEADLINE + BOOT_DEADLINE + EXEC_BOUND + 2 * DELETE_TIMEOUT
)
BOOTING = "booting a bare machine …"
UNPACKING = "booting a bare machine; the engine unpacks its disks first, once …"


class MachineChecks:
    """Looks at the engine, and boots a machine with the one that was found.

    Args:
        case: says whether machines are needed at all.
        tell: told what takes long; the empty text when it is over.
        clock: seconds since any moment.
    """

    def __init__(self, case: Case, tell: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._case = case
        self._tell = tell
        self._clock = clock
        self._engine: Engine | None = None

    async def look_at_engine(self) -> Finding:
        """Say which engine there is."""
        settings = self._case.settings
        if settings is None or not self._case.in_machines:
            return skipped(self._case.no_machines)
        try:
            self._engine = await open_engine(settings.smolvm.binary, self._case.environ)
        except EngineError as error:
            return _failed_here(error)
        return ok(f"smolvm {self._engine.version} ({self._engine.program})")

    async def look_at_kvm(self) -> Finding:
        """Boot a bare machine and say what its kernel is.

        Raises:
            EngineError: `sandbox.kvm_unusable`: without a boot.
        """
        if not self._case.in_machines:
            return skipped(self._case.no_machines)
        await in_thread(check_device)
        if self._engine is None:
            return skipped("it needs the engine")
        self._tell(UNPACKING if await in_thread(partial(must_unpack, self._engine)) else BOOTING)
        began = self._clock()
        try:
            release = await check_boot(self._engine)
        except EngineError as error:
            return _failed_here(error)
        finally:
            self._tell("")
        return ok(f"a bare machine booted; its kernel is {release} ({self._clock() - began:.1f} s in all)")


async def look_at_image(case: Case) -> Finding:
    """Say which image machines start from.

    Raises:
        ImageError: `sandbox.image_corrupt`.
    """
    if case.settings is None or not case.in_machines:
        return skipped(case.no_machines)
    smolvm = case.settings.smolvm
    named = smolvm.from_ or smolvm.image or "symphony"
    try:
        source = await in_thread(partial(find_image, smolvm, case.environ))
    except SandboxError as error:
        if error.code == "sandbox.image_missing":
            return warning(error.message, error.remedy)
        raise
    if source is None:
        return ok(f"the archive {named}; it is read when a machine starts")
    if source.path is None:
        return ok(f"{named}, which a registry has; it is read when a machine starts")
    return ok(f"{named} ({source.path})")


async def look_at_reach(case: Case) -> Finding:
    """Say whether machines can enter what they are shown: as root each runs as a user of its own."""
    settings = case.settings
    if settings is None or not case.in_machines:
        return skipped(case.no_machines)
    if os.geteuid() != 0:
        return skipped("symphony does not run as root, so that machines run as its own user")
    shown = [settings.workspace.root, case.installation.guest_kit]
    with suppress(SandboxError):  # another check tells what is wrong with the image
        source = await in_thread(partial(find_image, settings.smolvm, case.environ))
        shown += [source.path] if source is not None and source.path is not None else []
    shown += [volume.host for volume in settings.smolvm.volumes]
    return await in_thread(partial(_reach, shown))


def _failed_here(error: EngineError) -> Finding:
    """Return an error of the engine as a finding, without the advice to ask who is asking."""
    remedy = error.remedy.replace(DOCTOR, "").strip()
    return failed(
        error.message, remedy or "Look at the free disk space and at who owns the engine's own folder."
    )


def _reach(folders: Sequence[Path]) -> Finding:
    for folder in folders:
        try:
            check_reachable(nearest(folder) / "x", "")  # it looks at the folders above what it is given
        except EngineError as error:
            return failed(f"a machine's own user cannot reach {folder}", error.remedy)
    return ok(f"machines can reach {folders[0]} and what else they are shown")
