"""A delivered branch on a remote, by real git over files and over HTTP: never over another's commits."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from symphony.core.forge import Pushed
from symphony.core.handoff import Imported
from symphony.core.ports import Workspace
from symphony.workspace import pushing
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.git_command import Git
from tests.support.git_project import GitWorld, git, write_files
from tests.support.git_server import PASSWORD, USER, GitServer, open_git_server, password_helper

BRANCH = "agent/12"
PROJECT = {"README.md": b"a project\n", "other.txt": b"one\n"}


class PushWorld(GitWorld):
    """A project with a remote, and people who push to it as well."""

    def __init__(self, folder: Path, remote: Path, url: str) -> None:
        super().__init__(folder, PROJECT)
        self.folder, self.remote = folder, remote
        git(self.source, "push", "--quiet", str(remote), "main")
        git(self.source, "remote", "add", "origin", url)
        self.people = 0

    async def work(self, files: dict[str, bytes], issue_id: str = "12") -> tuple[Workspace, Imported]:
        """Let an agent commit these files; return what was imported."""
        workspace = await self.prepare(issue_id)
        self.commit(workspace, files)
        return workspace, await self.collect(workspace)

    async def push(self, workspace: Workspace, imported: Imported) -> Pushed:
        """Push what was imported."""
        pushed = await self.workspaces.push(workspace, imported, self.settings)
        assert pushed is not None
        return pushed

    def person_pushes(self, files: dict[str, bytes], branch: str = BRANCH, start: str | None = None) -> str:
        """Let a person commit on the remote's branch, and return the commit."""
        self.people += 1
        clone = self.folder / f"person-{self.people}"
        git(self.folder, "clone", "--quiet", "--branch", start or branch, str(self.remote), str(clone))
        git(clone, "config", "user.name", "Another")
        git(clone, "config", "user.email", "another@example.org")
        write_files(clone, files)
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", "-m", "By a person")
        git(clone, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return git(clone, "rev-parse", "HEAD")

    def tip(self, branch: str = BRANCH) -> str:
        return git(self.remote, "rev-parse", f"refs/heads/{branch}")

    def subjects(self, branch: str = BRANCH) -> list[str]:
        return git(self.remote, "log", "--format=%s", branch).splitlines()

    def read(self, name: str, branch: str = BRANCH) -> str:
        return git(self.remote, "show", f"{branch}:{name}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with open_git_server(tmp_path / "served") as served:
        yield served


@pytest.fixture(params=["file", "http"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PushWorld:
    if request.param == "file":
        remote = tmp_path / "remote.git"
        git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
        return PushWorld(tmp_path, remote, str(remote))
    server: GitServer = request.getfixturevalue("server")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(password_helper(tmp_path)))
    remote = server.add("owner/name.git")
    return PushWorld(tmp_path, remote, server.url_of("owner/name.git"))


async def test_a_branch_is_pushed_as_it_was_imported_and_again_without_a_change(world: PushWorld):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    pushed = await world.push(workspace, imported)
    assert (pushed.branch, pushed.base, pushed.head_commit) == (BRANCH, "main", imported.head_commit)
    assert world.tip() == imported.head_commit
    assert await world.push(workspace, imported) == pushed


async def test_only_the_branch_is_pushed(world: PushWorld):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    git(world.host, "tag", "v1", imported.head_commit)
    await world.push(workspace, imported)
    assert git(world.remote, "for-each-ref", "--format=%(refname)").splitlines() == [
        f"refs/heads/{BRANCH}", "refs/heads/main",
    ]  # fmt: skip


async def test_later_work_of_the_same_attempt_goes_on_top(world: PushWorld):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    world.commit(workspace, {"README.md": b"better\n"})
    again = await world.collect(workspace)
    assert (await world.push(workspace, again)).head_commit == world.tip() == again.head_commit


async def test_a_later_attempt_replaces_what_only_symphony_has_pushed(world: PushWorld):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    await world.workspaces.remove(workspace, world.settings, {})
    workspace, again = await world.work({"README.md": b"from the beginning\n"})
    await world.push(workspace, again)
    assert world.tip() == again.head_commit
    assert world.read("README.md") == "from the beginning"


async def test_commits_that_a_person_has_added_stay_below_the_work_that_follows(world: PushWorld):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    theirs = world.person_pushes({"other.txt": b"by a person\n"})
    world.commit(workspace, {"README.md": b"better\n"}, "More work")
    again = await world.collect(workspace)
    pushed = await world.push(workspace, again)
    assert world.subjects() == ["More work", "By a person", "Work", "Start"]
    assert git(world.remote, "merge-base", "--is-ancestor", theirs, BRANCH) == ""
    assert (world.read("README.md"), world.read("other.txt")) == ("better", "by a person")
    assert pushed.head_commit == world.tip()
    assert git(world.remote, "log", "-1", "--format=%an %cn", BRANCH).endswith(" A Person")
    assert await world.push(workspace, again) == pushed


async def test_work_that_is_on_the_remote_is_not_put_there_again_when_a_person_has_gone_on(world: PushWorld):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    theirs = world.person_pushes({"README.md": b"mended by a person\n"})
    pushed = await world.push(workspace, imported)
    assert pushed.head_commit == world.tip() == theirs


async def test_a_branch_that_a_person_has_begun_gets_the_work_on_top(world: PushWorld):
    theirs = world.person_pushes({"other.txt": b"by a person\n"}, start="main")
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    pushed = await world.push(workspace, imported)
    assert world.subjects() == ["Work", "By a person", "Start"]
    assert git(world.remote, "rev-parse", f"{BRANCH}~1") == theirs
    # put on top once, it is not taken for another's and not replaced by the next delivery
    assert await world.push(workspace, imported) == pushed
    world.commit(workspace, {"README.md": b"better\n"}, "More work")
    await world.push(workspace, await world.collect(workspace))
    assert world.subjects() == ["More work", "Work", "By a person", "Start"]


async def test_a_conflict_names_the_files_and_changes_nothing(world: PushWorld):
    theirs = world.person_pushes({"README.md": b"by a person\n"}, start="main")
    workspace, imported = await world.work({"README.md": b"by the agent\n", "new.txt": b"new\n"})
    with pytest.raises(WorkspaceError) as caught:
        await world.push(workspace, imported)
    assert caught.value.code == "handoff.push_conflict"
    assert "Others have pushed to the branch agent/12 of " in str(caught.value)
    assert (
        ", and the work does not fit on theirs. In conflict: README.md. Nothing was pushed."
        " Move or delete that branch on the remote, or take the work over by its patch."
    ) in str(caught.value)
    assert world.tip() == theirs
    assert git(world.host, "rev-parse", f"refs/heads/{BRANCH}") == imported.head_commit


class Meddler:
    """Lets something happen right before a push leaves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *deeds: object) -> None:
        self.deeds = list(deeds)
        ask = Git.ask

        async def asking(git_: Git, *arguments: str, **named: object):
            if "push" in arguments and self.deeds:
                self.deeds.pop(0)()
            return await ask(git_, *arguments, **named)

        monkeypatch.setattr(Git, "ask", asking)


async def test_a_push_that_another_overtakes_is_rebased_and_tried_again(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch
):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    world.commit(workspace, {"README.md": b"better\n"}, "More work")
    again = await world.collect(workspace)
    Meddler(monkeypatch, lambda: world.person_pushes({"other.txt": b"by a person\n"}))
    await world.push(workspace, again)
    assert world.subjects() == ["More work", "By a person", "Work", "Start"]


async def test_a_lease_never_covers_what_a_person_pushed_meanwhile(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch
):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    await world.workspaces.remove(workspace, world.settings, {})
    workspace, again = await world.work({"new.txt": b"from the beginning\n"})
    Meddler(monkeypatch, lambda: world.person_pushes({"other.txt": b"by a person\n"}))
    await world.push(workspace, again)
    assert world.subjects() == ["Work", "By a person", "Work", "Start"]


async def test_a_branch_that_never_stands_still_is_given_up_in_words(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch
):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    start = world.person_pushes({"other.txt": b"0\n"}, start="main")
    Meddler(
        monkeypatch,
        *[lambda n=n: world.person_pushes({f"{n}.txt": b"x\n"}) for n in range(pushing.TRIES)],
    )
    with pytest.raises(WorkspaceError, match="has moved before each of 3 pushes") as caught:
        await world.push(workspace, imported)
    assert caught.value.code == "handoff.push_contended"
    assert git(world.remote, "merge-base", "--is-ancestor", start, BRANCH) == ""


class Killed(Exception):
    """The daemon is gone."""


@pytest.mark.parametrize("rebased", [False, True])
async def test_a_push_that_was_cut_off_after_it_arrived_is_known_by_the_next(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch, rebased: bool
):
    if rebased:
        world.person_pushes({"other.txt": b"by a person\n"}, start="main")
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    with monkeypatch.context() as patched:
        note = pushing.Pushing._note

        async def dying(self: pushing.Pushing, prefix: str, push: pushing.Push) -> None:
            if prefix.startswith("refs/symphony/pushed/"):
                raise Killed
            await note(self, prefix, push)

        patched.setattr(pushing.Pushing, "_note", dying)
        with pytest.raises(Killed):
            await world.push(workspace, imported)
    arrived = world.tip()
    assert (await world.push(workspace, imported)).head_commit == arrived == world.tip()
    world.commit(workspace, {"README.md": b"better\n"}, "More work")
    await world.push(workspace, await world.collect(workspace))
    assert world.subjects()[:2] == ["More work", "Work"]


async def test_a_hook_of_the_remote_that_refuses_is_told_in_its_words(world: PushWorld):
    hook = world.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'agents may not push here' >&2\nexit 1\n")
    hook.chmod(0o755)
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    with pytest.raises(WorkspaceError, match="agents may not push here") as caught:
        await world.push(workspace, imported)
    assert caught.value.code == "handoff.push_refused"


async def test_hooks_of_the_user_and_of_the_source_do_not_run(world: PushWorld):
    ran = world.folder / "ran"
    hook = world.source / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    assert not ran.exists()


async def test_nothing_that_the_guest_has_configured_has_a_say(world: PushWorld):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    ran = world.folder / "ran"
    for name, value in (
        ("credential.helper", f"!touch {ran}"),
        ("core.sshCommand", f"touch {ran}"),
        ("remote.origin.pushurl", f"ext::touch {ran}"),
        ("url./elsewhere.insteadOf", str(world.remote)),
    ):
        git(workspace.path, "config", name, value)
    await world.push(workspace, imported)
    assert not ran.exists()
    assert world.tip() == imported.head_commit


async def test_a_source_without_the_remote_says_how_to_add_it(tmp_path: Path):
    world = GitWorld(tmp_path)
    workspace = await world.prepare()
    world.commit(workspace, {"README.md": b"by the agent\n"})
    with pytest.raises(WorkspaceError) as caught:
        await world.workspaces.push(workspace, await world.collect(workspace), world.settings)
    assert caught.value.code == "handoff.remote_missing"
    assert str(caught.value) == (
        f"The source repository {world.source} has no remote 'origin' to push to."
        f" Add it: `git -C {world.source} remote add origin URL`; or set handoff.remote."
    )


async def test_a_remote_that_is_gone_is_named_with_a_command_to_try(world: PushWorld):
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    shutil.rmtree(world.remote)
    with pytest.raises(
        WorkspaceError, match=r"The remote origin \(.*\) cannot be read: .*git ls-remote"
    ) as caught:
        await world.push(workspace, imported)
    assert caught.value.code == "handoff.remote_unreadable"


async def test_a_password_that_is_missing_names_the_command_that_logs_in(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    url = server.url_of("owner/name.git")
    world = PushWorld(tmp_path, server.add("owner/name.git"), url)
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    with pytest.raises(WorkspaceError) as caught:
        await world.push(workspace, imported)
    host = server.url.removeprefix("http://")
    assert caught.value.code == "handoff.push_not_allowed"
    assert str(caught.value).startswith(f"The remote origin ({url}) does not take this user's login: ")
    assert str(caught.value).endswith(
        f" Run `gh auth login --hostname {host}` and `gh auth setup-git --hostname {host}`"
        " as the user that runs symphony."
    )


async def test_a_password_in_the_url_works_and_is_on_no_command_line_and_in_no_error(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    remote = server.add("owner/name.git")
    world = PushWorld(tmp_path, remote, server.url_of("owner/name.git", login=True))
    seen: list[str] = []
    ask = Git.ask

    async def asking(git_: Git, *arguments: str, **named: object):
        seen.extend((*git_.options, *arguments))
        return await ask(git_, *arguments, **named)

    monkeypatch.setattr(Git, "ask", asking)
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    pushed = await world.push(workspace, imported)
    assert world.tip() == imported.head_commit
    assert PASSWORD not in str(pushed)
    assert PASSWORD not in " ".join(seen)
    shutil.rmtree(remote)
    with pytest.raises(WorkspaceError) as caught:
        await world.push(workspace, imported)
    assert PASSWORD not in str(caught.value)


async def test_a_header_of_the_source_repository_is_used_and_is_on_no_command_line(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    world = PushWorld(tmp_path, server.add("owner/name.git"), server.url_of("owner/name.git"))
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    git(world.source, "config", f"http.{server.url}/.extraHeader", f"Authorization: Basic {token}")
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    assert world.tip() == imported.head_commit


SIGNS = """#!/bin/sh
cat > /dev/null
printf '[GNUPG:] BEGIN_SIGNING\\n[GNUPG:] SIG_CREATED \\n' >&2
printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nc2lnbmVk\\n-----END PGP SIGNATURE-----\\n'
"""


@pytest.mark.parametrize("sign", ["auto", "never"])
async def test_work_that_is_put_on_top_of_others_is_signed_as_the_user_signs(world: PushWorld, sign: str):
    program = world.folder / "gpg"
    program.write_text(SIGNS)
    program.chmod(0o755)
    git(world.source, "config", "commit.gpgSign", "true")
    git(world.source, "config", "gpg.program", str(program))
    world.settings = world.settings.model_copy(
        update={"handoff": world.settings.handoff.model_copy(update={"sign": sign})}
    )
    world.person_pushes({"other.txt": b"by a person\n"}, start="main")
    workspace, imported = await world.work({"README.md": b"by the agent\n"})
    await world.push(workspace, imported)
    assert world.subjects()[:2] == ["Work", "By a person"]
    assert ("gpgsig" in git(world.remote, "cat-file", "commit", BRANCH)) == (sign == "auto")
