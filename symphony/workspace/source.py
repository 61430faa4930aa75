"""The user's own repository, which is trusted and here only read: what is there, who the user is.

Called by `workspaces` before a clone. It is the one place of this room where git runs with the
user's own configuration and credentials.
"""

import asyncio
import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from symphony.core.ports import RunResult
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.git_command import (
    OBJECT_ID,
    TRANSFER_TIMEOUT,
    Git,
    git_failure,
    git_words,
    trusted_environment,
)

SHOWN_BRANCHES = 5
ABBREVIATED_ID = re.compile(r"^[0-9a-f]{7,64}$")
REMOTE = re.compile(r"^[^/]+:")
CREDENTIALS = re.compile(r"(://)[^/@\s]+@")
BRANCHES = "refs/heads/"
NOT_TRUSTED = re.compile(r"dubious ownership in repository at '(.+)'")
NOT_A_REPOSITORY = ("not a git repository", "does not appear to be a git repository")
FALLBACK_NAME = "symphony agent"
FALLBACK_EMAIL = "symphony-agent@localhost"


@dataclass(frozen=True, slots=True)
class Base:
    """What work on an issue starts from.

    Attributes:
        name: the branch, tag or commit as people call it.
        ref: what to fetch.
        at: the object that it names now, where the source told: a commit, or a tag's own.
    """

    name: str
    ref: str
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Who commits."""

    name: str
    email: str


class Source:
    """One source repository: a folder on this machine, or a URL."""

    def __init__(self, location: str, home: Path) -> None:
        path = home / Path(location).expanduser()
        self._remote = bool(REMOTE.match(location)) and not path.exists()
        self.shown = CREDENTIALS.sub(r"\1", location) if self._remote else str(path)
        self.url = location
        self._folder = home if self._remote else path
        self.git = Git(home, (), trusted_environment())

    @property
    def folder(self) -> Path | None:
        """The repository's folder on this machine; None when it is elsewhere."""
        return None if self._remote else self._folder

    @property
    def own_git(self) -> Git:
        """Git as the user runs it in the source, or on this machine when the source is elsewhere."""
        return self.git if self._remote else self.git.with_options("-C", str(self._folder))

    async def open(self) -> None:
        """Make sure that there is a repository.

        Raises:
            WorkspaceError: `workspace.source_missing`, `workspace.source_not_a_repository`,
                `workspace.source_not_trusted`.
        """
        if self._remote:
            return
        inside = await asyncio.to_thread(self._look_inside)
        if inside is not None:  # what is wrong with it, the next command says
            self.url = inside
            return
        result = await self.git.ask("-C", str(self._folder), "rev-parse", "--absolute-git-dir")
        if result.exit_status != 0:
            raise self._unreadable(result)
        self.url = result.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def _look_inside(self) -> str | None:
        """Return the repository below a folder, if it is one as git makes it."""
        if not self._folder.is_dir():
            raise WorkspaceError(
                f"workspace.source {self.shown} does not exist.",
                code="workspace.source_missing",
                remedy="Set workspace.source to the folder of a git repository.",
            )
        inside = self._folder / ".git"
        return str(inside.resolve()) if inside.is_dir() else None

    async def find_base(self, wanted: str | None) -> Base:
        """Return what `workspace.base` names, or the current branch when it is None.

        Raises:
            WorkspaceError: `workspace.base_not_found` with the nearest branch,
                `workspace.source_empty`, `workspace.source_not_a_repository`, ….
        """
        if wanted is None:
            return await self._current()
        here = await self._read(f"{BRANCHES}{wanted}")
        if here is not None:
            return Base(wanted, *here)
        refs, _ = await self._list(wanted)
        for ref in (f"{BRANCHES}{wanted}", f"refs/tags/{wanted}", f"refs/remotes/{wanted}", wanted):
            if ref in refs:
                return Base(wanted, ref, refs[ref])
        if not self._remote and ABBREVIATED_ID.match(wanted):
            result = await self.git.ask(
                f"--git-dir={self.url}", "rev-parse", "--verify", "--quiet", f"{wanted}^{{commit}}"
            )
            if result.exit_status == 0:
                return Base(wanted, result.stdout.decode().strip())
        if OBJECT_ID.match(wanted):
            return Base(wanted, wanted)
        raise await self._no_such_base(f"has no branch '{wanted}'", wanted)

    async def person(self) -> Person:
        """Return the committer that the user configured, or symphony's own."""
        where = () if self._remote else (f"--git-dir={self.url}",)
        result = await self.git.ask(*where, "config", "-z", "--get-regexp", r"^user\.(name|email)$")
        said = result.stdout.decode("utf-8", "replace").split("\0")
        values = dict(entry.split("\n", 1) for entry in said if "\n" in entry)  # the last of a name counts
        name, email = (values.get(key, "").strip() for key in ("user.name", "user.email"))
        return Person(name or FALLBACK_NAME, email or FALLBACK_EMAIL)

    async def _read(self, ref: str) -> tuple[str, str] | None:
        """Return the branch that a ref is, or that HEAD is on, and its commit, in a third of `_list`'s time.

        None is no answer, which `_list` has: the repository is elsewhere or ails, or git took the name for
        something else than this very ref.
        """
        if self._remote:
            return None
        git = self.git.with_options("-C", self.url)  # where a fetch looks whose it is
        result = await git.ask("rev-parse", "--absolute-git-dir", ref, "--symbolic-full-name", ref)
        said = result.stdout.decode("utf-8", "surrogateescape").splitlines()
        if result.exit_status != 0 or len(said) != 3:
            return None
        folder, commit, branch = said
        # where HEAD names nothing, git looks for other refs of that name
        on_branch = branch.startswith(BRANCHES) and branch != f"{BRANCHES}HEAD"
        known = on_branch if ref == "HEAD" else branch == ref
        return (branch, commit) if known and folder == self.url else None

    async def _current(self) -> Base:
        here = await self._read("HEAD")
        if here is not None:
            return Base(here[0].removeprefix(BRANCHES), *here)
        refs, branch = await self._list("HEAD")
        if "HEAD" not in refs:
            raise await self._no_such_base("has no commit on its current branch", "")
        if branch is not None:
            return Base(branch.removeprefix(BRANCHES), branch, refs["HEAD"])
        return Base(refs["HEAD"][:12], refs["HEAD"])

    async def _list(self, *patterns: str) -> tuple[dict[str, str], str | None]:
        """Return the refs that match, and the branch that HEAD is on."""
        result = await self.git.ask(
            "ls-remote", "--quiet", "--symref", "--", self.url, *patterns, timeout_s=TRANSFER_TIMEOUT
        )
        if result.exit_status != 0:
            raise self._unreadable(result)
        refs: dict[str, str] = {}
        branch = None
        for line in result.stdout.decode("utf-8", "surrogateescape").splitlines():
            value, _, name = line.partition("\t")
            if value.startswith("ref: ") and name == "HEAD":
                branch = value.removeprefix("ref: ")
            else:
                refs[name] = value
        return refs, branch

    async def _no_such_base(self, what: str, wanted: str) -> WorkspaceError:
        refs, _ = await self._list(f"{BRANCHES}*")
        branches = sorted(name.removeprefix(BRANCHES) for name in refs)
        if not branches:
            return WorkspaceError(
                f"workspace.source {self.shown} has no commits yet.",
                code="workspace.source_empty",
                remedy="Make a first commit in it; an agent needs something to start from.",
            )
        near = difflib.get_close_matches(wanted, branches, n=1)
        listed = ", ".join(f"'{name}'" for name in branches[:SHOWN_BRANCHES])
        more = f" and {len(branches) - SHOWN_BRANCHES} more" if len(branches) > SHOWN_BRANCHES else ""
        hint = f"Did you mean '{near[0]}'? " if near else ""
        return WorkspaceError(
            f"workspace.source {self.shown} {what}.",
            code="workspace.base_not_found",
            remedy=f"{hint}Set workspace.base to one of its branches: {listed}{more}.",
        )

    def _unreadable(self, result: RunResult) -> WorkspaceError:
        words = git_words(result)
        strangers = NOT_TRUSTED.search(result.stderr.decode("utf-8", "replace"))
        if strangers is not None:
            # git tells a folder from the `.git` in it, and wants to be told of both
            folders = dict.fromkeys((strangers[1],) if self._remote else (self.shown, strangers[1]))
            trust = " && ".join(f"git config --global --add safe.directory '{path}'" for path in folders)
            return WorkspaceError(
                f"workspace.source {self.shown} belongs to another user, so that git does not read it.",
                code="workspace.source_not_trusted",
                remedy=f"If you trust it: {trust}",
            )
        if any(sign in words for sign in NOT_A_REPOSITORY) and not self._remote:
            return WorkspaceError(
                f"workspace.source {self.shown} is not a git repository.",
                code="workspace.source_not_a_repository",
                remedy="Run `git init` there and make a first commit, or set workspace.source.",
            )
        return git_failure(
            f"workspace.source {self.shown} cannot be read",
            RunResult(result.exit_status, b"", CREDENTIALS.sub(r"\1", words).encode()),
            code="workspace.source_unreadable",
            remedy="Check that `git ls-remote` works with it for the user that runs symphony.",
        )
