"""From an accepted `mark_done` to something a person can apply [CONTRACT 6.2, 9]."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from symphony.core.guard.finding import Finding
from symphony.core.receipt import Receipt
from symphony.core.train import Boarded


@dataclass(frozen=True, slots=True)
class Completion:
    """An agent's accepted word that its attempt is complete; durable before the agent hears so.

    It has called `mark_done`, or sent the issue to another state with `transition`.

    Attributes:
        title: one line for people.
        summary: what was done, in the agent's words; the notes of a transition, which may be empty.
        receipt: the checks that the work has passed since; None before, and without any.
        from_state, to_state: of a transition; empty for `mark_done`.
    """

    issue_id: str
    attempt_id: str
    title: str
    summary: str
    accepted_at: datetime
    receipt: Receipt | None = None
    from_state: str = ""
    to_state: str = ""

    @property
    def tool(self) -> str:
        """The tool that it was given with."""
        return "transition" if self.to_state else "mark_done"

    @property
    def said(self) -> str:
        """What the agent said, on one line."""
        return f"{self.tool}: {f'{self.from_state} → {self.to_state}' if self.to_state else self.title}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A branch as it stands in the repository that only the host writes.

    Attributes:
        branch: the ref's short name there.
        base_commit, head_commit, head_tree: full object ids.
        commits: how many lie between base and head.
        saved_uncommitted: whether the last commit holds work that the agent had not committed.
        notes: one sentence for each thing about the work that a person should know.
        keep_workspace: it holds something that the branch cannot carry.
        ref: where it is, when that is not the branch's own ref.
    """

    branch: str
    base_commit: str
    head_commit: str
    head_tree: str
    commits: int
    saved_uncommitted: bool = False
    notes: tuple[str, ...] = ()
    keep_workspace: bool = False
    ref: str = ""

    @property
    def changed(self) -> bool:
        """Say whether there is anything to hand over."""
        return self.base_commit != self.head_commit


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search for secrets in a branch has found.

    Attributes:
        findings: each with file and line, at most as many as are shown.
        whole: everything was looked through; False when it is too large for that.
    """

    findings: tuple[Finding, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Handoff:
    """What was handed over.

    Attributes:
        kind: `patch`, `pull_request`, or `none` when nothing changed or the mode says so.
        patch: the mailbox file, when one was written.
        url: the pull request, when there is one.
        note: one sentence for people.
        receipt: the checks that it has passed; None without any.
        boarded: its place on the merge train; None when it is not on one.
    """

    kind: str
    note: str
    patch: Path | None = None
    url: str | None = None
    head_commit: str | None = None
    receipt: Receipt | None = None
    boarded: Boarded | None = None
