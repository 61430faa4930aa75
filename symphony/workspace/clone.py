"""Clones that share nothing with the repository they come from.

Called for workspaces and for the host's checkouts of delivered branches. One ref is fetched
over git's own protocol: a plain `git clone`, with hard links or without, would also hand over
the objects of all other issues.
"""

import asyncio
import os
from pathlib import Path

from symphony.workspace.errors import explain_disk
from symphony.workspace.git_command import TRANSFER_TIMEOUT, host_git
from symphony.workspace.source import Person

WORKERS = min(4, os.cpu_count() or 1)  # programs that write files side by side
MANY = 1000  # files; fewer are written sooner than a program starts
IN_PARALLEL = ("-c", f"checkout.workers={WORKERS}", "-c", f"checkout.thresholdForParallelism={MANY}")


async def make_clone(target: Path, repository: Path, ref: str, branch: str, person: Person) -> None:
    """Make a repository with a checkout of `ref` on `branch`, without remotes.

    Args:
        target: a folder that does not exist yet.
        repository: the host's repository.
        ref: a ref of it; its history and the tags in it come along, nothing else.
        branch: the only branch of the clone.
        person: who commits there.

    Raises:
        WorkspaceError: `workspace.*`; what was made of the target stays.
    """
    await make_empty(target)
    await fill_clone(target, repository, ref, branch, person)


async def make_empty(target: Path) -> None:
    """Make a repository with nothing in it.

    Raises:
        WorkspaceError: `workspace.*`; what was made of the target stays.
    """
    with explain_disk(f"make the folder {target}"):
        await asyncio.to_thread(target.mkdir)
    # the branch is made by the checkout: git refuses to fetch into one that is checked out
    await host_git(target).run("init", "--quiet", "--template=", "--initial-branch=symphony-unborn")


async def fill_clone(target: Path, repository: Path, ref: str, branch: str, person: Person) -> None:
    """Make an empty repository what `make_clone` makes.

    Raises:
        WorkspaceError: `workspace.*`; what was made of the target stays.
    """
    git = host_git(target)
    await git.run(
        "fetch",
        "--quiet",
        "--no-write-fetch-head",
        "--update-shallow",
        "--",
        str(repository),
        f"+{ref}:refs/heads/{branch}",
        timeout_s=TRANSFER_TIMEOUT,
    )
    with explain_disk(f"write the settings of {target}"):
        await asyncio.to_thread(_configure, target / ".git" / "config", person)
    await git.with_options(*IN_PARALLEL).run("checkout", "--quiet", branch, "--", timeout_s=TRANSFER_TIMEOUT)


def _configure(config: Path, person: Person) -> None:
    """Say who commits there; and that no tool starts git's collection, which would outlive a turn."""
    text = f"[user]\n\tname = {_quoted(person.name)}\n\temail = {_quoted(person.email)}\n[gc]\n\tauto = 0\n"
    with config.open("a", encoding="utf-8") as file:
        file.write(text)


def _quoted(value: str) -> str:
    """Return a value of a configuration file as git-config(1) has it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
