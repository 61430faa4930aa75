"""Git as the host runs it: a closed environment, no configuration but its own, bounded in time.

Every git process of this room starts here. GitPython's `execute` is not used for it: it adds
the daemon's whole environment (a `GIT_DIR` included) to each command, and it moves to the
daemon's own folder when the one it was given is gone.
"""

import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from symphony.core.ports import RunResult
from symphony.core.text import plain
from symphony.host.process import ProcessError, run_group
from symphony.workspace.errors import (
    DISK_FULL,
    FULL_WORDS,
    MAKE_ROOM,
    MAKE_WRITABLE,
    PERMISSION_DENIED,
    REFUSED_WORDS,
    WorkspaceError,
)
from symphony.workspace.locks import Locks

GIT_TIMEOUT = 120.0  # seconds for a command that touches one repository; a big `add` takes tens
TRANSFER_TIMEOUT = 1800.0  # seconds for one that moves a whole history over a network
OUTPUT_LIMIT = 1 << 28  # bytes; the file list of the largest public repositories is a third of it
FROM_OUTSIDE = frozenset(
    {signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGXCPU, signal.SIGXFSZ}
)  # signals that say nothing about what git was working on
PART_DIED = re.compile(rb"^error: .* died of signal (\d+)$", re.MULTILINE)  # git's words for its own children
STDERR_SHOWN = 600  # characters of git's own words in a message

# before it, git read a symlinked .gitignore or .gitattributes
OLDEST = (2, 32)
VERSION = re.compile(r"(\d+)\.(\d+)")
OBJECT_ID = re.compile(r"^[0-9a-f]{40}([0-9a-f]{24})?$")

HARDENED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.askPass=",
    "core.pager=cat",
    "credential.helper=",
    "protocol.allow=never",
    "protocol.file.allow=always",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    # only the host's own repositories are ever opened with these options
    "safe.directory=*",
)

# Variables that tie git to a repository that is not the one on its command line.
FOREIGN = frozenset(
    {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_COMMON_DIR",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
        "GIT_CONFIG",
        "GIT_GRAFT_FILE",
        "GIT_SHALLOW_FILE",
        "GIT_REPLACE_REF_BASE",
        "GIT_QUARANTINE_PATH",
        "GIT_IMPLICIT_WORK_TREE",
    }
)


def closed_environment() -> dict[str, str]:
    """Return all that git may know of this machine when it works for the host.

    No program is looked for in the folder where one starts, which may be a guest's.
    """
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return {
        "PATH": os.pathsep.join(filter(os.path.isabs, path)) or os.defpath,
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_DEFAULT_REF_FORMAT": "files",  # in which refs are read here
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_EDITOR": ":",
        "GIT_PAGER": "cat",
        "GIT_ALLOW_PROTOCOL": "file",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_AUTHOR_NAME": "symphony",
        "GIT_AUTHOR_EMAIL": "symphony@localhost",
        "GIT_COMMITTER_NAME": "symphony",
        "GIT_COMMITTER_EMAIL": "symphony@localhost",
    }


def trusted_environment() -> dict[str, str]:
    """Return the user's own environment, for reading the user's own source repository."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never"}


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one folder with fixed options and a fixed environment.

    Attributes:
        folder: where it starts.
        options: before each subcommand.
        environment: all of it.
        locks: of the repository in which it works, if other commands work there as well.
    """

    folder: Path
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=closed_environment, repr=False)
    locks: Locks | None = field(default=None, repr=False)

    async def ask(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        stdin_file: Path | None = None,
        timeout_s: float = GIT_TIMEOUT,
    ) -> RunResult:
        """Run a subcommand that may well fail, and return how it ended.

        Raises:
            WorkspaceError: `workspace.git_not_found`, `workspace.git_timeout`,
                `workspace.too_large`; `workspace.git_failed` when it was killed, which is no answer.
        """
        argv: Sequence[str] = ("git", *self.options, *arguments)
        if stdin_file is not None:
            argv = ("sh", "-c", 'exec "$@" <"$0"', str(stdin_file), *argv)
        try:
            async with nullcontext() if self.locks is None else self.locks.in_use():
                result = await run_group(
                    argv,
                    cwd=self.folder,
                    env=self.environment,
                    timeout_s=timeout_s,
                    output_limit=OUTPUT_LIMIT,
                    stdin=stdin,
                )
        except ProcessError as error:
            raise WorkspaceError(
                f"git could not be started: {error.message}",
                code="workspace.git_not_found",
                remedy=error.remedy or "Install git.",
            ) from error
        if self.locks is not None:
            self.locks.note(result)
        if result.exit_status is None:
            raise WorkspaceError(
                f"`git {arguments[0]}` did not end within {timeout_s:g} seconds and was stopped.",
                code="workspace.git_timeout",
                remedy="Look whether the disk or the network is very slow; symphony tries again by itself.",
            )
        if was_killed(result):
            raise git_failure(f"`git {arguments[0]}` failed in {self.folder}", result)
        if len(result.stdout) >= OUTPUT_LIMIT:
            raise WorkspaceError(
                f"`git {arguments[0]}` gave more than {OUTPUT_LIMIT >> 20} MiB.", code="workspace.too_large"
            )
        return result

    async def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        stdin_file: Path | None = None,
        timeout_s: float = GIT_TIMEOUT,
    ) -> bytes:
        """Run a subcommand that has to work, and return its stdout.

        Raises:
            WorkspaceError: as of `ask`; `workspace.disk_full`, `workspace.permission_denied`,
                `workspace.git_failed` with git's own words.
        """
        result = await self.ask(*arguments, stdin=stdin, stdin_file=stdin_file, timeout_s=timeout_s)
        if result.exit_status != 0:
            raise git_failure(f"`git {arguments[0]}` failed in {self.folder}", result)
        return result.stdout

    async def line(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run a subcommand that has to work, and return its one line of text.

        Raises:
            WorkspaceError: as of `run`.
        """
        return (await self.run(*arguments, stdin=stdin)).decode("utf-8", "replace").strip()

    async def path(self, name: str) -> Path:
        """Return where git keeps something of this checkout.

        Raises:
            WorkspaceError: as of `run`.
        """
        said = await self.run("rev-parse", "--path-format=absolute", "--git-path", name)
        return Path(os.fsdecode(said.rstrip(b"\n")))

    def with_options(self, *options: str, **environment: str) -> "Git":
        """Return the same with more options and variables."""
        return replace(
            self, options=(*self.options, *options), environment={**self.environment, **environment}
        )


def check_version(said: str) -> None:
    """Make sure that a git that says this of itself is new enough to be safe here.

    Raises:
        WorkspaceError: `workspace.git_too_old`.
    """
    if not is_recent(said, OLDEST):
        raise WorkspaceError(
            f"{said or 'The git of this machine'} is too old: it follows symlinks that an agent can plant.",
            code="workspace.git_too_old",
            remedy=f"Install git {OLDEST[0]}.{OLDEST[1]} or newer.",
        )


def is_recent(said: str, oldest: tuple[int, int]) -> bool:
    """Say whether what `git version` prints names this version or a later one."""
    found = VERSION.search(said)
    return found is not None and (int(found[1]), int(found[2])) >= oldest


def host_git(folder: Path, *options: str, **environment: str) -> Git:
    """Return git for a folder that the host made, closed to all configuration but the host's."""
    settings = tuple(part for setting in HARDENED for part in ("-c", setting))
    return Git(folder, (*settings, *options), {**closed_environment(), **environment})


def was_killed(result: RunResult) -> bool:
    """Say whether a command, or a part of it, was ended from outside, as by a machine without memory left."""
    part = PART_DIED.search(result.stderr) if result.exit_status else None
    number = int(part[1]) if part else -(result.exit_status or 0)
    return number in FROM_OUTSIDE


def git_words(result: RunResult) -> str:
    """Return the end of what git said on stderr, fit for a message."""
    return plain(result.stderr.decode("utf-8", "replace").strip()[-STDERR_SHOWN:], STDERR_SHOWN)


def git_failure(
    what: str, result: RunResult, *, code: str = "workspace.git_failed", remedy: str = ""
) -> WorkspaceError:
    """Return the error for a git command that failed; a full disk and missing rights go first."""
    words = git_words(result)
    if any(sign in words for sign in FULL_WORDS):
        return WorkspaceError(f"{what}: the disk is full.", code=DISK_FULL, remedy=MAKE_ROOM)
    if any(sign in words for sign in REFUSED_WORDS):
        return WorkspaceError(f"{what}: {words}", code=PERMISSION_DENIED, remedy=MAKE_WRITABLE)
    said = words or f"git {ending(result.exit_status or 0)} and said nothing"
    return WorkspaceError(f"{what}: {said}", code=code, remedy=remedy)


def ending(status: int) -> str:
    """Say how a command ended that gave no reason."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
