"""What holds for every test: it leaves no process behind, and no example of a property has to be quick."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.support.forge_server import make_certificate

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

CHILDREN: pytest.StashKey[frozenset[int]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Remember the processes that fixtures started; they may outlive the test."""
    item.stash[CHILDREN] = children()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail a test that left a process, before the next one wonders whose it is."""
    result = yield
    before = item.stash.get(CHILDREN, None)
    left = [] if before is None else [words for pid in children() - before if (words := living(pid))]
    assert not left, f"the test left processes behind: {left}"
    return result


def children() -> frozenset[int]:
    """Return the ids of this process's children."""
    found: set[int] = set()
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # its thread has just ended
            found.update(int(word) for word in path.read_text().split())
    return frozenset(found)


def living(pid: int) -> str:
    """Return the command of a process; nothing if it has ended."""
    try:
        process = psutil.Process(pid)
        return " ".join(process.cmdline()) if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.NoSuchProcess:
        return ""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for servers on loopback; its key lies beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; it makes the local server's certificate")
    return make_certificate(tmp_path_factory.mktemp("certificate"))
