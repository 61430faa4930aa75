"""Faults of the real machine, each beside a run that nothing disturbs."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.endtoend.faults.project import TEXT, End, FaultProject


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> End:
    """The end of a run to which nothing happens."""
    project = FaultProject(tmp_path_factory.mktemp("undisturbed"))
    project.drop("1", TEXT)
    end = project.end(project.finish())
    assert end.status == 0
    assert end.state == "Done"
    assert end.subjects == ("Add two.txt", "Add one.txt", "Start")
    assert (end.delivered, end.intents, end.workspaces, end.processes) == (1, 0, (), ())
    return end


@pytest.fixture
def make_project(tmp_path: Path) -> Iterator[Callable[..., FaultProject]]:
    """Make a project with one issue; what a failing test left running is ended."""

    def make(**sections: Any) -> FaultProject:
        project = FaultProject(tmp_path, **sections)
        project.drop("1", TEXT)
        return project

    yield make
    for path in (tmp_path / "notes").glob("agent-*"):
        with suppress(ProcessLookupError, psutil.Error):
            pid = int(path.name.rpartition("-")[2])
            if str(tmp_path) in " ".join(psutil.Process(pid).cmdline()):
                os.kill(pid, signal.SIGKILL)
