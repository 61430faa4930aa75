"""One suite for all forges: in memory, GitHub by the real `gh`, GitLab by the real `glab`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from symphony.core.feedback import FailedCheck, Remark
from symphony.core.forge import ForgeRepo, Head, Proposal, PullRequestState
from symphony.core.ports import Forge
from symphony.forge.errors import ForgeError
from symphony.forge.gh import GhForge
from symphony.forge.glab import GlabForge
from symphony.forge.memory import MemoryForge
from tests.support.forge_programs import bring
from tests.support.forge_server import TOKEN, ForgeServer, open_forge_server

TEXT = Proposal("Do it", "It is done.\n\n`$(id)` \u00e9 'quoted' \"\n- [x] <b>\n")
MORE = Proposal("Do it better", "It is done again.", ("later",), ("bob",))


class Stage(Protocol):
    """A forge with its people."""

    forge: Forge
    repo: ForgeRepo

    def end(self, number: int, state: PullRequestState) -> None:
        """Merge or close one."""
        ...

    def count(self) -> int:
        """Return how many there are."""
        ...

    def wishes(self, number: int) -> tuple[list[str], list[str]]:
        """Return the labels and reviewers of one."""
        ...

    def say(self, author: str, text: str, file: str = "", line: int = 0, *, wants: bool = False) -> None:
        """Write a comment to the first pull request; one that wants changes is a review."""
        ...

    def check(self, conflicting: bool | None = False, **outcomes: str) -> None:
        """Let the checks of the first one have these outcomes; an empty one still runs."""
        ...


class MemoryStage:
    def __init__(self) -> None:
        self.forge = MemoryForge()
        self.forge.repos = {"owner/name", "group/sub/name", "fork/name"}
        self.forge.strangers = {"nobody"}
        self.repo = ForgeRepo("forge.example", "owner/name")

    def end(self, number: int, state: PullRequestState) -> None:
        self.forge.end(self.repo, number, state)

    def count(self) -> int:
        return len(self.forge.pulls)

    def wishes(self, number: int) -> tuple[list[str], list[str]]:
        found = self.forge.get(self.repo, number)
        return found.labels, found.reviewers

    def say(self, author: str, text: str, file: str = "", line: int = 0, *, wants: bool = False) -> None:
        remarks = self.forge.pulls[0].remarks
        remarks.append(Remark(f"remark/{len(remarks)}", author, text, file, line, wants))

    def check(self, conflicting: bool | None = False, **outcomes: str) -> None:
        pull = self.forge.pulls[0]
        pull.conflicting, pull.checking = conflicting, "" in outcomes.values()
        host = self.repo.host
        failed = sorted(name for name, outcome in outcomes.items() if outcome == "failure")
        pull.failed = [FailedCheck(name, f"https://{host}/checks/{name}") for name in failed]


@dataclass
class ServedStage:
    forge: Forge
    repo: ForgeRepo
    server: ForgeServer

    def end(self, number: int, state: PullRequestState) -> None:
        self.server.end(self.repo.path, number, state.value)

    def count(self) -> int:
        return len(self.server.pulls)

    def wishes(self, number: int) -> tuple[list[str], list[str]]:
        found = self.server.find(self.repo.path, number)
        return found.labels, found.reviewers

    def say(self, author: str, text: str, file: str = "", line: int = 0, *, wants: bool = False) -> None:
        review = "CHANGES_REQUESTED" if wants else ""
        self.server.say(self.server.pulls[0], author, text, file=file, line=line, review=review)

    def check(self, conflicting: bool | None = False, **outcomes: str) -> None:
        pull = self.server.pulls[0]
        pull.sha, pull.checks = "abc123", outcomes
        pull.mergeable = None if conflicting is None else not conflicting


def environ_of(server: ForgeServer, home: Path, program: str, token: str = TOKEN) -> dict[str, str]:
    """Return a user's environment with a login for the server."""
    return {
        "PATH": f"{bring(program).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "SSL_CERT_FILE": str(server.certificate),
        **({"GH_ENTERPRISE_TOKEN": token, "GITLAB_TOKEN": token} if token else {}),
        "GH_DEBUG": "api",
        "DEBUG": "1",
    }


@pytest.fixture
def server(certificate: Path) -> Iterator[ForgeServer]:
    with open_forge_server(certificate) as forge:
        yield forge


@contextmanager
def served(kind: str, server: ForgeServer, home: Path) -> Iterator[ServedStage]:
    program, driver = {"gh": ("gh", GhForge), "glab": ("glab", GlabForge)}[kind]
    repo = ForgeRepo(server.host, "owner/name")
    yield ServedStage(driver(environ_of(server, home, program)), repo, server)


@pytest.fixture(params=["memory", "gh", "glab"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if request.param == "memory":
        yield MemoryStage()
    else:
        with served(request.param, request.getfixturevalue("server"), tmp_path) as found:
            yield found


@pytest.fixture(params=["gh", "glab"])
def real(request: pytest.FixtureRequest, server: ForgeServer, tmp_path: Path) -> Iterator[ServedStage]:
    with served(request.param, server, tmp_path) as found:
        yield found


def head_of(stage: Stage, branch: str = "agent/7") -> Head:
    return Head(stage.repo, branch)


async def test_a_repository_that_the_login_may_see_is_looked_at_in_peace(stage: Stage):
    await stage.forge.look(stage.repo)
    with pytest.raises(ForgeError, match="knows no repository other/name") as caught:
        await stage.forge.look(ForgeRepo(stage.repo.host, "other/name"))
    assert caught.value.code == "forge.repo_not_found"


async def test_a_pull_request_says_what_it_was_given_and_is_found_by_head_and_base(stage: Stage):
    assert await stage.forge.find_open(stage.repo, head_of(stage), "main") is None
    opened = await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    assert (opened.number, opened.state, opened.title, opened.body, opened.draft, opened.notes) == (
        1, PullRequestState.OPEN, TEXT.title, TEXT.body, False, ()
    )  # fmt: skip
    assert opened.url.startswith(f"https://{stage.repo.host}/owner/name/")
    assert await stage.forge.find_open(stage.repo, head_of(stage), "main") == opened
    assert await stage.forge.read(stage.repo, 1) == opened


async def test_what_has_another_base_or_head_is_not_found(stage: Stage):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    assert await stage.forge.find_open(stage.repo, head_of(stage), "next") is None
    assert await stage.forge.find_open(stage.repo, head_of(stage, "agent/70"), "main") is None
    fork = Head(ForgeRepo(stage.repo.host, "fork/name"), "agent/7")
    assert await stage.forge.find_open(stage.repo, fork, "main") is None


@pytest.mark.parametrize("state", [PullRequestState.MERGED, PullRequestState.CLOSED])
async def test_only_open_ones_are_found_and_the_next_is_another(stage: Stage, state: PullRequestState):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    stage.end(1, state)
    assert await stage.forge.find_open(stage.repo, head_of(stage), "main") is None
    assert (await stage.forge.read(stage.repo, 1)).state is state
    assert (await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)).number == 2


async def test_opening_twice_updates_the_one_that_is_open(stage: Stage):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    again = await stage.forge.open(stage.repo, head_of(stage), "main", MORE)
    assert (again.number, again.title, again.body, stage.count()) == (1, MORE.title, MORE.body, 1)


async def test_an_update_changes_the_text_and_adds_labels_and_reviewers(stage: Stage):
    first = Proposal("Do it", "Done.", ("agent", "two words"), ("ada",))
    await stage.forge.open(stage.repo, head_of(stage), "main", first)
    assert stage.wishes(1) == (["agent", "two words"], ["ada"])
    updated = await stage.forge.update(stage.repo, 1, MORE)
    assert (updated.title, updated.body) == (MORE.title, MORE.body)
    assert stage.wishes(1) == (["agent", "two words", "later"], ["ada", "bob"])


async def test_a_draft_stays_one_when_it_is_updated(stage: Stage):
    opened = await stage.forge.open(
        stage.repo, head_of(stage), "main", Proposal("Do it", "Done.", draft=True)
    )
    assert (opened.title, opened.draft) == ("Do it", True)
    updated = await stage.forge.update(stage.repo, 1, MORE)
    assert (updated.title, updated.draft) == (MORE.title, True)


async def test_a_reviewer_whom_nobody_knows_is_a_note_and_no_failure(stage: Stage):
    opened = await stage.forge.open(
        stage.repo, head_of(stage), "main", Proposal("Do it", "Done.", (), ("nobody",))
    )
    assert len(opened.notes) == 1
    assert opened.notes[0].startswith("The reviewers of handoff.reviewers were refused: ")
    assert stage.count() == 1


async def test_a_branch_of_a_fork_is_proposed_to_the_repository(stage: Stage):
    fork = Head(ForgeRepo(stage.repo.host, "fork/name"), "agent/7")
    opened = await stage.forge.open(stage.repo, fork, "main", TEXT)
    assert await stage.forge.find_open(stage.repo, fork, "main") == opened
    assert await stage.forge.find_open(stage.repo, head_of(stage), "main") is None


async def test_an_unknown_repository_is_named_with_what_to_do(stage: Stage):
    with pytest.raises(ForgeError, match="knows no repository other/name") as caught:
        await stage.forge.find_open(ForgeRepo(stage.repo.host, "other/name"), head_of(stage), "main")
    assert caught.value.code == "forge.repo_not_found"
    assert "Correct handoff.repo, or run `" in str(caught.value)


@pytest.mark.parametrize("token", ["", "wrong-token-0123456789"])
@pytest.mark.parametrize(("program", "driver"), [("gh", GhForge), ("glab", GlabForge)])
async def test_a_login_that_is_missing_or_refused_names_the_command(
    server: ForgeServer, tmp_path: Path, program: str, driver: type[GhForge | GlabForge], token: str
):
    repo = ForgeRepo(server.host, "owner/name")
    forge = driver(environ_of(server, tmp_path, program, token))
    with pytest.raises(ForgeError) as looked:
        await forge.look(repo)
    with pytest.raises(ForgeError) as caught:
        await forge.open(repo, Head(repo, "agent/7"), "main", TEXT)
    assert str(looked.value) == str(caught.value)
    assert caught.value.code == "forge.not_logged_in"
    assert str(caught.value) == (
        f"`{program}` is not logged in to {server.host}, or {server.host} does not take its login any more."
        f" Run `{program} auth login --hostname {server.host}` as the user that runs symphony."
    )


@pytest.mark.parametrize(("program", "driver"), [("gh", GhForge), ("glab", GlabForge)])
async def test_a_program_that_is_not_installed_is_named_with_how_to_get_it(
    tmp_path: Path, program: str, driver: type[GhForge | GlabForge]
):
    repo = ForgeRepo("forge.example", "owner/name")
    with pytest.raises(ForgeError) as caught:
        await driver({"PATH": str(tmp_path)}).read(repo, 1)
    assert caught.value.code == "forge.program_missing"
    assert str(caught.value).startswith(f"`{program}` is not installed, and pull requests on Git")
    assert f", then run `{program} auth login --hostname forge.example`." in str(caught.value)


async def test_a_forge_that_is_not_there_is_tried_again_later(real: ServedStage):
    gone = ForgeRepo("127.0.0.1:9", "owner/name")
    with pytest.raises(
        ForgeError, match=r"at 127\.0\.0\.1:9 cannot be reached: .*refused\. Look at"
    ) as caught:
        await real.forge.find_open(gone, Head(gone, "agent/7"), "main")
    assert caught.value.code == "forge.unreachable"


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (403, "Resource not accessible by personal access token", "forge.refused"),
        (403, "API rate limit exceeded for user ID 1", "forge.rate_limited"),
        (429, "Retry later", "forge.rate_limited"),
        (502, "Bad Gateway", "forge.unreachable"),
        (422, "No commits between main and agent/7", "forge.refused"),
    ],
)
async def test_a_refusal_is_told_in_the_forges_own_words(
    real: ServedStage, status: int, said: str, code: str
):
    # GitLab's program asks a second time when a server fails
    real.server.script += [(status, {"message": said})] * 9
    with pytest.raises(ForgeError) as caught:
        await real.forge.read(real.repo, 1)
    assert (caught.value.code, said in str(caught.value)) == (code, True)


@pytest.mark.parametrize(
    "body", [b"<html>no JSON</html>", b"", b'["x"]', b'{"message": {"base": ["is bad"]}}']
)
async def test_a_refusal_in_any_form_is_one_line(real: ServedStage, body: bytes):
    real.server.script.append((400, body))
    with pytest.raises(ForgeError) as caught:
        await real.forge.read(real.repo, 1)
    assert caught.value.code == "forge.refused"
    assert "\n" not in str(caught.value)


async def test_the_token_is_in_no_error_even_if_the_forge_says_it(real: ServedStage):
    real.server.script.append((400, {"message": f"bad header {TOKEN}"}))
    with pytest.raises(ForgeError) as caught:
        await real.forge.read(real.repo, 1)
    assert "bad header [hidden]" in str(caught.value)
    assert TOKEN not in str(caught.value)


async def test_the_checks_that_failed_are_told_with_their_pages(stage: Stage):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    stage.check(tests="failure", lint="success", docs="failure")
    feedback = await stage.forge.feedback(stage.repo, 1)
    pages = {check.name: check.url for check in feedback.failed}
    assert pages == {name: f"https://{stage.repo.host}/checks/{name}" for name in ("docs", "tests")}
    assert (feedback.checking, feedback.pull.number, feedback.base) == (False, 1, "main")


async def test_checks_that_have_not_ended_are_told_as_such(stage: Stage):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    stage.check(tests="", lint="success")
    assert (await stage.forge.feedback(stage.repo, 1)).checking is True


async def test_what_people_say_is_told_with_author_and_place(stage: Stage):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    stage.say("ada", "Why?\n\u00e9", "src/a.py", 12)
    stage.say("bob", "In general: no.")
    found = (await stage.forge.feedback(stage.repo, 1)).remarks
    said = {(each.author, each.text, each.file, each.line, each.wants_changes) for each in found}
    assert said == {("ada", "Why?\n\u00e9", "src/a.py", 12, False), ("bob", "In general: no.", "", 0, False)}


async def test_a_review_that_asks_for_changes_is_told_as_one(stage: Stage):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    stage.say("ada", "Not yet.", wants=True)
    found = (await stage.forge.feedback(stage.repo, 1)).remarks
    assert "Not yet." in {each.text for each in found}
    assert {each.author for each in found if each.wants_changes} == {"ada"}


@pytest.mark.parametrize("conflicting", [True, False, None])
async def test_whether_it_merges_is_told_once_the_forge_knows(stage: Stage, conflicting: bool | None):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    stage.check(conflicting)
    assert (await stage.forge.feedback(stage.repo, 1)).conflicting is conflicting


async def test_a_remark_keeps_its_identity_until_its_text_changes(real: ServedStage):
    await real.forge.open(real.repo, head_of(real), "main", TEXT)
    said = real.server.say(real.server.pulls[0], "ada", "Why?")
    (first,) = (await real.forge.feedback(real.repo, 1)).remarks
    assert (await real.forge.feedback(real.repo, 1)).remarks == (first,)
    said.text = "Why not?"
    (edited,) = (await real.forge.feedback(real.repo, 1)).remarks
    assert (edited.key, edited.identity != first.identity) == (first.key, True)


async def test_a_long_discussion_is_read_page_by_page(real: ServedStage):
    await real.forge.open(real.repo, head_of(real), "main", TEXT)
    for number in range(230):
        real.server.say(real.server.pulls[0], "ada", f"Remark {number}.")
    found = (await real.forge.feedback(real.repo, 1)).remarks
    assert [each.text for each in found] == [f"Remark {number}." for number in range(230)]


async def test_a_remark_of_somebody_who_is_gone_has_no_author(real: ServedStage):
    await real.forge.open(real.repo, head_of(real), "main", TEXT)
    real.server.say(real.server.pulls[0], "", "Boo.")
    (found,) = (await real.forge.feedback(real.repo, 1)).remarks
    assert found.author == ""


@pytest.mark.parametrize("state", [PullRequestState.MERGED, PullRequestState.CLOSED])
async def test_of_one_that_has_ended_nothing_more_is_asked(stage: Stage, state: PullRequestState):
    await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
    stage.say("ada", "Too late.")
    stage.end(1, state)
    feedback = await stage.forge.feedback(stage.repo, 1)
    assert (feedback.pull.state, feedback.remarks, feedback.failed) == (state, (), ())


@pytest.mark.parametrize("body", [b"[]", b"{}", b"7", b'{"head": []}', b"<html>"])
async def test_an_answer_that_cannot_be_read_is_named_as_such(real: ServedStage, body: bytes):
    real.server.script.append((200, body))
    with pytest.raises(ForgeError) as caught:
        await real.forge.feedback(real.repo, 1)
    assert caught.value.code == "forge.odd_answer"


async def test_a_github_status_counts_as_a_check(server: ForgeServer, tmp_path: Path):
    with served("gh", server, tmp_path) as stage:
        await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
        pull = server.pulls[0]
        pull.sha, pull.checks = "abc123", {"ci/build": "failure", "ci/slow": ""}
        feedback = await stage.forge.feedback(stage.repo, 1)
        assert ([check.name for check in feedback.failed], feedback.checking) == (["ci/build"], True)


async def test_a_gitlab_thread_that_is_resolved_is_not_told(server: ForgeServer, tmp_path: Path):
    with served("glab", server, tmp_path) as stage:
        await stage.forge.open(stage.repo, head_of(stage), "main", TEXT)
        server.say(server.pulls[0], "ada", "Done with that.", resolved=True)
        assert (await stage.forge.feedback(stage.repo, 1)).remarks == ()
