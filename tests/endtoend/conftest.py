"""Real git, real processes, real files."""

from pathlib import Path

import pytest

from tests.support.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh project whose agent does a whole trivial job."""
    return Project(tmp_path / "project")


@pytest.fixture
def project_with(tmp_path: Path):
    """A fresh project with the agent of this name from tests/agents."""
    return lambda agent: Project(tmp_path / "project", agent)
