"""Whether machines can boot here, with an engine that answers as the real one was seen to."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from symphony.core.settings import SmolvmSettings
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.smolvm import boot
from symphony.sandbox.smolvm.boot import check_boot, check_device, find_image, must_unpack, state_folder
from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.sandbox.smolvm.engine import Engine
from symphony.sandbox.smolvm.errors import EngineError

DEAD = '{"error":{"code":"SMOLVM_ERROR","message":"agent did not become ready within 30 seconds"}}'
NO_SUCH_PROCESS = 2**22 + 1  # above the largest process id that Linux gives


class ScriptedEngine:
    """A program with the engine's command line.

    Attributes:
        calls: what it was asked, in order, without the machine's name.
    """

    def __init__(self, folder: Path, *, start: str = ":", listed: object = ()) -> None:
        self._calls = folder / "calls"
        path = folder / "smolvm"
        path.write_text(
            f"""#!/bin/sh
echo "$*" >>{self._calls}
case "$*" in
  *--version) echo smolvm 1.32.2;;
  *"machine ls"*) echo '{json.dumps(listed)}';;
  *"machine start"*) {start};;
  *"machine exec"*) echo 6.18.0;;
esac
"""
        )
        path.chmod(0o755)
        self.engine = Engine(path, environment={"PATH": os.environ["PATH"]})

    @property
    def calls(self) -> list[str]:
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [" ".join(line.removeprefix("--error-format json ").split()[:2]) for line in lines]

    def deleted(self) -> list[str]:
        """The names of the machines that were to be deleted."""
        lines = self._calls.read_text().splitlines()
        return [line.split("--name ")[1].split()[0] for line in lines if "machine delete" in line]


def row(name: str, process: int | str, purpose: str = "symphony-doctor") -> dict[str, object]:
    labels = {"purpose": purpose, "process": str(process)}
    return {"name": name, "state": "created", "labels": labels}


async def test_a_machine_that_boots_says_its_kernel_and_is_removed(tmp_path: Path) -> None:
    scripted = ScriptedEngine(tmp_path)
    assert await check_boot(scripted.engine) == "6.18.0"
    assert scripted.calls == [
        "machine ls",
        "machine create",
        "machine start",
        "machine exec",
        "machine delete",
    ]


async def test_a_guest_that_dies_is_unusable_kvm_with_a_remedy_and_its_machine_is_removed(
    tmp_path: Path,
) -> None:
    scripted = ScriptedEngine(tmp_path, start=f"echo '{DEAD}' >&2; exit 1")
    with pytest.raises(EngineError) as refused:
        await check_boot(scripted.engine)
    assert refused.value.code == "sandbox.kvm_unusable"
    assert str(refused.value) == (
        "/dev/kvm opens, but no guest runs with it: smolvm could not boot a bare machine: "
        "agent did not become ready within 30 seconds. If this is a virtual machine, switch on nested "
        "virtualization where it runs; else switch on virtualization in the firmware. "
        "Or set `sandbox: local` in WORKFLOW.md, which isolates nothing."
    )
    assert scripted.calls[-1] == "machine delete"


async def test_a_boot_that_hangs_is_ended_at_its_deadline(tmp_path: Path) -> None:
    scripted = ScriptedEngine(tmp_path, start="exec sleep 1000")
    with pytest.raises(EngineError) as refused:
        await check_boot(scripted.engine, 0.2)
    assert refused.value.code == "sandbox.kvm_unusable"
    assert "did not boot a bare machine within 0.2 s" in refused.value.message
    assert scripted.calls[-1] == "machine delete"


async def test_a_full_disk_is_not_taken_for_unusable_kvm(tmp_path: Path) -> None:
    full = '{"error":{"code":"STORAGE_ERROR","message":"no space left"}}'
    scripted = ScriptedEngine(tmp_path, start=f"echo '{full}' >&2; exit 1")
    with pytest.raises(EngineError) as refused:
        await check_boot(scripted.engine)
    assert refused.value.code == "sandbox.disk_full"


async def test_an_engine_that_still_unpacks_its_disks_is_not_taken_for_unusable_kvm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "UNPACK_DEADLINE", 0.1)
    (tmp_path / "storage-template.ext4.zst").write_bytes(b"")
    scripted = ScriptedEngine(tmp_path, start="exec sleep 1000")
    assert must_unpack(scripted.engine)
    with pytest.raises(EngineError) as refused:
        await check_boot(scripted.engine, 0.1)
    assert (refused.value.code, str(refused.value)) == (
        "sandbox.engine_timeout",
        "smolvm was still unpacking its disks after 0.2 s, as it does at its first start. "
        "Try again when this machine is less busy.",
    )


async def test_disks_that_cannot_be_unpacked_are_not_taken_for_unusable_kvm(tmp_path: Path) -> None:
    (tmp_path / "overlay-template.ext4.zst").write_bytes(b"")
    scripted = ScriptedEngine(tmp_path, start=f"echo '{DEAD}' >&2; exit 1")
    with pytest.raises(EngineError) as refused:
        await check_boot(scripted.engine)
    assert refused.value.code == "sandbox.engine_failed"
    assert str(tmp_path) in refused.value.remedy


async def test_a_guest_that_dies_after_the_first_unpacking_is_unusable_kvm(tmp_path: Path) -> None:
    for name in ("storage-template.ext4", "overlay-template.ext4"):
        (tmp_path / f"{name}.zst").write_bytes(b"")
    unpacking = f"touch {tmp_path}/storage-template.ext4 {tmp_path}/overlay-template.ext4"
    scripted = ScriptedEngine(tmp_path, start=f"{unpacking}; echo '{DEAD}' >&2; exit 1")
    with pytest.raises(EngineError) as refused:
        await check_boot(scripted.engine)
    assert refused.value.code == "sandbox.kvm_unusable"
    assert not must_unpack(scripted.engine)


async def test_an_interrupted_boot_removes_its_machine_first(tmp_path: Path) -> None:
    began = tmp_path / "began"
    os.mkfifo(began)
    scripted = ScriptedEngine(tmp_path, start=f"echo >{began}; exec sleep 1000")
    task = asyncio.create_task(check_boot(scripted.engine))
    await asyncio.to_thread(began.read_bytes)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scripted.calls[-1] == "machine delete"


async def test_what_a_killed_doctor_left_is_removed_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    listed = [
        row("left", NO_SUCH_PROCESS),
        row("nonsense", "x"),
        row("alive", os.getpid()),
        row("other", NO_SUCH_PROCESS, purpose="other"),
    ]
    scripted = ScriptedEngine(tmp_path, listed=listed)
    await check_boot(scripted.engine)
    assert scripted.deleted()[:-1] == ["left", "nonsense"]


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as refused:
        check_device(tmp_path / "kvm")
    assert refused.value.code == "sandbox.kvm_unusable"
    assert refused.value.message == f"There is no {tmp_path}/kvm: this machine offers no virtualization."
    assert "kvm_intel" in refused.value.remedy
    assert refused.value.remedy.endswith("Or set `sandbox: local` in WORKFLOW.md, which isolates nothing.")


def test_a_device_that_this_user_may_not_open_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(boot.os, "open", refuse)  # root may open everything
    with pytest.raises(EngineError) as refused:
        check_device(tmp_path / "kvm")
    assert refused.value.message == f"This user may not open {tmp_path}/kvm."
    assert "usermod -aG kvm" in refused.value.remedy


def test_a_device_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as refused:
        check_device(tmp_path)
    assert refused.value.message == f"{tmp_path} cannot be opened: is a directory."


def test_a_device_that_opens_is_fine_and_says_nothing_of_a_boot() -> None:
    check_device(Path(os.devnull))


def test_an_archive_is_seen_without_being_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "root.tar"
    archive.write_bytes(b"not read")
    environ = {"SYMPHONY_IMAGES": str(tmp_path / "images")}
    assert find_image(SmolvmSettings(image=str(archive)), environ) is None
    assert not (tmp_path / "images").exists()
    with pytest.raises(SandboxError) as refused:
        find_image(SmolvmSettings(image=str(tmp_path / "gone.tar")), environ)
    assert refused.value.code == "sandbox.image_missing"


def test_the_engines_own_folder_follows_the_users_variables(tmp_path: Path) -> None:
    assert state_folder({"HOME": "/home/u"}) == Path("/home/u/.cache/smolvm")
    assert state_folder({"HOME": "/home/u", "XDG_CACHE_HOME": "/c"}) == Path("/c/smolvm")


async def test_a_daemon_learns_at_its_start_what_would_keep_every_machine_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"PATH": os.environ["PATH"], "SYMPHONY_IMAGES": str(tmp_path / "images")}

    async def code_of(settings: SmolvmSettings) -> str:
        with pytest.raises(SandboxError) as refused:
            await SmolvmDriver(environ, tmp_path / "kit").preflight(settings)
        return refused.value.code

    scripted = ScriptedEngine(tmp_path).engine.program
    monkeypatch.setattr(boot.check_device, "__defaults__", (tmp_path / "kvm",))
    assert await code_of(SmolvmSettings(binary=str(tmp_path / "gone"))) == "sandbox.engine_missing"
    assert await code_of(SmolvmSettings(binary="/bin/true")) == "sandbox.engine_version"
    assert await code_of(SmolvmSettings(binary=str(scripted))) == "sandbox.kvm_unusable"
    (tmp_path / "kvm").touch()
    assert await code_of(SmolvmSettings(binary=str(scripted))) == "sandbox.image_missing"
    (tmp_path / "rootfs").mkdir()
    broken = SmolvmSettings(binary=str(scripted), image=str(tmp_path / "rootfs"))
    assert await code_of(broken) == "sandbox.image_corrupt"
    (tmp_path / "rootfs" / "etc").mkdir()
    await SmolvmDriver(environ, tmp_path / "kit").preflight(broken)
