"""A small real git project with an installation of symphony beside it, and a sandbox to collect from."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.handoff import Completion, Handoff, Imported
from symphony.core.installation import Installation
from symphony.core.issue import Issue
from symphony.core.ports import Process, RunResult, Workspace
from symphony.core.receipt import Receipt
from symphony.core.settings import Settings
from symphony.host.process import run_group
from symphony.workspace.workspaces import GitWorkspaces

TODAY = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


def git(folder: Path, *arguments: str, stdin: bytes | None = None) -> str:
    """Run git as a person would, and return what it says."""
    result = subprocess.run(
        ("git", *arguments), cwd=folder, env=GIT_ENVIRONMENT, input=stdin, capture_output=True, check=False
    )
    assert result.returncode == 0, (arguments, result.stdout, result.stderr)
    return result.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def make_project(folder: Path, files: Mapping[str, bytes] | None = None) -> Path:
    """Make a repository with one commit on `main`."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "A Person")
    git(folder, "config", "user.email", "person@example.org")
    write_files(folder, {"README.md": b"a project\n"} if files is None else files)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Start")
    return folder


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files, with the folders that they need."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def apply_patch(source: Path, clone: Path, patch: Path, base: str, *words: str) -> str:
    """Apply a patch on its base in a fresh clone, as a person does; return the tree.

    `words` are options of the clone.
    """
    git(source, "clone", "--quiet", *words, str(source), str(clone))
    git(clone, "config", "user.name", "U")
    git(clone, "config", "user.email", "u@example.org")
    git(clone, "checkout", "--quiet", "--detach", base)
    git(clone, "am", "--quiet", str(patch))
    assert git(clone, "status", "--porcelain") == ""
    return git(clone, "rev-parse", "HEAD^{tree}")


def make_issue(issue_id: str = "12", *, branch: str | None = None) -> Issue:
    """Make an issue that is not on any disk."""
    return Issue(issue_id, issue_id, "A title", "Todo", Path("/issues/Todo/x.md"), branch_name=branch)


def make_completion(
    issue_id: str = "12",
    title: str = "Do it",
    summary: str = "It is done.",
    receipt: Receipt | None = None,
) -> Completion:
    """Make an accepted completion."""
    return Completion(issue_id, "attempt-1", title, summary, TODAY, receipt)


class PlainSandbox:
    """Runs what it is asked to in one folder of this machine, with a marked environment."""

    kind = "plain"

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {**GIT_ENVIRONMENT, "IN_GUEST": "yes", **environment}
        self.ran: list[tuple[str, ...]] = []

    async def start(
        self, argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Process:
        raise NotImplementedError

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float,
        output_limit: int = 65_536,
    ) -> RunResult:
        self.ran.append(tuple(argv))
        return await run_group(
            argv,
            cwd=cwd or self.folder,
            env={**self.environment, **(environment or {})},
            timeout_s=timeout_s,
            output_limit=output_limit,
        )

    async def lend(self, folder: Path) -> None:
        pass


class GitWorld:
    """One project, its workspaces, and the agent's hands."""

    def __init__(self, folder: Path, files: Mapping[str, bytes] | None = None) -> None:
        self.source = make_project(folder / "project", files)
        self.installation = Installation(self.source / ".symphony")
        self.workspaces = GitWorkspaces(self.installation)
        self.settings = Settings()

    @property
    def host(self) -> Path:
        """The host's repository."""
        return self.installation.host_repository

    async def prepare(self, issue_id: str = "12") -> Workspace:
        """Make a workspace."""
        return await self.workspaces.prepare(make_issue(issue_id), self.settings, {})

    async def collect(self, workspace: Workspace, **environment: str) -> Imported:
        """Import with a sandbox in the workspace's folder."""
        return await self.workspaces.collect(workspace, PlainSandbox(workspace.path, **environment))

    async def hand_off(self, workspace: Workspace, imported: Imported, **words: str) -> Handoff:
        """Write the patch."""
        completion = make_completion(workspace.issue_id, **words)
        return await self.workspaces.hand_off(workspace, imported, completion, self.settings)

    def apply(self, patch: Path, base: str) -> str:
        """Apply a patch in a fresh clone of the project, as a person does; return the tree."""
        return apply_patch(self.source, self.source.parent / "user", patch, base)

    def commit(self, workspace: Workspace, files: Mapping[str, bytes], message: str = "Work") -> str:
        """Write files and commit everything, as an agent does."""
        write_files(workspace.path, files)
        git(workspace.path, "add", "--all")
        git(workspace.path, "commit", "--quiet", "--cleanup=verbatim", "--allow-empty", "-m", message)
        return git(workspace.path, "rev-parse", "HEAD")

    def host_file(self, commit: str, name: str) -> bytes:
        """Return a file of a commit in the host's repository."""
        result = subprocess.run(
            ("git", f"--git-dir={self.host}", "show", f"{commit}:{name}"),
            env=GIT_ENVIRONMENT,
            capture_output=True,
            check=True,
        )
        return result.stdout

    def host_files(self, commit: str) -> list[str]:
        """Return the names in a commit in the host's repository."""
        listing = git(self.host, "ls-tree", "-r", "-z", "--name-only", commit)
        return [name for name in listing.split("\0") if name]
