"""What a command costs before it does anything, and what is said when symphony itself breaks."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import BOUND_S, ENVIRONMENT, symphony

HEAVY = {"acp", "mcp", "aiohttp", "git", "watchdog", "structlog"}
PROBE = """
import sys
from symphony.cli.main import run
status = run(sys.argv[1:])
print(status, *sorted(sys.modules), file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose WORKFLOW.md has every kind of setting that costs an import."""
    (tmp_path / "WORKFLOW.md").write_text("---\nsandbox: local\n---\n{{ issue.title }}\n")
    (tmp_path / "issues/Todo").mkdir(parents=True)
    (tmp_path / "issues/Todo/1.md").touch()
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [["--version"], ["status"], ["status", "--json"], ["inbox"], ["show", "1"], ["logs", "1"], ["new", "x"],
     ["pause", "1"], ["move", "1", "Done"], ["init"]],
)  # fmt: skip
def test_a_command_imports_none_of_the_heavy_libraries(folder, words):
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        timeout=BOUND_S,
        check=False,
        text=True,
    )
    status, *modules = ran.stderr.split()
    assert status == "0"
    assert HEAVY.isdisjoint(modules)


def test_the_version_needs_no_settings(folder):
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, "--version"],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        timeout=BOUND_S,
        check=False,
        text=True,
    )
    modules = ran.stderr.split()
    assert "typer" in modules
    assert {"symphony.core.settings", "yaml", "liquid", "asyncio", "sqlite3"}.isdisjoint(modules)


def test_a_store_that_cannot_be_read_is_one_line(folder):
    (folder / ".symphony").mkdir()
    (folder / ".symphony/symphony.db").mkdir()
    ran = symphony(folder, "status")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"symphony: The store {folder}/.symphony/symphony.db cannot be used: ")
    assert len(ran.err.splitlines()) == 1


def test_python_m_symphony_is_the_command(folder):
    assert symphony(folder, "--version").out == "symphony 0.1.0\n"


def test_a_shell_can_complete_the_commands(folder):
    environment = {"_SYMPHONY_COMPLETE": "complete_bash", "COMP_WORDS": "symphony st", "COMP_CWORD": "1"}
    assert symphony(folder, environment=environment).out.strip() == "status"
