"""What ten workspaces of one repository cost when they share nothing, objects, or blocks of the disk.

    benchmarks/sharing.py [--files 10000] [--commits 200] [--workspaces 10]

- "full copy": as symphony makes workspaces: a fetch of one ref over git's own protocol, then a checkout.
- "objects read-only": the objects of the base alone in a repository of their own, which each workspace
  reads as an alternate. In a machine that is one more read-only mount.
- "reflink": one prepared workspace, copied by `cp --reflink=always`. Needs XFS or Btrfs below TMPDIR.

Disk is what `du` counts for all of them; the checkouts' own files are in each of the figures. With reflink,
`du` counts blocks that are shared once for each name, so that what the disk lost is counted instead.
"""

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from figures import Figure, begin, load, ms, show

from symphony.workspace.clone import make_clone
from symphony.workspace.host_repository import borrow
from symphony.workspace.source import Person
from tests.support.git_project import GIT_ENVIRONMENT, git, make_project

PER_FOLDER = 100
CHANGED = 20  # files in each commit of the history
LINES = 10
BOUND_S = 1800.0
PERSON = Person("A Person", "person@example.org")
REF = "refs/heads/main"


def make_history(folder: Path, files: int, commits: int) -> Path:
    """Make a repository whose history is not only its newest files."""
    rng = random.Random(7)

    def content() -> bytes:
        return b"".join(b"%x\n" % rng.getrandbits(256) for _ in range(LINES))

    source = make_project(folder, {f"f{n // PER_FOLDER}/{n}.txt": content() for n in range(files)})
    for number in range(commits):
        for each in rng.sample(range(files), min(CHANGED, files)):
            (source / f"f{each // PER_FOLDER}/{each}.txt").write_bytes(content())
        git(source, "commit", "--quiet", "--all", "-m", f"Change {number}")
    git(source, "repack", "-adq")
    return source


async def full_copy(source: Path, target: Path) -> None:
    await make_clone(target, source / ".git", REF, "agent/1", PERSON)


async def with_objects_of(store: Path, target: Path) -> None:
    """Make a workspace that reads its base's objects where they are."""
    commit = git(store, "rev-parse", REF)
    target.mkdir()
    git(target, "init", "--quiet", "--template=", "--initial-branch=agent/1")
    borrow(target / ".git", [store / "objects"], store / "shallow")
    git(target, "update-ref", "HEAD", commit)
    git(target, "reset", "--quiet", "--hard")


async def by_reflink(prepared: Path, target: Path) -> None:
    run("cp", "--recursive", "--preserve=all", "--reflink=always", str(prepared), str(target))


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, env=GIT_ENVIRONMENT, timeout=BOUND_S)


def lost_to(folder: Path, since: int) -> float:
    """Return the MiB that the disk has lost since it had so much left."""
    os.sync()
    return (since - free_bytes(folder)) / 2**20


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


async def ten(
    folder: Path, count: int, make: Callable[[Path], Awaitable[None]]
) -> tuple[list[float], float, float]:
    """Make workspaces one after another; return seconds for each, and MiB for all and for their `.git`."""
    folder.mkdir()
    os.sync()
    since, took = free_bytes(folder), []
    for number in range(count):
        began = time.perf_counter()
        await make(folder / str(number))
        took.append(time.perf_counter() - began)
    lost = lost_to(folder, since)
    inner = sum(
        path.lstat().st_blocks * 512 for each in folder.iterdir() for path in (each / ".git").rglob("*")
    )
    return took, lost, inner / 2**20


def rows(what: str, found: tuple[list[float], float, float], busy: float) -> list[Figure]:
    """Return what one way costs."""
    took, lost, inner = found
    return [
        Figure(f"{what}: one workspace", ms(took), load=busy),
        Figure("- disk lost to all of them", (lost,), unit="MiB"),
        Figure("- in their .git folders", (inner,), unit="MiB"),
    ]


async def compare(folder: Path, files: int, commits: int, count: int) -> list[Figure]:
    """Return the figures of each way."""
    source = make_history(folder / "source", files, commits)
    store = folder / "store.git"
    run("git", "clone", "--quiet", "--bare", "--no-hardlinks", "--single-branch", source.as_uri(), str(store))
    figures = rows("full copy", await ten(folder / "a", count, lambda to: full_copy(source, to)), load())
    shutil.rmtree(folder / "a")
    shared = await ten(folder / "b", count, lambda to: with_objects_of(store, to))
    figures += rows("objects read-only", shared, load())
    shutil.rmtree(folder / "b")
    prepared = folder / "prepared"
    await full_copy(source, prepared)
    try:
        linked = await ten(folder / "c", count, lambda to: by_reflink(prepared, to))
    except subprocess.CalledProcessError:
        return [*figures, Figure("reflink", note="this file system has none")]
    return figures + rows("reflink", linked, load())


def measure(files: int, commits: int, count: int) -> tuple[str, list[Figure]]:
    """Return the figures of one repository."""
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as folder:
        figures = asyncio.run(compare(Path(folder), files, commits, count))
    return f"{count} workspaces of {files:,} files and {commits} commits", figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--workspaces", type=int, default=10)
    chosen = parser.parse_args()
    begin()
    show(*measure(chosen.files, chosen.commits, chosen.workspaces))
