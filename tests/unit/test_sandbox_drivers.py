"""Which driver a setting names, and what a user reads when there is none."""

from pathlib import Path

import pytest

from symphony.sandbox.drivers import Drivers, isolation_of
from symphony.sandbox.errors import SandboxError


@pytest.fixture
def drivers(tmp_path: Path) -> Drivers:
    return Drivers(tmp_path, {"PATH": "/usr/bin:/bin"})


def test_local_says_plainly_that_it_isolates_nothing() -> None:
    assert isolation_of("local") == (
        "local isolates nothing: the agent runs as you, with your files and your network."
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


def test_an_unknown_kind_is_named(drivers: Drivers) -> None:
    with pytest.raises(SandboxError) as refused:
        drivers.of("docker")
    assert refused.value.code == "sandbox.unknown_kind"
    assert str(refused.value) == (
        "sandbox: there is no kind 'docker'. "
        "Set `sandbox` to smolvm or local in WORKFLOW.md, or start with `--sandbox`."
    )
