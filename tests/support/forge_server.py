"""A forge on loopback over HTTPS that speaks what symphony's drivers use of GitHub's and GitLab's API.

GitHub's as a server of one's own has it, below `/api/v3`; GitLab's below `/api/v4`. Both see the
same pull requests. Tests play the people of the forge on its attributes and methods.
"""

import json
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.serving import read_body, serving

TOKEN = "forge-token-0123456789"
DRAFT = "Draft: "
Reply = tuple[int, Any]


@dataclass
class Said:
    """A review or a comment; `review` is its state, as `CHANGES_REQUESTED`, and empty for a comment."""

    number: int
    author: str
    text: str
    file: str = ""
    line: int = 0
    review: str = ""
    resolved: bool = False


@dataclass
class Pull:
    """One pull request as the server holds it.

    Attributes:
        sha: of its head.
        checks: the outcome of each by its name: `failure`, `success`, or empty while it runs.
        mergeable: None while the forge does not know.
    """

    repo: str
    number: int
    head_repo: str
    head: str
    base: str
    title: str
    body: str
    draft: bool = False
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    sha: str = ""
    checks: dict[str, str] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    mergeable: bool | None = True


@dataclass
class ForgeServer:
    """What it holds, and what it was asked.

    Attributes:
        repos: the paths of its repositories, in the order of their numbers.
        people: who may be asked for a review, in the order of their numbers.
        script: answers to give first, before anything is looked at.
        asked: each request as `METHOD path`, without the query.
        headers: those of the requests.
        sees_branch: says whether a branch was pushed to a repository.
        pause: called as `before METHOD path` and `after METHOD path`; may wait.
    """

    repos: list[str] = field(default_factory=lambda: ["owner/name", "group/sub/name", "fork/name"])
    people: list[str] = field(default_factory=lambda: ["ada", "bob"])
    pulls: list[Pull] = field(default_factory=list)
    script: list[Reply] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    sees_branch: Callable[[str, str], bool] = lambda repo, branch: True
    pause: Callable[[str], None] = lambda when: None
    life: int = 0
    host: str = ""
    certificate: Path = Path()
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, repo: str, number: int) -> Pull:
        """Return one pull request."""
        return next(pull for pull in self.pulls if (pull.repo, pull.number) == (repo, number))

    def end(self, repo: str, number: int, state: str) -> None:
        """Merge or close one, as a person would."""
        self.find(repo, number).state = state

    def say(self, pull: Pull, author: str, text: str, **more: Any) -> Said:
        """Write a comment or a review, as a person would."""
        pull.said.append(Said(len(pull.said) + 1, author, text, **more))
        return pull.said[-1]

    def answer(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> Reply:
        """Return a status and the JSON."""
        split = urlsplit(target)
        life = self.life
        self.pause(f"before {method} {split.path}")
        if life == self.life:
            reply = self._answer(method, target, headers, raw)
            self.pause(f"after {method} {split.path}")
        return reply if life == self.life else (500, {"message": "nobody waits for this"})

    def drop_waiting(self) -> None:
        """Answer nothing that is being asked now, as if those who ask had gone."""
        self.life += 1

    def _answer(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> Reply:
        split = urlsplit(target)
        with self.lock:
            self.asked.append(f"{method} {split.path}")
            self.headers.append(headers)
            if self.script:
                return self.script.pop(0)
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            body = json.loads(raw) if raw else {}
            if split.path.startswith("/api/v3/"):
                if headers.get("Authorization") != f"token {TOKEN}":
                    return 401, {"message": "Bad credentials"}
                return self._github(method, split.path.removeprefix("/api/v3/"), query, body)
            if headers.get("Private-Token") != TOKEN and headers.get("Authorization") != f"Bearer {TOKEN}":
                return 401, {"message": "401 Unauthorized"}
            return self._gitlab(method, split.path.removeprefix("/api/v4/"), query, body)

    def _github(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        if commit := re.fullmatch(r"repos/([^/]+/[^/]+)/commits/(\w+)/(check-runs|status)", path):
            pull = next(pull for pull in self.pulls if (pull.repo, pull.sha) == (commit[1], commit[2]))
            return 200, _github_checks(pull, self.host, query)
        if (whole := re.fullmatch(r"repos/([^/]+/[^/]+)", path)) and whole[1] in self.repos:
            return 200, {"full_name": whole[1]}
        found = re.fullmatch(r"repos/([^/]+/[^/]+)/(pulls|issues)(?:/(\d+))?(?:/(\w+))?", path)
        if not found or found[1] not in self.repos:
            return 404, {"message": "Not Found"}
        repo, number, what = found[1], found[3], found[4]
        if number is None and method == "GET":
            owner, _, branch = query["head"].partition(":")
            return 200, [
                self._as_github(pull)
                for pull in self.pulls
                if (pull.repo, pull.state, pull.base) == (repo, query["state"], query["base"])
                and (pull.head_repo.partition("/")[0], pull.head) == (owner, branch)
            ]
        if number is None:
            owner, _, branch = body["head"].partition(":")
            head_repo = repo if repo.startswith(f"{owner}/") else f"{owner}/{body['head_repo']}"
            problem = self._cannot_open(repo, head_repo, branch, body["base"])
            if problem:
                errors = [{"resource": "PullRequest", "code": "custom", "message": problem}]
                return 422, {"message": "Validation Failed", "errors": errors}
            pull = self._add(repo, head_repo, branch, body["base"])
            pull.title, pull.body, pull.draft = body["title"], body["body"], body["draft"]
            return 201, self._as_github(pull)
        pull = self.find(repo, int(number))
        if method == "GET" and what is not None:
            return 200, _page(_github_said(pull, found[2], what), query)
        if what == "labels":
            pull.labels = list(dict.fromkeys([*pull.labels, *body["labels"]]))
            return 200, [{"name": label} for label in pull.labels]
        if what == "requested_reviewers":
            if any(name not in self.people for name in body["reviewers"]):
                return 422, {"message": "Reviews may only be requested from collaborators."}
            pull.reviewers = list(dict.fromkeys([*pull.reviewers, *body["reviewers"]]))
        if method == "PATCH":
            pull.title, pull.body = body["title"], body["body"]
        return 201 if what else 200, self._as_github(pull)

    def _gitlab(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> Reply:
        if path == "user":
            return 200, {"username": self.people[0]}
        if path == "users":
            known = [name for name in self.people if name == query["username"]]
            return 200, [{"id": self.people.index(name) + 1, "username": name} for name in known]
        if jobs := re.fullmatch(r"projects/(\d+)/pipelines/(\d+)/jobs", path):
            pull = self.find(self.repos[int(jobs[1])], int(jobs[2]))
            return 200, _page(_gitlab_jobs(pull, self.host), query)
        found = re.fullmatch(r"projects/([^/]+)(/merge_requests)?(?:/(\d+))?(?:/(\w+))?", path)
        repo = unquote(found[1]) if found else ""
        if not found or repo not in self.repos:
            return 404, {"message": "404 Project Not Found"}
        if not found[2]:
            return 200, {"id": self.repos.index(repo)}
        if found[3] is None and method == "GET":
            return 200, [
                self._as_gitlab(pull)
                for pull in self.pulls
                if (pull.repo, pull.state) == (repo, query["state"].removesuffix("ed"))
                and (pull.head, pull.base) == (query["source_branch"], query["target_branch"])
            ]
        if found[3] is None:
            target = self.repos[body["target_project_id"]] if "target_project_id" in body else repo
            problem = self._cannot_open(target, repo, body["source_branch"], body["target_branch"])
            if problem:
                return 409 if "already" in problem else 400, {"message": [problem]}
            pull = self._add(target, repo, body["source_branch"], body["target_branch"])
        else:
            pull = self.find(repo, int(found[3]))
        if found[4] == "discussions":
            return 200, _page(_gitlab_discussions(pull), query)
        if found[4] == "reviewers":
            return 200, _gitlab_reviewers(pull)
        if method != "GET":
            pull.draft = body["title"].startswith(DRAFT)
            pull.title, pull.body = body["title"].removeprefix(DRAFT), body["description"]
            labels = filter(None, (body.get("labels") or body.get("add_labels") or "").split(","))
            pull.labels = list(dict.fromkeys([*pull.labels, *labels]))
            pull.reviewers = [self.people[number - 1] for number in body["reviewer_ids"]]
        return 201 if method == "POST" else 200, self._as_gitlab(pull)

    def _cannot_open(self, repo: str, head_repo: str, head: str, base: str) -> str:
        if not self.sees_branch(head_repo, head):
            return "head is invalid"
        for pull in self.pulls:
            same = (pull.repo, pull.head_repo, pull.head, pull.base) == (repo, head_repo, head, base)
            if same and pull.state == "open":
                return f"A pull request already exists for {head}."
        return ""

    def _add(self, repo: str, head_repo: str, head: str, base: str) -> Pull:
        number = 1 + sum(1 for pull in self.pulls if pull.repo == repo)
        self.pulls.append(Pull(repo, number, head_repo, head, base, "", ""))
        return self.pulls[-1]

    def _as_github(self, pull: Pull) -> dict[str, Any]:
        return {
            "number": pull.number,
            "html_url": f"https://{self.host}/{pull.repo}/pull/{pull.number}",
            "state": "open" if pull.state == "open" else "closed",
            "merged_at": "2026-01-01T00:00:00Z" if pull.state == "merged" else None,
            "title": pull.title,
            "body": pull.body,
            "draft": pull.draft,
            "head": {"ref": pull.head, "sha": pull.sha, "repo": {"full_name": pull.head_repo}},
            "base": {"ref": pull.base},
            "mergeable": pull.mergeable,
        }

    def _as_gitlab(self, pull: Pull) -> dict[str, Any]:
        return {
            "iid": pull.number,
            "web_url": f"https://{self.host}/{pull.repo}/-/merge_requests/{pull.number}",
            "state": "opened" if pull.state == "open" else pull.state,
            "title": f"{DRAFT}{pull.title}" if pull.draft else pull.title,
            "description": pull.body,
            "draft": pull.draft,
            "source_branch": pull.head,
            "target_branch": pull.base,
            "source_project_id": self.repos.index(pull.head_repo),
            "target_project_id": self.repos.index(pull.repo),
            "sha": pull.sha,
            "has_conflicts": pull.mergeable is False,
            "detailed_merge_status": "checking" if pull.mergeable is None else "mergeable",
            "head_pipeline": _gitlab_pipeline(pull, self.repos.index(pull.repo)),
            "reviewers": [{"id": self.people.index(name) + 1} for name in pull.reviewers],
        }


def _page(values: list[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    size, page = int(query["per_page"]), int(query["page"])
    return values[(page - 1) * size : page * size]


def _github_checks(pull: Pull, host: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Answer for both kinds: a check whose name has a slash is a status."""
    runs = [
        {
            "name": name,
            "status": "completed" if outcome else "in_progress",
            "conclusion": outcome or None,
            "html_url": f"https://{host}/checks/{name}",
        }
        for name, outcome in pull.checks.items()
        if "/" not in name
    ]
    statuses = [
        {"context": name, "state": outcome or "pending", "target_url": f"https://{host}/checks/{name}"}
        for name, outcome in pull.checks.items()
        if "/" in name
    ]
    return {"check_runs": _page(runs, query), "statuses": _page(statuses, query)}


def _github_said(pull: Pull, where: str, what: str) -> list[dict[str, Any]]:
    def kind(said: Said) -> tuple[str, str]:
        if said.review:
            return "pulls", "reviews"
        return ("pulls" if said.file else "issues"), "comments"

    return [
        {
            "id": said.number,
            "user": {"login": said.author} if said.author else None,
            "body": said.text,
            "state": said.review,
            "path": said.file,
            "line": said.line or None,
        }
        for said in pull.said
        if kind(said) == (where, what)
    ]


def _gitlab_pipeline(pull: Pull, project: int) -> dict[str, Any] | None:
    if not pull.checks:
        return None
    running = "" in pull.checks.values()
    failed = "failure" in pull.checks.values()
    status = "running" if running else "failed" if failed else "success"
    return {"id": pull.number, "project_id": project, "status": status}


def _gitlab_jobs(pull: Pull, host: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "status": "failed" if outcome == "failure" else "success",
            "allow_failure": False,
            "web_url": f"https://{host}/checks/{name}",
        }
        for name, outcome in pull.checks.items()
    ]


def _gitlab_discussions(pull: Pull) -> list[dict[str, Any]]:
    return [
        {
            "notes": [
                {
                    "id": said.number,
                    "author": {"username": said.author} if said.author else None,
                    "body": said.text,
                    "system": False,
                    "resolved": said.resolved,
                    "position": {"new_path": said.file, "new_line": said.line or None} if said.file else None,
                }
            ]
        }
        for said in pull.said
        if said.text and said.review in ("", "COMMENTED", "CHANGES_REQUESTED")
    ]


def _gitlab_reviewers(pull: Pull) -> list[dict[str, Any]]:
    return [
        {
            "user": {"username": said.author},
            "state": "requested_changes" if said.review == "CHANGES_REQUESTED" else "reviewed",
        }
        for said in pull.said
        if said.review
    ]


class _Server(ThreadingHTTPServer):
    def __init__(self, forge: ForgeServer, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Answer, forge))
        self.context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        # in the connection's own thread, so that one that says nothing holds up no other
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address  # clients that go away are part of the tests


class _Answer(BaseHTTPRequestHandler):
    timeout = 30

    def __init__(self, forge: ForgeServer, *arguments: Any) -> None:
        self.forge = forge
        super().__init__(*arguments)

    def do_GET(self) -> None:
        raw = read_body(self)
        status, value = self.forge.answer(self.command, self.path, dict(self.headers), raw)
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815  the base class's names

    def log_message(self, *words: Any) -> None:
        del words


def make_certificate(folder: Path) -> Path:
    """Make a certificate for loopback; return the file, beside which lies its key."""
    certificate = folder / "certificate.pem"
    argv = [
        "openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", str(folder / "key.pem"), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return certificate


@contextmanager
def open_forge_server(certificate: Path) -> Iterator[ForgeServer]:
    """Serve on loopback while the block runs."""
    forge = ForgeServer(certificate=certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.parent / "key.pem")
    server = _Server(forge, context)
    forge.host = f"127.0.0.1:{server.server_port}"
    with serving(server):
        yield forge
