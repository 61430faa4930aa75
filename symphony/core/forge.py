"""Pull requests as a forge holds them, and the names of repositories there [CONTRACT 9.2].

A forge is a server with repositories and pull requests: GitHub, or GitLab with its merge requests.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from symphony.core.errors import SymphonyError
from symphony.core.text import one_line

PATH = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+")
HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?")
SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+):(?!//)(?P<path>[^\s]+)")
REPO_VARIABLE = "SYMPHONY_REPO"  # stands in for `handoff.repo`
OVER_NETWORK = frozenset({"http", "https", "ssh", "git+ssh", "git"})


class ForgeKind(StrEnum):
    """The forges that there is a driver for."""

    GITHUB = "github"
    GITLAB = "gitlab"


class PullRequestState(StrEnum):
    """Where a pull request stands."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ForgeRepo:
    """A repository on a forge.

    Attributes:
        host: the forge's host, with its port if it has one; empty when nothing names it.
        path: `owner/name`; on GitLab there may be groups between.
    """

    host: str
    path: str

    @property
    def owner(self) -> str:
        """The first part of the path."""
        return self.path.partition("/")[0]

    def is_same(self, other: "ForgeRepo") -> bool:
        """Say whether both are one repository; forges read paths without case."""
        return self.path.lower() == other.path.lower()

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.host}/{self.path}" if self.host else self.path


@dataclass(frozen=True, slots=True)
class Head:
    """Where the work is: a branch, and the repository that it was pushed to, which may be a fork."""

    repo: ForgeRepo
    branch: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """A branch as it was pushed.

    Attributes:
        remote: its URL, without a login, for people.
        repo: the forge's repository that the remote is of; None when it is no forge's.
        base: the branch that the work started from.
        head_commit: the full object id that the branch was put to.
    """

    remote: str
    repo: ForgeRepo | None
    branch: str
    base: str
    head_commit: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a pull request is to say.

    Attributes:
        title: one line.
        body: Markdown.
        labels, reviewers: names; those that are there already stay.
        draft: for a new one; what is open keeps its own.
    """

    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    draft: bool = False


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as the forge has it.

    Attributes:
        number: its number within the repository.
        url: its page.
        head_commit: the full object id at its head; empty when the forge does not say it.
        body: its Markdown, as it was written.
        notes: one sentence for each wish that the forge did not grant, such as an unknown reviewer.
    """

    number: int
    url: str
    state: PullRequestState
    title: str
    body: str
    draft: bool = False
    head_commit: str = ""
    notes: tuple[str, ...] = ()


class RepoInvalid(SymphonyError):
    """A repository's name that no forge has."""

    code = "forge.repo_invalid"


def parse_repo(text: str) -> ForgeRepo:
    """Return the repository that `owner/name` or `host/owner/name` names.

    A first part with a dot or a colon is a host when two more parts follow.

    Raises:
        RepoInvalid: with what it should look like.
    """
    host, _, rest = text.partition("/")
    if "/" in rest and ("." in host or ":" in host or host == "localhost") and HOST.fullmatch(host):
        found = ForgeRepo(host.lower(), rest)
    else:
        found = ForgeRepo("", text)
    parts = found.path.split("/")
    if not PATH.fullmatch(found.path) or any(part in (".", "..") for part in parts):
        raise RepoInvalid(
            f"handoff.repo (or SYMPHONY_REPO) is '{one_line(text)}', which names no repository.",
            remedy="Write `owner/name`, or `host/owner/name` for a forge of your own.",
        )
    return found


def repo_of_remote(url: str) -> ForgeRepo | None:
    """Return the repository that a git remote's URL leads to; None when that is no forge's."""
    if "://" in url:
        split = urlsplit(url)
        if split.scheme not in OVER_NETWORK or not split.hostname:
            return None
        # the port of ssh says nothing about the forge's own
        web = split.scheme in ("http", "https")
        host = f"{split.hostname}:{split.port}" if web and split.port else split.hostname
        path = split.path
    elif (found := SCP.fullmatch(url)) and not url.startswith(("/", ".")):
        host, path = found["host"], found["path"]
    else:
        return None
    path = path.strip("/").removesuffix(".git")
    return ForgeRepo(host.lower(), path) if PATH.fullmatch(path) else None


def kind_of(host: str, wanted: str | None) -> ForgeKind:
    """Return the forge's kind: what the workflow says, else what the host is called."""
    if wanted is not None:
        return ForgeKind(wanted)
    return ForgeKind.GITLAB if "gitlab" in host else ForgeKind.GITHUB
