"""After an agent has run, its `.git` and its files are hostile: none of them runs here [DESIGN Trust].

The guest's own git runs in the sandbox and may run whatever the guest configured; the sandbox of
these tests marks its environment, and every planted program writes down whether it saw the mark.
"""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from symphony.core.handoff import Imported
from symphony.core.ports import Workspace
from symphony.workspace.errors import WorkspaceError
from tests.support.git_project import TODAY, GitWorld, PlainSandbox, git, write_files

SECRET = b"a secret of the host\n"


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, {"README.md": b"a project\n", "data.txt": b"data\n", "sub/x.txt": b"x\n"})


class Trap:
    """A program that an agent plants, and what it did on the host."""

    def __init__(self, folder: Path) -> None:
        self.sprung = folder / "sprung-on-the-host"
        self.program = folder / "trap.sh"
        self.program.write_text(
            f'#!/bin/sh\n[ -n "$IN_GUEST" ] || echo "$0 $*" >> {self.sprung}\ncat 2>/dev/null\n'
        )
        self.program.chmod(0o755)


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


def configure(*settings: tuple[str, str]) -> Callable[[Workspace, Trap], None]:
    def plant(workspace: Workspace, trap: Trap) -> None:
        for name, value in settings:
            git(workspace.path, "config", name, value.format(trap=trap.program))

    return plant


def plant_hooks(workspace: Workspace, trap: Trap) -> None:
    hooks = workspace.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in (
        "pre-commit", "post-checkout", "post-merge", "reference-transaction", "post-index-change",
        "pre-receive", "update", "post-update", "pre-push", "applypatch-msg", "pre-applypatch",
        "post-applypatch", "fsmonitor-watchman", "prepare-commit-msg", "commit-msg", "post-commit",
    ):  # fmt: skip
        shutil.copy(trap.program, hooks / name)


def plant_filters(workspace: Workspace, trap: Trap) -> None:
    configure(
        ("filter.evil.clean", "{trap}"),
        ("filter.evil.smudge", "{trap}"),
        ("filter.evil.process", "{trap}"),
        ("filter.evil.required", "true"),
        ("diff.evil.textconv", "{trap}"),
        ("diff.evil.command", "{trap}"),
        ("merge.evil.driver", "{trap}"),
    )(workspace, trap)
    write_files(workspace.path, {".gitattributes": b"* filter=evil diff=evil merge=evil\n"})


def plant_nested_repository(workspace: Workspace, trap: Trap) -> None:
    nested = workspace.path / "nested"
    nested.mkdir()
    git(nested, "init", "--quiet")
    write_files(nested, {"inner.txt": b"inner\n", ".gitattributes": b"* filter=evil\n"})
    git(
        nested,
        "-c",
        "user.name=X",
        "-c",
        "user.email=x@y",
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "inner",
    )
    for name in ("core.fsmonitor", "filter.evil.clean", "filter.evil.process", "core.sshCommand"):
        git(nested, "config", name, str(trap.program))


def plant_submodule(workspace: Workspace, trap: Trap) -> None:
    """A committed submodule whose own repository is a trap for `git status` and `git add`."""
    plant_nested_repository(workspace, trap)
    head = git(workspace.path / "nested", "rev-parse", "HEAD")
    git(workspace.path, "update-index", "--add", "--cacheinfo", f"160000,{head},nested")
    git(workspace.path, "commit", "--quiet", "-m", "A submodule")


TRAPS: dict[str, Callable[[Workspace, Trap], None]] = {
    "hooks": plant_hooks,
    "hooks path": configure(("core.hooksPath", "{trap}")),
    "fsmonitor": configure(("core.fsmonitor", "{trap}")),
    "ssh command": configure(("core.sshCommand", "{trap}"), ("core.gitProxy", "{trap}")),
    "external diff": configure(("diff.external", "{trap}"), ("interactive.diffFilter", "{trap}")),
    "filters and drivers": plant_filters,
    "pack hook": configure(("uploadpack.packObjectsHook", "{trap}")),
    "pager and editor": configure(
        ("core.pager", "{trap}"), ("core.editor", "{trap}"), ("pager.log", "{trap}")
    ),
    "signing": configure(
        ("commit.gpgSign", "true"), ("gpg.program", "{trap}"), ("log.showSignature", "true")
    ),
    "credentials": configure(("credential.helper", "{trap}"), ("core.askPass", "{trap}")),
    "alias": configure(("alias.bundle", "!{trap}"), ("alias.show-ref", "!{trap}")),
    "nested repository": plant_nested_repository,
    "submodule": plant_submodule,
}


async def deliver(world: GitWorld, workspace: Workspace) -> tuple[Imported, bytes]:
    """Do all that the host does after an agent has run."""
    await world.workspaces.fingerprint(workspace)
    await world.workspaces.save(workspace, "Before attempt 2.", TODAY)
    imported = await world.collect(workspace)
    handoff = await world.hand_off(workspace, imported)
    patch = handoff.patch.read_bytes() if handoff.patch else b""
    async with world.workspaces.delivered_clone(imported) as clone:
        assert not (clone / ".git" / "hooks").exists()
    await world.workspaces.remove(workspace, world.settings, {})
    return imported, patch


@pytest.mark.parametrize("planted", TRAPS)
async def test_nothing_that_an_agent_plants_runs_on_the_host(
    world: GitWorld, trap: Trap, planted: str
) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {"work.txt": b"work\n"})
    TRAPS[planted](workspace, trap)
    write_files(workspace.path, {"more.txt": b"more\n", "data.txt": b"changed\n"})

    imported, patch = await deliver(world, workspace)

    assert not trap.sprung.exists(), trap.sprung.read_text()
    assert world.host_file(imported.head_commit, "data.txt") == b"changed\n"
    assert world.host_file(imported.head_commit, "work.txt") == b"work\n"
    assert b"+more" in patch


async def test_the_traps_of_these_tests_do_spring_when_the_host_is_careless(
    world: GitWorld, trap: Trap
) -> None:
    workspace = await world.prepare()
    configure(("core.fsmonitor", "{trap}"))(workspace, trap)

    git(workspace.path, "status")

    assert trap.sprung.exists()


async def test_the_files_of_a_nested_repository_are_saved(world: GitWorld, trap: Trap) -> None:
    workspace = await world.prepare()
    plant_nested_repository(workspace, trap)

    imported, patch = await deliver(world, workspace)

    assert "nested/inner.txt" in world.host_files(imported.head_commit)
    assert b"+inner" in patch
    assert not [name for name in world.host_files(imported.head_commit) if ".git/" in name]


async def test_objects_that_an_agent_rewrites_stay_its_own(world: GitWorld) -> None:
    workspace = await world.prepare()
    before = git(world.host, "rev-list", "--all", "--objects")
    objects = [path for path in (workspace.path / ".git" / "objects").rglob("*") if path.is_file()]
    assert {path.stat().st_nlink for path in objects} == {1}
    assert not (workspace.path / ".git" / "objects" / "info" / "alternates").exists()

    for path in objects:
        path.chmod(0o600)
        path.write_bytes(b"rewritten")
    write_files(workspace.path, {"README.md": b"still saved\n"})
    imported = await world.collect(workspace)

    git(world.host, "fsck", "--strict")
    git(world.source, "fsck", "--strict")
    assert set(before.splitlines()) <= set(git(world.host, "rev-list", "--all", "--objects").splitlines())
    assert world.host_file(imported.head_commit, "README.md") == b"still saved\n"


async def test_the_clone_knows_no_remote_and_no_other_issue(world: GitWorld) -> None:
    other = await world.prepare("other")
    world.commit(other, {"private.txt": b"of another issue\n"})
    commit = (await world.collect(other)).head_commit

    workspace = await world.prepare()

    assert git(workspace.path, "remote") == ""
    assert git(workspace.path, "for-each-ref", "--format=%(refname)") == "refs/heads/agent/12"
    assert str(world.source) not in (workspace.path / ".git" / "config").read_text()
    assert commit not in git(workspace.path, "cat-file", "--batch-all-objects", "--batch-check")


async def test_an_alternate_to_the_hosts_objects_brings_nothing_in(world: GitWorld, tmp_path: Path) -> None:
    workspace = await world.prepare()
    private = tmp_path / "private"
    git(tmp_path, "init", "--quiet", str(private))
    blob = git(private, "hash-object", "-w", "--stdin", stdin=SECRET)
    alternates = workspace.path / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{private}/.git/objects\n")
    write_files(workspace.path, {"work.txt": b"work\n"})

    await deliver(world, workspace)

    assert blob not in git(world.host, "cat-file", "--batch-all-objects", "--batch-check")


def link_git_folder(workspace: Workspace, private: Path) -> None:
    shutil.rmtree(workspace.path / ".git")
    (workspace.path / ".git").symlink_to(private / ".git")


def point_git_file(workspace: Workspace, private: Path) -> None:
    shutil.rmtree(workspace.path / ".git")
    (workspace.path / ".git").write_text(f"gitdir: {private}/.git\n")


@pytest.mark.parametrize("redirect", [link_git_folder, point_git_file])
async def test_a_git_folder_that_points_elsewhere_is_not_followed_by_the_host(
    world: GitWorld, trap: Trap, tmp_path: Path, redirect: Callable[[Workspace, Path], None]
) -> None:
    workspace = await world.prepare()
    private = tmp_path / "private"
    git(tmp_path, "init", "--quiet", str(private))
    write_files(private, {"secret.txt": SECRET})
    git(private, "add", "--all")
    git(private, "-c", "user.name=X", "-c", "user.email=x@y", "commit", "--quiet", "-m", "Private")
    git(private, "config", "core.fsmonitor", str(trap.program))
    redirect(workspace, private)
    write_files(workspace.path, {"work.txt": b"work\n"})

    imported = await world.workspaces.collect(workspace, None)
    handoff = await world.hand_off(workspace, imported)

    assert handoff.patch is not None
    assert SECRET.strip() not in handoff.patch.read_bytes()
    assert world.host_file(imported.head_commit, "work.txt") == b"work\n"
    assert not trap.sprung.exists()


async def test_symlinks_out_of_the_workspace_are_kept_as_links_and_never_read(
    world: GitWorld, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    write_files(
        outside,
        {"secret.txt": SECRET, "x.txt": SECRET, ".gitignore": b"more.txt\n", ".gitattributes": b"* binary\n"},
    )
    workspace = await world.prepare()
    shutil.rmtree(workspace.path / "sub")
    (workspace.path / "sub").symlink_to(outside)
    (workspace.path / "data.txt").unlink()
    (workspace.path / "data.txt").symlink_to(outside / "secret.txt")
    (workspace.path / ".gitignore").symlink_to(outside / ".gitignore")
    (workspace.path / ".gitattributes").symlink_to(outside / ".gitattributes")
    (workspace.path / ".symphony.bundle").symlink_to(outside / "secret.txt")
    write_files(workspace.path, {"more.txt": b"more\n"})

    imported, patch = await deliver(world, workspace)

    assert SECRET.strip() not in patch
    assert "sub/x.txt" not in world.host_files(imported.head_commit)
    assert world.host_file(imported.head_commit, "sub").decode() == str(outside)
    assert world.host_file(imported.head_commit, "data.txt").decode() == str(outside / "secret.txt")
    assert world.host_file(imported.head_commit, "more.txt") == b"more\n"
    assert (outside / "secret.txt").read_bytes() == SECRET


async def test_a_bundle_that_is_a_link_or_a_pipe_is_not_read(world: GitWorld, tmp_path: Path) -> None:
    """A guest's git may claim to have written a bundle and have put anything in its place."""
    workspace = await world.prepare()
    write_files(workspace.path, {"work.txt": b"work\n"})
    liar = tmp_path / "bin" / "git"
    write_files(tmp_path, {"secret.bundle": b"# v2 git bundle\n\n" + SECRET})

    for plant in (
        f"ln -sf {tmp_path}/secret.bundle .symphony.bundle",
        "rm -f .symphony.bundle; mkfifo .symphony.bundle",
    ):
        write_files(tmp_path, {"bin/git": f'#!/bin/sh\ncase "$*" in *bundle*) {plant};; esac\n'.encode()})
        liar.chmod(0o755)
        imported = await world.collect(workspace, PATH=f"{liar.parent}:{os.environ['PATH']}")
        assert world.host_files(imported.head_commit) == ["README.md", "data.txt", "sub/x.txt", "work.txt"]

    message = git(world.host, "log", "-1", "--format=%B", "agent/12")
    assert "could not be read" in message
    assert (tmp_path / "secret.bundle").exists()
    assert not (workspace.path / ".symphony.bundle").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not a bundle at all", "it does not start as a git bundle does"),
        (b"# v2 git bundle\nnonsense\n\n", "its header has a line that no bundle has"),
        (b"# v2 git bundle\n", "its header does not end"),
        (b"# v2 git bundle\n" + b"-" * (2 << 20), "its header does not end"),
    ],
)
async def test_a_broken_bundle_is_refused_and_the_files_are_saved(
    world: GitWorld, tmp_path: Path, content: bytes, why: str
) -> None:
    workspace = await world.prepare()
    write_files(workspace.path, {"work.txt": b"work\n"})
    write_files(
        tmp_path,
        {"bundle": content, "bin/git": f"#!/bin/sh\ncp {tmp_path}/bundle .symphony.bundle\n".encode()},
    )
    (tmp_path / "bin" / "git").chmod(0o755)

    with pytest.raises(WorkspaceError) as caught:
        await world.collect(workspace, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")

    assert caught.value.code == "workspace.import_failed"
    assert str(caught.value) == (
        f"The workspace's commits were not imported: {why}. "
        "The workspace is kept; look at its history with `git fsck` in a sandbox."
    )
    assert world.host_file("refs/symphony/rescue/12", "work.txt") == b"work\n"
    assert (workspace.path / "work.txt").exists()


async def test_objects_that_fail_gits_checks_are_refused_and_the_files_are_saved(world: GitWorld) -> None:
    workspace = await world.prepare()
    head = git(workspace.path, "rev-parse", "HEAD")
    blob = git(workspace.path, "hash-object", "-w", "--stdin", stdin=b"[core]\n\tfsmonitor = evil\n")
    config = git(workspace.path, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    raw = b"40000 .git\0" + bytes.fromhex(config)
    tree = git(workspace.path, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)
    commit = git(workspace.path, "commit-tree", tree, "-p", head, "-m", "A tree with a .git folder")
    git(workspace.path, "update-ref", "refs/heads/agent/12", commit)
    write_files(workspace.path, {"work.txt": b"work\n"})

    with pytest.raises(WorkspaceError) as caught:
        await world.collect(workspace)

    assert caught.value.code == "workspace.import_failed"
    assert "hasDotgit: contains '.git'" in caught.value.message
    assert world.host_file("refs/symphony/rescue/12", "work.txt") == b"work\n"
    assert "agent/12" not in git(world.host, "for-each-ref", "--format=%(refname:short)", "refs/heads")
    assert commit not in git(world.host, "cat-file", "--batch-all-objects", "--batch-check")
    assert (workspace.path / "work.txt").exists()


async def test_a_history_with_a_missing_object_is_refused(world: GitWorld, tmp_path: Path) -> None:
    workspace = await world.prepare()
    commit = world.commit(workspace, {"work.txt": b"work\n"})
    git(workspace.path, "update-ref", "refs/heads/agent/12", commit)
    pack = tmp_path / "pack"
    git(workspace.path, "pack-objects", "--quiet", str(pack), stdin=f"{commit}\n".encode())
    file = next(tmp_path.glob("pack-*.pack"))
    write_files(
        tmp_path,
        {
            "bundle": f"# v2 git bundle\n{commit} refs/heads/agent/12\n\n".encode() + file.read_bytes(),
            "bin/git": f"#!/bin/sh\ncp {tmp_path}/bundle .symphony.bundle\n".encode(),
        },
    )
    (tmp_path / "bin" / "git").chmod(0o755)

    with pytest.raises(WorkspaceError) as caught:
        await world.collect(workspace, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")

    assert caught.value.code == "workspace.import_failed"
    assert world.host_file("refs/symphony/rescue/12", "work.txt") == b"work\n"


async def test_a_guest_cannot_name_a_commit_of_another_issue_as_its_own(
    world: GitWorld, tmp_path: Path
) -> None:
    other = await world.prepare("other")
    stolen = world.commit(other, {"private.txt": SECRET})
    await world.collect(other)
    workspace = await world.prepare()
    write_files(
        tmp_path,
        {"bin/git": f"#!/bin/sh\necho {stolen} HEAD\necho {stolen} refs/heads/agent/12\n".encode()},
    )
    (tmp_path / "bin" / "git").chmod(0o755)

    imported = await world.collect(workspace, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")

    assert not imported.changed
    assert "private.txt" not in world.host_files(imported.head_commit)


async def test_the_daemons_own_git_variables_reach_no_command(
    world: GitWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    git(tmp_path, "init", "--quiet", str(private))
    for name, value in {
        "GIT_DIR": f"{private}/.git",
        "GIT_WORK_TREE": str(private),
        "GIT_INDEX_FILE": f"{private}/index",
        "GIT_OBJECT_DIRECTORY": f"{private}/.git/objects",
        "GIT_EXTERNAL_DIFF": "false",
    }.items():
        monkeypatch.setenv(name, value)
    workspace = await world.prepare()
    world.commit(workspace, {"work.txt": b"work\r\n"})

    await deliver(world, workspace)

    assert git(private, "--git-dir=.git", "count-objects") == "0 objects, 0 kilobytes"
    assert not (private / "index").exists()


async def test_special_files_and_closed_folders_neither_hang_nor_stop_the_host(world: GitWorld) -> None:
    workspace = await world.prepare()
    os.mkfifo(workspace.path / "pipe")
    (workspace.path / "closed").mkdir()
    write_files(workspace.path, {"closed/in.txt": b"in\n"})
    (workspace.path / "closed").chmod(stat.S_IRUSR | stat.S_IXUSR)

    imported, _ = await deliver(world, workspace)

    assert "closed/in.txt" in world.host_files(imported.head_commit)
    assert "pipe" not in world.host_files(imported.head_commit)
    assert not workspace.path.exists()


async def test_a_symlink_in_the_place_of_a_workspace_is_refused(world: GitWorld, tmp_path: Path) -> None:
    workspace = await world.prepare()
    outside = tmp_path / "outside"
    write_files(outside, {"keep.txt": b"keep\n"})
    workspace.path.rename(tmp_path / "moved")
    workspace.path.symlink_to(outside)
    sentence = (
        f"The workspace {workspace.path} is a symlink; symphony does not follow it. "
        "Look what it is and move it away, then retry the issue."
    )

    for attempt in (
        world.prepare(),
        world.workspaces.collect(workspace, PlainSandbox(outside)),
        world.workspaces.remove(workspace, world.settings, {}),
        world.workspaces.find("12", world.settings),
    ):
        with pytest.raises(WorkspaceError) as caught:
            await attempt
        assert (caught.value.code, str(caught.value)) == ("workspace.not_a_folder", sentence)

    assert (outside / "keep.txt").exists()
