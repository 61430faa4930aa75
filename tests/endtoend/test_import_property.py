"""Whatever is done in a workspace, an import that reads little finds what a reading of all finds."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.ports import Workspace
from symphony.workspace import touched
from symphony.workspace.snapshot import take_snapshot
from tests.support.git_project import GitWorld, git

FILES = {
    "a": b"a\n",
    "folder/b": b"b\n",
    "folder/inner/c": b"c\n",
    "tracked.log": b"log\n",
    ".gitignore": b"*.log\n",
    ".gitattributes": b"*.crlf text eol=crlf\n",
    "d.crlf": b"d\n",
}
# without `.gitattributes`: to git, new rules change nothing about a file that nobody has touched since
NAMES = (
    *(name for name in FILES if name != ".gitattributes"),
    "new",
    "folder/new",
    "other.log",
    "new.crlf",
    "folder",
)
SOON_NS = -(10**12)  # what is read is remembered at once: no step below is as quick as the kernel's clock

Step = Callable[[Path], None]


def clear(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def make_room(path: Path, root: Path) -> None:
    """Let a file be put under this name, whatever lies there or above."""
    clear(path)
    for folder in reversed(path.relative_to(root).parents[:-1]):
        if not (root / folder).is_dir() or (root / folder).is_symlink():
            clear(root / folder)
            (root / folder).mkdir()


def write(name: str, content: bytes) -> Step:
    def step(root: Path) -> None:
        make_room(root / name, root)
        (root / name).write_bytes(content)

    return step


def link(name: str, target: str) -> Step:
    def step(root: Path) -> None:
        make_room(root / name, root)
        (root / name).symlink_to(target)

    return step


def delete(name: str) -> Step:
    return lambda root: clear(root / name)


def run(name: str) -> Step:
    def step(root: Path) -> None:
        if (root / name).is_file() and not (root / name).is_symlink():
            (root / name).chmod((root / name).stat().st_mode ^ 0o111)

    return step


def move(name: str, to: str) -> Step:
    def step(root: Path) -> None:
        if os.path.lexists(root / name) and not f"{to}/".startswith(f"{name}/"):
            (root / name).rename(aside := root / "aside")
            make_room(root / to, root)
            aside.rename(root / to)

    return step


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "Work")


def commit_without_files(name: str) -> Step:
    """Commit that a file is gone while it lies there as it did."""

    def step(root: Path) -> None:
        git(root, "rm", "-r", "--quiet", "--cached", "--ignore-unmatch", "--", name)
        git(root, "commit", "--quiet", "--allow-empty", "-m", "Forget")

    return step


def go_back(root: Path) -> None:
    """Take the last commit back, with all that was not committed."""
    before = git(root, "rev-list", "--max-count=2", "HEAD").split()[-1]
    git(root, "reset", "--quiet", "--hard", before)


names, contents = st.sampled_from(NAMES), st.sampled_from((b"", b"a\n", b"b\n", b"x\r\ny\r\n"))
STEPS = st.one_of(
    st.builds(write, names, contents),
    st.builds(link, names, st.sampled_from(("a", "..", "/etc/passwd"))),
    st.builds(delete, names),
    st.builds(run, names),
    st.builds(move, names, names),
    st.just(commit),
    st.builds(commit_without_files, names),
    st.just(go_back),
)


@settings(max_examples=25)
@given(
    rounds=st.lists(st.lists(STEPS, max_size=4), min_size=1, max_size=3),
    new=st.booleans(),
    settled=st.booleans(),
)
def test_an_import_finds_what_a_full_reading_finds(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[Step]], new: bool, settled: bool
) -> None:
    folder = tmp_path_factory.mktemp("project")

    async def play() -> None:
        world = GitWorld(folder, FILES)
        workspace = await world.prepare()
        if not new:  # what was seen when the clone was made, or nothing
            shutil.rmtree(world.installation.root / "seen-files")
            await world.collect(workspace)
        for steps in rounds:
            for step in steps:
                step(workspace.path)
            await compare(world, workspace)

    with pytest.MonkeyPatch.context() as patch:
        if settled:
            patch.setattr(touched, "SETTLED_NS", SOON_NS)
        asyncio.run(play())


async def compare(world: GitWorld, workspace: Workspace) -> None:
    """Import, and read every file as well."""
    imported = await world.collect(workspace)
    head = git(workspace.path, "rev-parse", "HEAD^{tree}")
    with tempfile.TemporaryDirectory() as scratch:
        full = await take_snapshot(world.host, workspace.path, head, Path(scratch))
    assert imported.head_tree == full
