"""Pull requests on GitHub with its `gh`, for github.com and for servers of one's own."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from symphony.core.feedback import Feedback
from symphony.core.forge import ForgeRepo, Head, Proposal, PullRequest, PullRequestState
from symphony.forge.errors import FORBIDDEN, NOT_FOUND, Words
from symphony.forge.github_feedback import checks_of, is_checking, remarks_of
from symphony.forge.program import Program

WORDS = Words(
    "GitHub",
    "gh",
    "on Debian and Ubuntu: apt-get install gh",
    "gh auth login --hostname {host}",
    "gh auth refresh --hostname {host} --scopes repo",
    (2, 23),
)
SWITCHES = {
    "GH_PROMPT_DISABLED": "1",
    "GH_NO_UPDATE_NOTIFIER": "1",
    "GH_NO_EXTENSION_UPDATE_NOTIFIER": "1",
    "GH_SPINNER_DISABLED": "1",
    "GH_PAGER": "cat",
    "GH_TELEMETRY": "false",
}
TOKENS = ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
HEADERS = ("Accept: application/vnd.github+json", "X-GitHub-Api-Version: 2022-11-28")
UNPROCESSABLE = 422
ALREADY_OPEN = "already exists"


class GhForge:
    """`core.ports.Forge` on GitHub."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Use the login that `gh` finds with this environment."""
        self._gh = Program(WORDS, environ, ("GH_CONFIG_DIR",), TOKENS, SWITCHES, "GH_HOST", HEADERS)

    @property
    def program(self) -> Program:
        """The way to the forge."""
        return self._gh

    async def look(self, repo: ForgeRepo) -> None:
        """Make sure that GitHub takes the login, and shows it this repository."""
        await self._gh.call(repo, "read the repository", "GET", f"repos/{repo.path}")

    async def find_open(self, repo: ForgeRepo, head: Head, base: str) -> PullRequest | None:
        """Return the open one of this head into this base; None without one."""
        query = urlencode(
            {"state": "open", "head": f"{head.repo.owner}:{head.branch}", "base": base, "per_page": 100}
        )
        found = await self._gh.call(repo, "list pull requests", "GET", f"repos/{repo.path}/pulls?{query}")
        for each in found or ():
            # an owner may have several forks, and a branch of that name in each
            there = ForgeRepo(repo.host, (each["head"].get("repo") or {}).get("full_name") or "")
            if (
                each["head"]["ref"] == head.branch
                and each["base"]["ref"] == base
                and there.is_same(head.repo)
            ):
                return _pull_request(each)
        return None

    async def open(self, repo: ForgeRepo, head: Head, base: str, proposal: Proposal) -> PullRequest:
        """Open one; if it is open already, it is updated."""
        body = {
            "title": proposal.title,
            "body": proposal.body,
            "head": f"{head.repo.owner}:{head.branch}",
            "base": base,
            "draft": proposal.draft,
        }
        if not head.repo.is_same(repo):
            body["head_repo"] = head.repo.path.rpartition("/")[2]
        answer = await self._gh.ask(repo, "POST", f"repos/{repo.path}/pulls", body)
        if answer.status == UNPROCESSABLE and ALREADY_OPEN in answer.said:
            known = await self.find_open(repo, head, base)
            if known is not None:
                return await self.update(repo, known.number, proposal)
        if not answer.ok:
            raise self._gh.refused(repo, "open a pull request", answer)
        return await self._wishes(repo, _pull_request(answer.value), proposal)

    async def update(self, repo: ForgeRepo, number: int, proposal: Proposal) -> PullRequest:
        """Give an open one another title and body, and add labels and reviewers."""
        body = {"title": proposal.title, "body": proposal.body}
        path = f"repos/{repo.path}/pulls/{number}"
        changed = await self._gh.call(repo, f"update pull request {number}", "PATCH", path, body)
        return await self._wishes(repo, _pull_request(changed), proposal)

    async def read(self, repo: ForgeRepo, number: int) -> PullRequest:
        """Return one as it is now."""
        path = f"repos/{repo.path}/pulls/{number}"
        return _pull_request(await self._gh.call(repo, f"read pull request {number}", "GET", path))

    async def feedback(self, repo: ForgeRepo, number: int) -> Feedback:
        """Return what checks and people say of one."""
        asked, path = f"read pull request {number}", f"repos/{repo.path}/pulls/{number}"
        with self._gh.reading(repo, asked):
            value = await self._gh.call(repo, asked, "GET", path)
            pull, base = _pull_request(value), str(value["base"]["ref"])
            if pull.state is not PullRequestState.OPEN:
                return Feedback(pull, base)
            runs, statuses = [], []
            if pull.head_commit:
                commit = f"repos/{repo.path}/commits/{pull.head_commit}"
                runs = await self._gh.pages(repo, f"{asked}'s checks", f"{commit}/check-runs", "check_runs")
                statuses = await self._gh.pages(repo, f"{asked}'s checks", f"{commit}/status", "statuses")
            reviews = await self._gh.pages(repo, f"{asked}'s reviews", f"{path}/reviews")
            comments = await self._gh.pages(repo, f"{asked}'s comments", f"{path}/comments")
            talk = await self._gh.pages(
                repo, f"{asked}'s comments", f"repos/{repo.path}/issues/{number}/comments"
            )
            return Feedback(
                pull,
                base,
                checks_of(runs, statuses),
                is_checking(runs, statuses),
                remarks_of(reviews, comments, talk),
                None if value.get("mergeable") is None else not value["mergeable"],
            )

    async def _wishes(self, repo: ForgeRepo, opened: PullRequest, proposal: Proposal) -> PullRequest:
        """Add labels and reviewers; one that the forge does not grant is a note, as the work is there."""
        notes = []
        if proposal.labels:
            path = f"repos/{repo.path}/issues/{opened.number}/labels"
            notes += await self._wish(repo, "labels", path, {"labels": proposal.labels})
        if proposal.reviewers:
            teams = [name.partition("/")[2] for name in proposal.reviewers if "/" in name]
            people = [name for name in proposal.reviewers if "/" not in name]
            path = f"repos/{repo.path}/pulls/{opened.number}/requested_reviewers"
            notes += await self._wish(repo, "reviewers", path, {"reviewers": people, "team_reviewers": teams})
        return replace(opened, notes=tuple(notes))

    async def _wish(self, repo: ForgeRepo, what: str, path: str, body: Mapping[str, Any]) -> list[str]:
        answer = await self._gh.ask(repo, "POST", path, body)
        if answer.ok:
            return []
        if answer.status in (FORBIDDEN, NOT_FOUND, UNPROCESSABLE):
            return [f"The {what} of handoff.{what} were refused: {answer.said}."]
        raise self._gh.refused(repo, f"add {what}", answer)


def _pull_request(value: Mapping[str, Any]) -> PullRequest:
    merged = value.get("merged_at") is not None
    state = PullRequestState.MERGED if merged else PullRequestState(value["state"])
    return PullRequest(
        int(value["number"]),
        str(value["html_url"]),
        state,
        str(value["title"]),
        str(value.get("body") or ""),
        bool(value.get("draft")),
        str(value["head"].get("sha") or ""),
    )
