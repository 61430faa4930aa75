"""Which engine is used, how it is called, and what a user reads when it cannot do something."""

import asyncio
import json
import os
import resource
from pathlib import Path

import pytest

from symphony.sandbox.smolvm.engine import PATIENCE, Engine, check_version, find_program, open_engine
from symphony.sandbox.smolvm.errors import EngineError, engine_error, parse_failure


def program(folder: Path, text: str, name: str = "smolvm") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_setting_beats_path_and_path_beats_the_package(tmp_path: Path) -> None:
    named = program(tmp_path / "named", "")
    on_path = program(tmp_path / "bin", "")
    environ = {"PATH": str(on_path.parent)}
    assert find_program(str(named), environ) == named
    assert find_program(None, environ) == on_path
    assert find_program(None, {"PATH": "/nowhere"}).name == "smol-vmm"


def test_a_setting_that_names_no_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as refused:
        find_program(str(tmp_path / "gone"), {})
    assert refused.value.code == "sandbox.engine_missing"
    assert str(refused.value) == (
        f"smolvm.binary names {tmp_path}/gone, which is not a program that can be run. "
        "Correct `smolvm.binary` in WORKFLOW.md, or remove it to use symphony's own."
    )


@pytest.mark.parametrize("said", ["smolvm 1.32.0", "smolvm 1.32.2\n", "note\nsmolvm 1.40.1"])
def test_a_fitting_version_is_read(said: str) -> None:
    assert said.split()[-1] == check_version(Path("/bin/smolvm"), said)


@pytest.mark.parametrize("version", ["1.31.9", "0.9", "2.0.0"])
def test_a_version_that_is_too_old_or_too_new_is_named(version: str) -> None:
    with pytest.raises(EngineError) as refused:
        check_version(Path("/bin/smolvm"), f"smolvm {version}")
    assert refused.value.code == "sandbox.engine_version"
    assert str(refused.value) == (
        f"/bin/smolvm is smolvm {version}; symphony works with 1.32 or newer, below 2.0. "
        "Install a fitting one with `pip install smolmachines`, or set `smolvm.binary`."
    )


def test_a_program_that_is_not_smolvm_is_named() -> None:
    with pytest.raises(EngineError) as refused:
        check_version(Path("/bin/true"), "GNU coreutils 9.1")
    assert str(refused.value) == (
        "/bin/true does not say that it is smolvm. "
        "Set `smolvm.binary` in WORKFLOW.md to smolvm 1.32 or newer, below 2.0."
    )


async def test_the_engine_of_the_package_says_its_version(tmp_path: Path) -> None:
    engine = await open_engine(None, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert engine.version.startswith("1.")


async def test_the_engine_inherits_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    path = program(tmp_path, 'case "$*" in *--version) echo smolvm 1.32.2;; *) env;; esac')
    environ = {"PATH": os.environ["PATH"], "SECRET": "x", "SMOLVM_MACHINE_NAME": "y", "SMOLVM_LOG": "z"}
    engine = await open_engine(str(path), environ)
    assert dict(engine.environment) == {"PATH": os.environ["PATH"], "SMOLVM_LOG": "z", **PATIENCE}
    said = (await engine.call("machine", doing="x", secrets={"GIVEN": "for one call"})).decode()
    assert "GIVEN=for one call" in said
    assert "SECRET" not in said


async def test_a_machine_is_started_with_as_many_open_files_as_the_host_allows(tmp_path: Path) -> None:
    engine = Engine(program(tmp_path, 'echo "$5 $(ulimit -S -n)"'), environment={"PATH": os.environ["PATH"]})
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(usual, most - 1), most))
    try:
        said = await engine.call("machine", "start", "x y", doing="start it", roomy=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))
    assert said.decode() == f"x y {most}\n"


async def test_a_call_that_hangs_is_ended_at_its_bound(tmp_path: Path) -> None:
    engine = Engine(program(tmp_path, "exec sleep 1000"), environment={"PATH": os.environ["PATH"]})
    with pytest.raises(EngineError) as refused:
        await engine.call("machine", "start", doing="start the machine m", timeout_s=0.2)
    assert refused.value.code == "sandbox.engine_timeout"
    assert str(refused.value) == (
        "smolvm did not start the machine m within 0.2 s, and was ended. "
        "`symphony doctor` says what is missing. "
        "A loaded host may need fewer attempts at once: agent.max_concurrent_agents."
    )


async def test_a_cancelled_call_ends_the_engine(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    engine = Engine(program(tmp_path, f"echo $$ >{pid}; exec sleep 1000"), environment=dict(os.environ))
    call = asyncio.create_task(engine.call("x", doing="x", timeout_s=100))
    async with asyncio.timeout(30):
        while not (pid.exists() and pid.read_text().strip()):
            await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


async def test_an_engine_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as refused:
        await Engine(tmp_path / "gone").call("x", doing="x")
    assert refused.value.code == "sandbox.engine_missing"
    assert "Install it again with `pip install smolmachines`, or correct `smolvm.binary`." in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("NOT_FOUND", "sandbox.machine_gone"),
        ("INVALID_STATE", "sandbox.machine_gone"),
        ("INTERRUPTED", "sandbox.machine_gone"),
        ("CONFLICT", "sandbox.machine_exists"),
        ("KVM_UNAVAILABLE", "sandbox.kvm_unusable"),
        ("HYPERVISOR_UNAVAILABLE", "sandbox.kvm_unusable"),
        ("STORAGE_ERROR", "sandbox.disk_full"),
        ("MOUNT_ERROR", "sandbox.mount_failed"),
        ("CONFIG_ERROR", "sandbox.engine_failed"),
        ("A_NEW_CODE", "sandbox.engine_failed"),
    ],
)
def test_the_engines_codes_are_ours(theirs: str, ours: str) -> None:
    stderr = (
        b"note: no packed assets found for x\n"
        + json.dumps({"error": {"code": theirs, "message": "what it says."}}).encode()
    )
    error = engine_error("start the machine m", 1, stderr)
    assert (error.code, error.engine_code) == (ours, theirs)
    assert error.message == "smolvm could not start the machine m: what it says."
    assert error.remedy


def test_an_engine_that_says_nothing_is_told_by_its_status() -> None:
    error = engine_error("list its machines", 139, b"note: no packed assets found for x\n")
    assert error.message == "smolvm could not list its machines: it ended with status 139 and said nothing."


def test_what_the_engine_says_is_one_bounded_line() -> None:
    error = engine_error("x", 1, b"Error: a\x1b[31m\nb\n" + b"c" * 10_000)
    assert "\n" not in error.message
    assert "\x1b" not in error.message
    assert len(error.message) < 700


def test_plain_words_of_the_engine_are_taken_as_they_are() -> None:
    assert parse_failure(b"Error: agent operation failed: no.\n") == ("", "agent operation failed: no")
    assert parse_failure(b'{"error": 3}\n') == ("", '{"error": 3}')
