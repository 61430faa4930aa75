"""Commits leave with trailers that say whose they are, a chosen author, and the user's signature."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.handoff import Imported
from symphony.core.installation import Installation
from symphony.core.ports import Workspace
from symphony.core.provenance import Origin, Provenance
from symphony.core.settings import HandoffSettings, Settings
from symphony.workspace import stamping
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.workspaces import GitWorkspaces
from tests.support.git_project import GIT_ENVIRONMENT, GitWorld, git, make_completion

FIRST = datetime(2025, 12, 31, tzinfo=UTC)
SECOND = datetime(2026, 1, 1, 12, tzinfo=UTC)
CLAUDE = Origin(1, "claude", "opus", FIRST)
CODEX = Origin(2, "codex", "", SECOND)
BOTH = Provenance("12", (CLAUDE, CODEX))
PULL_REQUEST = Settings(handoff=HandoffSettings(mode="pull_request"))


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path)


async def stamp(world: GitWorld, imported: Imported, settings: Settings | None = None) -> Imported:
    return await world.workspaces.stamp(imported, BOTH, settings or world.settings)


def show(world: GitWorld, commit: str, what: str) -> str:
    return git(world.host, "show", "--no-patch", f"--format={what}", commit)


def at(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    monkeypatch.setitem(GIT_ENVIRONMENT, "GIT_AUTHOR_DATE", when)
    monkeypatch.setitem(GIT_ENVIRONMENT, "GIT_COMMITTER_DATE", when)


async def test_each_commit_names_its_issue_and_the_attempt_that_made_it(world, monkeypatch):
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one\n\nWith a body.")
    at(monkeypatch, "2026-01-02T00:00:00Z")
    world.commit(workspace, {"two.txt": b"2\n"}, "Write two\n\nSigned-off-by: A Person <person@example.org>")

    leaving = await stamp(world, await world.collect(workspace))

    assert show(world, f"{leaving.head_commit}^", "%B") == (
        "Write one\n\nWith a body.\n\n"
        "Symphony-Issue: 12\nSymphony-Attempt: 1\nSymphony-Adapter: claude\nSymphony-Model: opus"
    )
    assert show(world, leaving.head_commit, "%B") == (
        "Write two\n\nSigned-off-by: A Person <person@example.org>\n"
        "Symphony-Issue: 12\nSymphony-Attempt: 2\nSymphony-Adapter: codex"
    )


async def test_files_parents_authors_and_times_stay_what_they_were(world):
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one")
    git(
        workspace.path, "-c", "user.name=Somebody", "checkout", "--quiet", "-b", "side", workspace.base_commit
    )
    world.commit(workspace, {"side.txt": b"s\n"}, "Write aside")
    git(workspace.path, "checkout", "--quiet", workspace.branch)
    git(workspace.path, "merge", "--quiet", "--no-ff", "-m", "Merge side", "side")
    imported = await world.collect(workspace)

    leaving = await stamp(world, imported)

    graph = ("log", "--topo-order", "--format=%T %an %ae %ad %cd %s", "--date=raw")
    assert git(world.host, *graph, leaving.head_commit) == git(world.host, *graph, imported.head_commit)
    assert git(world.host, "rev-list", "--merges", "--count", leaving.head_commit) == "1"
    assert (leaving.head_tree, leaving.base_commit) == (imported.head_tree, imported.base_commit)
    assert git(world.host, "rev-parse", f"refs/heads/{imported.branch}") == imported.head_commit
    assert git(world.host, "rev-parse", f"refs/symphony/delivered/{imported.branch}") == leaving.head_commit


async def test_what_has_left_stays_as_it_left_when_more_is_added(world, monkeypatch):
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one")
    first = await stamp(world, await world.collect(workspace))
    git(world.source, "config", "user.name", "A Successor")
    at(monkeypatch, "2026-01-02T00:00:00Z")
    world.commit(workspace, {"two.txt": b"2\n"}, "Write two")

    second = await stamp(world, await world.collect(workspace))
    again = await stamp(world, await world.collect(workspace))

    assert git(world.host, "rev-parse", f"{second.head_commit}^") == first.head_commit
    assert show(world, second.head_commit, "%cn") == "A Successor"
    assert again.head_commit == second.head_commit


async def test_an_agent_cannot_write_these_trailers_itself(world):
    workspace = await world.prepare()
    forged = "Symphony-Issue: 99\nsymphony-attempt: 7\n  Symphony-Model: human\nCo-authored-by: X <x@y>"
    world.commit(workspace, {"one.txt": b"1\n"}, f"Write one\n\n{forged}")

    leaving = await stamp(world, await world.collect(workspace))

    assert show(world, leaving.head_commit, "%B") == (
        "Write one\n\nCo-authored-by: X <x@y>\n"
        "Symphony-Issue: 12\nSymphony-Attempt: 1\nSymphony-Adapter: claude\nSymphony-Model: opus"
    )


async def test_commits_of_the_user_that_the_agent_merged_stay_the_users(world):
    git(world.source, "checkout", "--quiet", "-b", "other")
    git(world.source, "commit", "--quiet", "--allow-empty", "-m", "Of the user")
    theirs = git(world.source, "rev-parse", "HEAD")
    git(world.source, "tag", "v1")
    git(world.source, "checkout", "--quiet", "main")
    git(world.source, "commit", "--quiet", "--allow-empty", "-m", "Go on")
    git(world.source, "merge", "--quiet", "--no-ff", "-m", "Bring tags along", "other")
    git(world.source, "reset", "--quiet", "--hard", "HEAD^")
    workspace = await world.prepare()
    git(workspace.path, "fetch", "--quiet", str(world.source), "v1")
    git(workspace.path, "merge", "--quiet", "--no-ff", "-m", "Merge v1", "FETCH_HEAD")
    git(world.host, "fetch", "--quiet", str(world.source), "refs/tags/v1:refs/tags/v1")

    leaving = await stamp(world, await world.collect(workspace))

    assert git(world.host, "rev-parse", f"{leaving.head_commit}^2") == theirs
    assert "Symphony-Issue: 12" in show(world, leaving.head_commit, "%B")


async def test_the_author_of_the_settings_is_the_author(world):
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one")
    settings = Settings(handoff=HandoffSettings(author="Symphony Bot <bot@example.org>", trailers=False))

    leaving = await stamp(world, await world.collect(workspace), settings)

    said = show(world, leaving.head_commit, "%an <%ae>, %cn <%ce>: %B")
    assert said == "Symphony Bot <bot@example.org>, A Person <person@example.org>: Write one"


@pytest.mark.parametrize("name", ["", " ", "<>", ".,;"])
async def test_a_commit_without_a_usable_author_leaves_with_a_stand_in(world, name):
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one")
    tree = git(workspace.path, "rev-parse", "HEAD^{tree}")
    author, committer = f"author {name.strip('<>')} <> 5 +9900", "committer x <> 5 +0000"
    raw = f"tree {tree}\nparent {workspace.base_commit}\n{author}\n{committer}\n\n\n"
    odd = git(
        workspace.path, "hash-object", "--literally", "-t", "commit", "-w", "--stdin", stdin=raw.encode()
    )
    git(workspace.path, "reset", "--quiet", "--hard", odd)
    imported = await world.collect(workspace)

    leaving = await stamp(world, imported)

    assert show(world, leaving.head_commit, "%T %s") == f"{imported.head_tree} (no message)"
    git(world.host, "fsck", "--strict", leaving.head_commit)


async def test_a_message_that_is_not_utf8_leaves_readable(world):
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "x")
    git(
        workspace.path,
        "-c",
        "i18n.commitEncoding=ISO-8859-1",
        "commit",
        "--quiet",
        "--amend",
        "-F",
        "-",
        stdin=b"Gr\xfc\xdfe\n",
    )

    leaving = await stamp(world, await world.collect(workspace))

    assert show(world, leaving.head_commit, "%s") == "Grüße"


async def test_of_a_flood_of_commits_none_is_rewritten_and_the_handoff_says_so(world, monkeypatch):
    monkeypatch.setattr(stamping, "COMMITS_LIMIT", 2)
    workspace = await world.prepare()
    for number in range(3):
        world.commit(workspace, {"one.txt": b"%d\n" % number}, "Again")
    imported = await world.collect(workspace)

    leaving = await stamp(world, imported)

    assert leaving.head_commit == imported.head_commit
    assert leaving.notes == ("Its commits leave without trailers: they are more than 2.",)


async def test_the_patch_carries_the_trailers_and_a_hook_sees_the_branch_as_it_leaves(world):
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one")
    leaving = await stamp(world, await world.collect(workspace))

    handoff = await world.workspaces.hand_off(workspace, leaving, make_completion(), world.settings)

    assert handoff.patch is not None
    assert b"\nSymphony-Issue: 12\nSymphony-Attempt: 1\n" in handoff.patch.read_bytes()
    assert handoff.head_commit == leaving.head_commit
    async with world.workspaces.delivered_clone(leaving) as clone:
        assert git(clone, "rev-parse", "HEAD") == leaving.head_commit
        assert git(clone, "symbolic-ref", "--short", "HEAD") == workspace.branch


async def signing(world: GitWorld, workspace: Workspace, program: Path, settings: Settings) -> str:
    git(world.source, "config", "commit.gpgSign", "true")
    git(world.source, "config", "gpg.program", str(program))
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one")
    leaving = await stamp(world, await world.collect(workspace), settings)
    return git(world.host, "cat-file", "commit", leaving.head_commit)


def script(folder: Path, text: str) -> Path:
    path = folder / "signer"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


SIGNS = "cat >/dev/null; echo '[GNUPG:] SIG_CREATED ' >&2; echo '-----BEGIN PGP SIGNATURE-----'"


async def test_commits_of_a_pull_request_are_signed_when_the_user_signs_theirs(world, tmp_path):
    workspace = await world.prepare()

    assert "gpgsig -----BEGIN PGP" in await signing(world, workspace, script(tmp_path, SIGNS), PULL_REQUEST)


@pytest.mark.parametrize("handoff", [{"mode": "patch"}, {"mode": "pull_request", "sign": "never"}])
async def test_no_key_is_asked_for_where_no_signature_is_wanted(world, tmp_path, handoff):
    settings = Settings(handoff=HandoffSettings(**handoff))
    program = script(tmp_path, f"touch {tmp_path}/asked; exit 1")

    assert "gpgsig" not in await signing(world, await world.prepare(), program, settings)
    assert not (tmp_path / "asked").exists()


async def test_a_key_that_cannot_be_used_is_said_and_nothing_leaves(world, tmp_path):
    workspace = await world.prepare()

    with pytest.raises(WorkspaceError) as caught:
        await signing(world, workspace, script(tmp_path, "echo no pinentry >&2; exit 2"), PULL_REQUEST)

    assert caught.value.code == "handoff.not_signed"
    assert caught.value.message.startswith(
        "The commits could not be signed as yours are: error: gpg failed to "
    )
    assert caught.value.remedy == (
        "Let the key be used without a question, as by an agent that holds it, or set `handoff.sign: never` "
        "in WORKFLOW.md."
    )
    assert git(world.host, "for-each-ref", "refs/symphony/delivered") == ""


async def test_a_real_ssh_key_signs_and_the_signature_is_good(world, tmp_path):
    key = tmp_path / "key"
    assert (
        os.spawnlp(os.P_WAIT, "ssh-keygen", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        == 0
    )
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)), ("commit.gpgSign", "true")):
        git(world.source, "config", name, value)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"person@example.org {key.with_suffix('.pub').read_text()}")
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one")
    imported = await world.collect(workspace)

    leaving = await stamp(world, imported, PULL_REQUEST)
    again = await stamp(world, imported, PULL_REQUEST)

    verify = ("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", leaving.head_commit)
    git(world.host, *verify)
    assert again.head_commit == leaving.head_commit


async def test_a_broken_source_is_said_before_anything_leaves(tmp_path):
    world = GitWorld(tmp_path)
    workspace = await world.prepare()
    world.commit(workspace, {"one.txt": b"1\n"}, "Write one")
    imported = await world.collect(workspace)
    world.workspaces = GitWorkspaces(Installation(world.source / ".symphony"))
    git(world.source, "config", "user.name", "")

    leaving = await stamp(world, imported)

    assert show(world, leaving.head_commit, "%cn") == "symphony agent"
