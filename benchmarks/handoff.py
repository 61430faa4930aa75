"""What a workspace and a handoff take in repositories of three sizes, beside plain git doing the same.

    benchmarks/handoff.py [--sizes 100,10000,100000] [--repeat 5]

Each ratio is to plain git in the same run, one after the other: `git ls-remote`, since a source may be
anywhere, to see which branch the base is; it brought into a mirror, and a clone of that over git's own
protocol; `git status` and a bundle that is fetched with its objects checked; `git format-patch`, tried by
`git am` in a checkout that borrows the objects, a look whether the base has moved, and what a review folder
holds, which is a diff, its numbers and a bundle that is verified; `git merge-tree` after a fetch. Nothing is
deleted meanwhile: ext4 takes long to make files where many have just been deleted, whoever does it.
"""

import argparse
import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from figures import Figure, begin, load, ms, show

from symphony.core.handoff import Imported
from symphony.core.ports import Workspace
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.preflight import Preflights
from symphony.workspace.source import Source
from tests.support.git_project import (
    GIT_ENVIRONMENT,
    GitWorld,
    PlainSandbox,
    git,
    make_completion,
)

GOAL = 1.2  # times plain git
PER_FOLDER = 100
CHANGED = 10  # files in each of the agent's commits
COMMITS = 3
BOUND_S = 600.0
CHECKED = ("-c", "transfer.fsckObjects=true", "-c", "core.hooksPath=/dev/null", "-c", "core.fsync=all")


class Bench:
    """One repository, and what symphony and plain git make of it."""

    def __init__(self, folder: Path, files: int, repeat: int) -> None:
        self.folder = folder
        self.repeat = repeat
        self.world = GitWorld(folder, {name(number): line(number) for number in range(files)})
        self.issues = 0
        self.took: dict[str, tuple[list[float], list[float]]] = {}

    async def run(self) -> None:
        """Measure each step as often as was asked for, ours and plain git's in turn."""
        await self.one(count=False)
        for _ in range(self.repeat):
            await self.one(count=True)

    async def one(self, *, count: bool) -> None:
        self.issues += 1
        world, issue = self.world, str(self.issues)
        plain = self.folder / f"plain-{issue}"
        workspace = await self.pair(
            "prepare a workspace", count, lambda: world.prepare(issue), lambda: self.plain_clone(plain)
        )
        for number in range(COMMITS):
            files = {name(each): b"changed %d\n" % number for each in range(number, number + CHANGED)}
            world.commit(workspace, files, f"Work {number}")

        imported = await self.pair(
            "import a branch", count, lambda: self.collect(workspace), lambda: self.plain_import(workspace)
        )
        completion = make_completion(issue)
        await self.pair(
            "hand over: patch, tried, and review folder",
            count,
            lambda: world.workspaces.hand_off(workspace, imported, completion, world.settings),
            lambda: self.plain_patch(imported),
        )
        git(world.source, "commit", "--quiet", "--allow-empty", "-m", "Go on")
        repository = HostRepository(world.host)
        await repository.open()
        preflights = Preflights(repository, Source(".", world.source))
        await self.pair(
            "preflight",
            count,
            lambda: preflights.of(workspace.key, None, "main", imported.base_commit, imported.head_commit),
            lambda: self.plain_preflight(imported),
        )

    async def pair(
        self, what: str, count: bool, ours: Callable[[], Awaitable[Any]], theirs: Callable[[], None]
    ) -> Any:
        os.sync()  # whoever comes second would else have less to wait for, or more
        began = time.perf_counter()
        result = await ours()
        mine = time.perf_counter() - began
        os.sync()
        began = time.perf_counter()
        await asyncio.to_thread(theirs)
        plain = time.perf_counter() - began
        if count:
            for times, time_s in zip(self.took.setdefault(what, ([], [])), (mine, plain), strict=True):
                times.append(time_s)
        return result

    async def collect(self, workspace: Workspace) -> Imported:
        return await self.world.workspaces.collect(workspace, PlainSandbox(workspace.path))

    def look_at_base(self) -> str:
        """See which branch work starts from, as whoever does not know it has to; return its repository."""
        source = self.world.source.as_uri()
        self.git("git", "ls-remote", "--quiet", "--symref", source, "HEAD")
        return source

    def plain_clone(self, target: Path) -> None:
        mirror, source = self.folder / "mirror.git", self.look_at_base()
        if not mirror.exists():
            self.git("git", "clone", "--quiet", "--bare", "--no-hardlinks", source, str(mirror))
        self.git("git", "-C", str(mirror), "fetch", "--quiet", source, "+refs/heads/main:refs/heads/main")
        clone = ("git", "clone", "--quiet", "--no-hardlinks", "--single-branch")
        self.git(*clone, mirror.as_uri(), str(target))

    def plain_import(self, workspace: Workspace) -> None:
        bundle, into = self.folder / "plain.bundle", self.folder / "into.git"
        if not into.exists():
            self.git(
                "git", "clone", "--quiet", "--bare", "--no-hardlinks", self.world.source.as_uri(), str(into)
            )
        here = ("git", "-C", str(workspace.path))
        self.git(*here, "status", "--porcelain")
        self.git(*here, "bundle", "create", "--quiet", str(bundle), "--all", f"^{workspace.base_commit}")
        ref = f"+refs/heads/{workspace.branch}:refs/heads/{workspace.branch}"
        base = self.world.source.as_uri()
        self.git(
            "git", *CHECKED, "-C", str(into), "fetch", "--quiet", base, "+refs/heads/main:refs/heads/base"
        )
        self.git("git", *CHECKED, "-C", str(into), "fetch", "--quiet", str(bundle), ref)

    def plain_patch(self, imported: Imported) -> None:
        patch, checkout = self.folder / "plain.patch", self.folder / f"checkout-{self.issues}"
        span = f"{imported.base_commit}..{imported.head_commit}"
        here = ("git", f"--git-dir={self.world.host}")
        self.git(*here, "format-patch", "--binary", "--full-index", f"--output={patch}", span)
        self.git("git", "clone", "--quiet", "--shared", "--no-checkout", str(self.world.host), str(checkout))
        there = ("git", "-C", str(checkout), "-c", "user.name=P", "-c", "user.email=p@example.org")
        self.git(*there, "checkout", "--quiet", "--detach", imported.base_commit)
        self.git(*there, "am", "--quiet", str(patch))
        self.git(*there, "rev-parse", "HEAD^{tree}")
        self.look_at_base()
        self.git(*here, "diff", f"--output={self.folder / 'plain.diff'}", span)
        self.git(*here, "diff", "--numstat", "-z", span)
        bundle, branch = str(self.folder / "review.bundle"), f"agent/{self.issues}"
        self.git(*here, "bundle", "create", "--quiet", bundle, branch, f"^{imported.base_commit}")
        self.git(*here, "bundle", "verify", "--quiet", bundle)

    def plain_preflight(self, imported: Imported) -> None:
        here = ("git", f"--git-dir={self.folder / 'into.git'}")  # which has no more of the base than ours had
        self.git(*here, "fetch", "--quiet", self.look_at_base(), "+refs/heads/main:refs/plain/now")
        self.git(
            *here, "merge-tree", "--write-tree", "--name-only", "-z", "refs/plain/now", imported.head_commit
        )

    def git(self, *argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True, env=GIT_ENVIRONMENT, timeout=BOUND_S)

    def figures(self) -> list[Figure]:
        """Return a row for each step."""
        rows = []
        for what, (mine, plain) in self.took.items():
            row = Figure(what, ms(mine), load=load())
            ratio = row.median / Figure(what, ms(plain)).median
            rows.append(Figure(what, row.values, ratio=ratio, ratio_goal=GOAL, load=row.load))
            rows.append(Figure("- plain git", ms(plain)))
        return rows


def name(number: int) -> str:
    return f"folder{number // PER_FOLDER}/file{number}.txt"


def line(number: int) -> bytes:
    return b"".join(b"line %d of file %d\n" % (each, number) for each in range(10))


def measure(files: int, repeat: int) -> tuple[str, list[Figure]]:
    """Return the figures of one size."""
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as folder:
        bench = Bench(Path(folder), files, repeat)
        asyncio.run(bench.run())
        return f"workspace and handoff, {files:,} files", bench.figures()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", default="100,10000,100000")
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    begin()
    for size in map(int, chosen.sizes.split(",")):
        show(*measure(size, chosen.repeat))
