"""A forge without a server, for the engine's tests and for simulation; passes the drivers' contract suite."""

import asyncio
from dataclasses import dataclass, field, replace

from symphony.core.feedback import FailedCheck, Feedback, Remark
from symphony.core.forge import ForgeRepo, Head, Proposal, PullRequest, PullRequestState
from symphony.forge.errors import ForgeError, Words

LOGIN = "forge login {host}"
WORDS = Words("The forge", "forge", "it is part of symphony", LOGIN, LOGIN, (1, 0))
NOT_FOUND = 404


@dataclass(slots=True)
class MemoryPullRequest:
    """One pull request with all that was asked for it.

    Attributes:
        calls: how often it was opened or updated.
        remarks, failed, checking, conflicting: what is said of it.
    """

    repo: ForgeRepo
    head: Head
    base: str
    shown: PullRequest
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    calls: int = 0
    remarks: list[Remark] = field(default_factory=list)
    failed: list[FailedCheck] = field(default_factory=list)
    checking: bool = False
    conflicting: bool | None = False


class MemoryForge:
    """Implements `core.ports.Forge`.

    Attributes:
        repos: the paths of all repositories; empty is any.
        strangers: reviewers whom nobody knows.
        pulls: all that were opened, in order.
    """

    def __init__(self) -> None:
        self.repos: set[str] = set()
        self.strangers: set[str] = set()
        self.pulls: list[MemoryPullRequest] = []
        self._failures: list[ForgeError] = []

    def fail(self, error: ForgeError, times: int = 1) -> None:
        """Let the next `times` calls fail like this."""
        self._failures += [error] * times

    async def look(self, repo: ForgeRepo) -> None:
        """Make sure that there is such a repository."""
        await self._meet(repo, "read the repository")

    async def find_open(self, repo: ForgeRepo, head: Head, base: str) -> PullRequest | None:
        """Return the open one of this head into this base; None without one."""
        await self._meet(repo, "list pull requests")
        found = self._open_one(repo, head, base)
        return None if found is None else found.shown

    async def open(self, repo: ForgeRepo, head: Head, base: str, proposal: Proposal) -> PullRequest:
        """Open one; if it is open already, it is updated."""
        await self._meet(repo, "open a pull request")
        found = self._open_one(repo, head, base)
        if found is None:
            number = 1 + sum(1 for each in self.pulls if each.repo.is_same(repo))
            url = f"https://{repo.host or 'forge.example'}/{repo.path}/pull/{number}"
            shown = PullRequest(number, url, PullRequestState.OPEN, "", "", proposal.draft)
            found = MemoryPullRequest(repo, head, base, shown)
            self.pulls.append(found)
        return self._write(found, proposal)

    async def update(self, repo: ForgeRepo, number: int, proposal: Proposal) -> PullRequest:
        """Give an open one another title and body, and add labels and reviewers."""
        await self._meet(repo, f"update pull request {number}")
        return self._write(self.get(repo, number), proposal)

    async def read(self, repo: ForgeRepo, number: int) -> PullRequest:
        """Return one as it is now."""
        await self._meet(repo, f"read pull request {number}")
        return self.get(repo, number).shown

    async def feedback(self, repo: ForgeRepo, number: int) -> Feedback:
        """Return what checks and people say of one."""
        await self._meet(repo, f"read pull request {number}")
        found = self.get(repo, number)
        if found.shown.state is not PullRequestState.OPEN:
            return Feedback(found.shown, found.base)
        said = tuple(found.failed), found.checking, tuple(found.remarks), found.conflicting
        return Feedback(found.shown, found.base, *said)

    def get(self, repo: ForgeRepo, number: int) -> MemoryPullRequest:
        """Return one with all that was asked for it.

        Raises:
            ForgeError: `forge.repo_not_found`.
        """
        for each in self.pulls:
            if each.repo.is_same(repo) and each.shown.number == number:
                return each
        raise WORDS.refused(repo, f"read pull request {number}", NOT_FOUND, "Not Found")

    def end(self, repo: ForgeRepo, number: int, state: PullRequestState) -> None:
        """Merge or close one, as a person would."""
        found = self.get(repo, number)
        found.shown = replace(found.shown, state=state)

    def _open_one(self, repo: ForgeRepo, head: Head, base: str) -> MemoryPullRequest | None:
        for each in self.pulls:
            same = each.repo.is_same(repo) and each.head.repo.is_same(head.repo)
            is_open = each.shown.state is PullRequestState.OPEN
            if same and is_open and (each.head.branch, each.base) == (head.branch, base):
                return each
        return None

    def _write(self, found: MemoryPullRequest, proposal: Proposal) -> PullRequest:
        found.calls += 1
        known = [name for name in proposal.reviewers if name not in self.strangers]
        found.labels = list(dict.fromkeys([*found.labels, *proposal.labels]))
        found.reviewers = list(dict.fromkeys([*found.reviewers, *known]))
        notes = tuple(
            f"The reviewers of handoff.reviewers were refused: there is no user {name}."
            for name in proposal.reviewers
            if name in self.strangers
        )
        found.shown = replace(found.shown, title=proposal.title, body=proposal.body)
        return replace(found.shown, notes=notes)

    async def _meet(self, repo: ForgeRepo, asked: str) -> None:
        await asyncio.sleep(0)
        if self._failures:
            raise self._failures.pop(0)
        if self.repos and repo.path not in self.repos:
            raise WORDS.refused(repo, asked, NOT_FOUND, "Not Found")
