"""Merge requests on GitLab with its `glab`, for gitlab.com and for servers of one's own."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from symphony.core.feedback import Feedback
from symphony.core.forge import ForgeRepo, Head, Proposal, PullRequest, PullRequestState
from symphony.forge.errors import Words
from symphony.forge.gitlab_feedback import checks_of, is_checking, remarks_of
from symphony.forge.program import Program

WORDS = Words(
    "GitLab",
    "glab",
    "on Debian 13 and Ubuntu 24.04: apt-get install glab",
    "glab auth login --hostname {host}",
    "glab auth login --hostname {host}",
    (1, 53),
)
SWITCHES = {
    "NO_PROMPT": "1",
    "GLAB_NO_PROMPT": "1",
    "GLAB_CHECK_UPDATE": "false",
    "GLAB_SEND_TELEMETRY": "false",
    "GLAB_PAGER": "cat",
}
TOKENS = ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN", "OAUTH_TOKEN")
HEADERS = ("Content-Type: application/json",)
STATES = {"opened": PullRequestState.OPEN, "locked": PullRequestState.OPEN, "merged": PullRequestState.MERGED}
CONFLICT = 409
DRAFT = "Draft: "


class GlabForge:
    """`core.ports.Forge` on GitLab; its merge requests are the pull requests."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Use the login that `glab` finds with this environment."""
        self._glab = Program(WORDS, environ, ("GLAB_CONFIG_DIR",), TOKENS, SWITCHES, "GITLAB_HOST", HEADERS)

    @property
    def program(self) -> Program:
        """The way to the forge."""
        return self._glab

    async def look(self, repo: ForgeRepo) -> None:
        """Make sure that GitLab takes the login, and shows it this repository."""
        # a public project is shown without a login too
        await self._glab.call(repo, "read who is logged in", "GET", "user")
        await self._glab.call(repo, "read the project", "GET", _project(repo))

    async def find_open(self, repo: ForgeRepo, head: Head, base: str) -> PullRequest | None:
        """Return the open one of this head into this base; None without one."""
        query = urlencode(
            {"state": "opened", "source_branch": head.branch, "target_branch": base, "per_page": 100}
        )
        path = f"{_project(repo)}/merge_requests?{query}"
        found = await self._glab.call(repo, "list merge requests", "GET", path)
        source = None if head.repo.is_same(repo) else await self._number_of(head.repo)
        for each in found or ():
            wanted = each["target_project_id"] if source is None else source
            if (each["source_branch"], each["target_branch"]) == (head.branch, base) and (
                each["source_project_id"] == wanted
            ):
                return _pull_request(each)
        return None

    async def open(self, repo: ForgeRepo, head: Head, base: str, proposal: Proposal) -> PullRequest:
        """Open one; if it is open already, it is updated."""
        people, notes = await self._people(repo, proposal.reviewers)
        body: dict[str, Any] = {
            "title": f"{DRAFT}{proposal.title}" if proposal.draft else proposal.title,
            "description": proposal.body,
            "source_branch": head.branch,
            "target_branch": base,
            "labels": ",".join(proposal.labels),
            "reviewer_ids": people,
        }
        if not head.repo.is_same(repo):
            body["target_project_id"] = await self._number_of(repo)
        answer = await self._glab.ask(repo, "POST", f"{_project(head.repo)}/merge_requests", body)
        if answer.status == CONFLICT:
            known = await self.find_open(repo, head, base)
            if known is not None:
                return await self.update(repo, known.number, proposal)
        if not answer.ok:
            raise self._glab.refused(repo, "open a merge request", answer)
        return replace(_pull_request(answer.value), notes=notes)

    async def update(self, repo: ForgeRepo, number: int, proposal: Proposal) -> PullRequest:
        """Give an open one another title and body, and add labels and reviewers."""
        path, asked = f"{_project(repo)}/merge_requests/{number}", f"update merge request {number}"
        known = await self._glab.call(repo, asked, "GET", path)
        people, notes = await self._people(repo, proposal.reviewers)
        present = [each["id"] for each in known.get("reviewers") or ()]
        body = {
            # a draft is one by its title alone
            "title": f"{DRAFT}{proposal.title}" if known.get("draft") else proposal.title,
            "description": proposal.body,
            "add_labels": ",".join(proposal.labels),
            "reviewer_ids": list(dict.fromkeys([*present, *people])),
        }
        return replace(_pull_request(await self._glab.call(repo, asked, "PUT", path, body)), notes=notes)

    async def read(self, repo: ForgeRepo, number: int) -> PullRequest:
        """Return one as it is now."""
        path = f"{_project(repo)}/merge_requests/{number}"
        return _pull_request(await self._glab.call(repo, f"read merge request {number}", "GET", path))

    async def feedback(self, repo: ForgeRepo, number: int) -> Feedback:
        """Return what checks and people say of one."""
        asked, path = f"read merge request {number}", f"{_project(repo)}/merge_requests/{number}"
        with self._glab.reading(repo, asked):
            value = await self._glab.call(repo, asked, "GET", path)
            pull, base = _pull_request(value), str(value["target_branch"])
            if pull.state is not PullRequestState.OPEN:
                return Feedback(pull, base)
            pipeline, jobs = value.get("head_pipeline") or {}, []
            if pipeline.get("status") == "failed":
                # that of a fork's branch is the fork's
                project = pipeline.get("project_id") or value["source_project_id"]
                jobs = await self._glab.pages(
                    repo, f"{asked}'s jobs", f"projects/{project}/pipelines/{pipeline['id']}/jobs"
                )
            discussions = await self._glab.pages(repo, f"{asked}'s comments", f"{path}/discussions")
            reviewers = await self._glab.call(repo, f"{asked}'s reviewers", "GET", f"{path}/reviewers")
            known = value.get("detailed_merge_status") not in ("unchecked", "checking", "preparing")
            return Feedback(
                pull,
                base,
                checks_of(jobs),
                is_checking(pipeline),
                remarks_of(discussions, reviewers or ()),
                bool(value.get("has_conflicts")) if known else None,
            )

    async def _people(self, repo: ForgeRepo, names: tuple[str, ...]) -> tuple[list[int], tuple[str, ...]]:
        """Return the numbers of these people, and a note for each whom the forge does not know."""
        numbers, notes = [], []
        for name in names:
            path = f"users?{urlencode({'username': name})}"
            found = await self._glab.call(repo, f"find the user {name}", "GET", path)
            numbers += [each["id"] for each in (found or ())[:1]]
            if not found:
                notes.append(f"The reviewers of handoff.reviewers were refused: there is no user {name}.")
        return numbers, tuple(notes)

    async def _number_of(self, repo: ForgeRepo) -> Any:
        return (await self._glab.call(repo, "look the project up", "GET", _project(repo)))["id"]


def _project(repo: ForgeRepo) -> str:
    return f"projects/{quote(repo.path, safe='')}"


def _pull_request(value: Mapping[str, Any]) -> PullRequest:
    return PullRequest(
        int(value["iid"]),
        str(value["web_url"]),
        STATES.get(value["state"], PullRequestState.CLOSED),
        str(value["title"]).removeprefix(DRAFT),
        str(value.get("description") or ""),
        bool(value.get("draft")),
        str(value.get("sha") or ""),
    )
