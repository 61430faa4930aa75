"""Commands that the demo agent runs in its workspace, bounded in time and killed as a whole."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from symphony.agent.demo.program import Program
from symphony.agent.demo.text import plain
from symphony.agent.demo.thread import in_thread

TEST_BOUND_S = 600.0  # a project's tests; longer ones belong into the workflow's checks
GIT_BOUND_S = 60.0  # one git command on a local repository
OUTPUT_BYTES = 16_384  # the end of a test's output tells what failed
LEAVE_NO_FILES = {"PYTHONDONTWRITEBYTECODE": "1"}  # caches would be taken for uncommitted work
IDENTITY = {
    "GIT_AUTHOR_NAME": "symphony demo agent",
    "GIT_AUTHOR_EMAIL": "demo-agent@symphony.invalid",
    "GIT_COMMITTER_NAME": "symphony demo agent",
    "GIT_COMMITTER_EMAIL": "demo-agent@symphony.invalid",
}


@dataclass(frozen=True)
class Ran:
    """A command that has ended.

    Attributes:
        status: None when it was killed at its bound.
        output: stdout and stderr in order, the end kept.
    """

    status: int | None
    output: str

    @property
    def ok(self) -> bool:
        """Say whether it succeeded."""
        return self.status == 0

    @property
    def verdict(self) -> str:
        """How it ended, in words."""
        return "did not end in time and was killed" if self.status is None else f"exit status {self.status}"


class Shell:
    """Runs commands in one workspace."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd

    async def run(self, command: str) -> Ran:
        """Run a shell command.

        Cancellation: it is killed first, with all that it started.
        """
        return await self._run(("sh", "-c", command), TEST_BOUND_S, environment=LEAVE_NO_FILES)

    async def git(self, *arguments: str, stdin: bytes | None = None) -> Ran:
        """Run git; commits are made in the agent's own name where the repository has none."""
        return await self._run(("git", *arguments), GIT_BOUND_S, stdin=stdin)

    async def has_identity(self) -> bool:
        """Say whether the repository knows whose commits are made."""
        return (await self.git("config", "user.email")).ok

    async def commit(self, subject: str, body: str) -> Ran:
        """Commit what is staged on the current branch."""
        identity = {} if await self.has_identity() else IDENTITY
        return await self._run(
            ("git", "commit", "--quiet", "--no-gpg-sign", "-m", subject, "-m", body),
            GIT_BOUND_S,
            environment=identity,
        )

    async def _run(
        self,
        argv: tuple[str, ...],
        bound_s: float,
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> Ran:
        program = Program(
            argv,
            cwd=self.cwd,
            environment={**os.environ, **(environment or {})},
            output_limit=OUTPUT_BYTES,
            stdin=stdin,
        )
        waiting = in_thread(lambda: program.wait(bound_s))
        try:
            status = await waiting
        except BaseException:
            # in line: nothing else may go on here while what was cancelled still runs
            program.end()
            raise
        return Ran(status, plain(program.output.decode("utf-8", "replace"), OUTPUT_BYTES))


def detect_test(cwd: Path) -> str | None:
    """Return the command that runs a project's tests, if it looks like one with tests."""
    python = shlex.quote(sys.executable)
    if any((cwd / name).is_file() for name in ("pytest.ini", "conftest.py", "tests/conftest.py")):
        return f"{python} -m pytest -q"
    pyproject = cwd / "pyproject.toml"
    if pyproject.is_file() and "[tool.pytest" in pyproject.read_text(encoding="utf-8", errors="replace"):
        return f"{python} -m pytest -q"
    for folder in (".", "tests", "test"):
        if any((cwd / folder).glob("test_*.py")):
            start = "" if folder == "." else f" -s {folder} -t ."
            return f"{python} -m unittest discover -q{start}"
    return None
