"""Which engine the driver asks for the machines of dead runs, with programs that answer as it does."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from symphony.core.settings import SmolvmSettings
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.smolvm.driver import SmolvmDriver

LABELS = {"installation": "here"}


def engine(path: Path, *machines: str) -> Path:
    """Make a program that knows these machines and writes down what it deletes."""
    path.parent.mkdir()
    rows = [{"name": name, "state": "stopped", "labels": LABELS} for name in machines]
    path.write_text(
        f"""#!/bin/sh
case "$*" in
  *--version) echo smolvm 1.32.2;;
  *"machine ls"*) echo '{json.dumps(rows)}';;
  *"machine delete"*) echo "$*" >>{path}.deleted;;
esac
"""
    )
    path.chmod(0o755)
    return path


def driver(tmp_path: Path, *machines: str) -> SmolvmDriver:
    """Return a driver whose PATH has an engine with these machines."""
    own = engine(tmp_path / "own" / "smolvm", *machines)
    return SmolvmDriver({"PATH": f"{own.parent}:/usr/bin:/bin"}, tmp_path / "kit")


async def look_up(driver: SmolvmDriver, binary: Path | None) -> None:
    """Let the driver see settings, as a start does; whether this host boots machines is no matter."""
    with suppress(SandboxError):
        await driver.preflight(SmolvmSettings(binary=None if binary is None else str(binary)))


async def test_dead_machines_are_those_of_the_engine_that_the_settings_name(tmp_path: Path) -> None:
    named = engine(tmp_path / "named" / "engine", "of-the-named")
    subject = driver(tmp_path, "of-the-own")
    await look_up(subject, named)

    assert await subject.reap(LABELS) == ("machine of-the-named",)
    assert "of-the-named" in named.with_name("engine.deleted").read_text()
    assert not (tmp_path / "own" / "smolvm.deleted").exists()


async def test_after_a_reload_with_another_engine_both_are_asked(tmp_path: Path) -> None:
    subject = driver(tmp_path, "of-the-own")
    await look_up(subject, None)
    await look_up(subject, engine(tmp_path / "named" / "engine", "of-the-named"))

    assert await subject.reap(LABELS) == ("machine of-the-own", "machine of-the-named")


async def test_two_engines_that_share_their_state_remove_a_machine_once(tmp_path: Path) -> None:
    subject = driver(tmp_path, "shared")
    await look_up(subject, None)
    await look_up(subject, engine(tmp_path / "named" / "engine", "shared"))

    assert await subject.reap(LABELS) == ("machine shared",)


@pytest.mark.parametrize("labels", [LABELS, {}])
async def test_before_any_settings_were_seen_it_is_symphonys_own_engine(
    tmp_path: Path, labels: dict[str, str]
) -> None:
    subject = driver(tmp_path, "of-the-own")
    assert await subject.reap(labels) == (("machine of-the-own",) if labels else ())
