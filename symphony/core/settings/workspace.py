"""Where an agent works, what runs around it, and what is handed over."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from symphony.core.settings.base import Folder, Positive, Section, Words


class WorkspaceSettings(Section):
    """One git clone per issue."""

    root: Folder = Path("./.symphony/workspaces")
    """The folder of all workspaces. Needs a restart when it changes."""

    source: str = "."
    """The repository to clone: a folder or a URL. Nothing in it is changed but `merge_train.branch`."""

    base: Annotated[str | None, Field(examples=["main"])] = None
    """The branch that work starts from; null is the current branch of `source`."""


class HooksSettings(Section):
    """Shell commands around an attempt, run by `sh -lc` on the host [CONTRACT 8]."""

    after_create: Annotated[str | None, Field(examples=["npm ci"])] = None
    """After a workspace was made. A failure removes it and fails the attempt."""

    before_run: Annotated[str | None, Field(examples=["git status --short"])] = None
    """Before each attempt. A failure fails the attempt."""

    after_run: Annotated[str | None, Field(examples=["git log --oneline -5"])] = None
    """After a handoff, in the host's clone of the delivered branch. A failure is shown."""

    before_remove: Annotated[str | None, Field(examples=["docker compose down"])] = None
    """Before a workspace is removed. A failure is shown."""

    timeout_ms: Positive = 60_000
    """Milliseconds until a hook's whole process group is killed."""


class Check(Section):
    """A command that must pass before `mark_done` counts."""

    name: str
    """What people see."""

    run: str
    """A shell command; exit status 0 passes. It runs where the agent runs, in a clean checkout."""

    timeout_ms: Positive = 600_000
    """Milliseconds until the check counts as failed."""


class HandoffSettings(Section):
    """What a finished issue becomes [CONTRACT 9]."""

    mode: Literal["auto", "patch", "pull_request", "none"] = "auto"
    """auto is a pull request when `repo` or SYMPHONY_REPO is set, else a patch."""

    remote: str = "origin"
    """The remote of the source repository that a pull request's branch is pushed to."""

    repo: Annotated[str | None, Field(examples=["owner/name"])] = None
    """`owner/name` or `host/owner/name`: where pull requests go. null is SYMPHONY_REPO, then the remote's."""

    author: Annotated[str | None, Field(examples=["Symphony Bot <bot@example.org>"])] = None
    """Who is the author of the agents' commits; null leaves those that the commits name."""

    trailers: bool = True
    """Each commit of an agent says at its end of which issue, attempt, adapter and model it is."""

    sign: Literal["auto", "never"] = "auto"
    """auto signs the commits of a pull request if you sign yours in `source`, with your key."""

    forge: Annotated[Literal["github", "gitlab"] | None, Field(examples=["gitlab"])] = None
    """Whether `gh` or `glab` opens them. null is GitLab where the host's name says so, else GitHub."""

    labels: Annotated[Words, Field(examples=[["agent"]])] = ()
    """Labels that each pull request gets."""

    reviewers: Annotated[Words, Field(examples=[["ada", "owner/team"]])] = ()
    """Who is asked to review each pull request: user names, and on GitHub teams as `owner/team`."""

    draft: bool = False
    """Whether pull requests are opened as drafts."""

    @property
    def wants_pull_request(self) -> bool:
        """Say whether a handoff is a pull request."""
        return self.mode == "pull_request" or (self.mode == "auto" and self.repo is not None)


Checks = Annotated[tuple[Check, ...], Field(strict=False)]
