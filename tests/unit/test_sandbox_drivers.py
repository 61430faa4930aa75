"""Which driver a setting names, and what a user reads when there is none."""

import pytest

from symphony.sandbox.drivers import driver_for
from symphony.sandbox.errors import SandboxError


def test_local_says_plainly_that_it_isolates_nothing() -> None:
    driver = driver_for("local")
    assert driver.kind == "local"
    assert driver.isolation == (
        "local isolates nothing: the agent runs as you, with your files and your network."
    )


def test_there_is_one_driver_of_a_kind() -> None:
    assert driver_for("local") is driver_for("local")


def test_smolvm_is_not_built_yet() -> None:
    with pytest.raises(SandboxError) as refused:
        driver_for("smolvm")
    assert refused.value.code == "sandbox.not_built"
    assert str(refused.value) == (
        "sandbox: smolvm is not built yet. "
        "Set `sandbox: local` in WORKFLOW.md or start with `--sandbox local`; local isolates nothing."
    )


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(SandboxError) as refused:
        driver_for("docker")
    assert refused.value.code == "sandbox.not_built"
    assert str(refused.value) == (
        "sandbox: there is no kind 'docker'. Set `sandbox: local` in WORKFLOW.md; local isolates nothing."
    )
