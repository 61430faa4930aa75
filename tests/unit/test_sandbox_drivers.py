"""Which driver a setting names, and what a user reads when there is none."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from symphony.sandbox.drivers import Drivers, isolation_of
from symphony.sandbox.errors import SandboxError


@pytest.fixture
def drivers(tmp_path: Path) -> Drivers:
    return Drivers(tmp_path, {"PATH": "/usr/bin:/bin"})


def test_local_says_plainly_that_it_isolates_nothing() -> None:
    assert isolation_of("local") == (
        "local isolates nothing: the agent runs as you, with your files, logins and network."
    )


def test_smolvm_says_what_a_machine_sees() -> None:
    assert isolation_of("smolvm") == (
        "smolvm gives every attempt a machine of its own: it sees its workspace and the hosts that "
        "WORKFLOW.md allows, and no credential."
    )


@pytest.mark.parametrize(("kind", "has_machines"), [("local", False), ("smolvm", True)])
def test_there_is_one_driver_of_a_kind(drivers: Drivers, kind: str, has_machines: bool) -> None:
    driver = drivers.of(kind)
    assert (driver.kind, driver.has_machines) == (kind, has_machines)
    assert driver is drivers.of(kind)


@pytest.fixture
def reaped(drivers: Drivers, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds whose dead were looked for, in order."""
    looked_for: list[str] = []
    for kind in ("local", "smolvm"):

        async def reap(_labels: Mapping[str, str], kind: str = kind) -> tuple[str, ...]:
            looked_for.append(kind)
            return (f"what {kind} left",)

        monkeypatch.setattr(drivers.of(kind), "reap", reap)
    return looked_for


@pytest.mark.parametrize(
    ("kind", "places", "kinds"),
    [
        ("local", (), ["local"]),
        ("local", ("local",), ["local"]),
        ("local", ("local", "smolvm machine x"), ["local", "smolvm"]),
        ("smolvm", (), ["local", "smolvm"]),
        ("smolvm", ("local",), ["local", "smolvm"]),
    ],
)
async def test_what_a_dead_run_left_is_ended_though_the_kind_was_changed_since(
    drivers: Drivers, reaped: list[str], kind: str, places: tuple[str, ...], kinds: list[str]
) -> None:
    said = await drivers.reap(kind, places, {"installation": "x"})

    assert reaped == kinds
    assert said == tuple(f"what {each} left" for each in kinds)


async def test_a_missing_engine_is_said_and_does_not_keep_a_local_run_from_starting(
    drivers: Drivers, reaped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reap(_labels: Mapping[str, str]) -> tuple[str, ...]:
        raise SandboxError("The engine is gone.", remedy="Install it.")

    monkeypatch.setattr(drivers.of("smolvm"), "reap", reap)

    said = await drivers.reap("local", ("smolvm machine x",), {"installation": "x"})

    assert said == ("what local left", "no machine, though one may be left: The engine is gone. Install it.")
    with pytest.raises(SandboxError):
        await drivers.reap("smolvm", (), {"installation": "x"})


def test_an_unknown_kind_is_named(drivers: Drivers) -> None:
    with pytest.raises(SandboxError) as refused:
        drivers.of("docker")
    assert refused.value.code == "sandbox.unknown_kind"
    assert str(refused.value) == (
        "sandbox: there is no kind 'docker'. "
        "Set `sandbox` to smolvm or local in WORKFLOW.md, or start with `--sandbox`."
    )
