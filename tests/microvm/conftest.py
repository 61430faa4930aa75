"""Real microVMs: run by `scripts/test`, which sets SYMPHONY_MICROVM where machines boot."""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.microvm import open_place

FOLDER = Path(__file__).parent
LACKS = "smolvm: "  # begins the reason for what the driver declares that it cannot have
SUITE = "test_contract.py"  # drivers without machines pass it in tests/contract
REASON = "no microVM boots here (SYMPHONY_MICROVM is not set): run `scripts/test tests/microvm`"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "SYMPHONY_MICROVM" in os.environ:
        items[:] = [item for item in items if item.path.name != SUITE or "smolvm" in item.name]
        return
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    declared = LACKS in str(report.longrepr)
    if report.skipped and "CI" in os.environ and not declared and not hasattr(report, "wasxfail"):
        # nobody reads the skips of a run that passed, and these tests are what the run is for
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def engine() -> Path:
    """The engine's program."""
    if found := shutil.which("smolvm"):
        return Path(found)
    import smol

    return Path(smol.__file__).with_name("smol-vmm")


@pytest.fixture(scope="session")
def image() -> Path:
    """A guest's root with python3, git, socat, ripgrep and procps, as a folder on a local file system."""
    return Path(os.environ["SYMPHONY_MICROVM_IMAGE"])


@pytest.fixture(scope="session")
def state() -> Iterator[Path]:
    """A folder for the engine's state; short, for the sockets in it, and open to the machines' own users."""
    with tempfile.TemporaryDirectory(prefix="vm-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that a machine's own user can enter."""
    with open_place() as folder:
        yield folder
