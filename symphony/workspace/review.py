"""The folder for the reviewer of what was handed over, beside a patch if there is one [CONTRACT 9.1, 9.2].

`summary.md`, the diff as git shows it to people, a bundle of the branch, and the facts that
`symphony review` and `symphony reject` go by. It is made beside its place and put there in one step,
before the patch, so that a patch that is seen has its folder. Called by `handing`.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from symphony.core.handoff import Completion, Imported
from symphony.core.installation import Installation
from symphony.core.ports import Workspace
from symphony.core.preflight import Preflight
from symphony.core.review import Background
from symphony.core.text import one_line
from symphony.host.durable import put_folder
from symphony.host.tree import delete_file
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.folder import delete_folder
from symphony.workspace.git_command import TRANSFER_TIMEOUT, host_git
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.marks import marks_in
from symphony.workspace.reading import begun
from symphony.workspace.review_text import ChangedFile, render_summary
from symphony.workspace.scratch import Scratch

SUMMARY, DIFF, BUNDLE, FACTS = "summary.md", "changes.diff", "branch.bundle", "review.json"
MAKING = ".symphony-review-"
FACTS_LIMIT = 16 << 20  # bytes
PLAIN_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "--full-index")


@dataclass(frozen=True, slots=True)
class Review:
    """What is known of a delivered branch.

    Attributes:
        title: as the agent gave it.
        base: the base's name.
        marks: lines of the patch that look like a reviewer's and are its own.
        url: the pull request; empty for a patch.
    """

    issue_id: str
    title: str
    branch: str
    base: str
    base_commit: str
    head_commit: str
    commits: int
    marks: tuple[str, ...] = ()
    url: str = ""


class ReviewFolder:
    """Writes the folders of one installation."""

    def __init__(self, installation: Installation, repository: HostRepository, scratch: Scratch) -> None:
        self._installation = installation
        self._repository = repository
        self._scratch = scratch

    async def write(
        self,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        background: Background,
        preflight: Preflight,
        mailbox: bytes,
        url: str = "",
    ) -> None:
        """Write the folder, or replace it; repeating it gives the same.

        `mailbox` is the patch and `url` the pull request; what there is none of is empty.

        Raises:
            WorkspaceError: `workspace.*`.
        """
        target = self._installation.review(workspace.key)
        making = target.with_name(f"{MAKING}{workspace.key}")
        with explain_disk(f"make {making}"):
            await asyncio.to_thread(_make, making)
        try:
            async with (
                begun(self._write_bundle(imported, making / BUNDLE)) as bundling,
                begun(self._files(imported)) as listing,
            ):
                await self._write_diff(imported, making / DIFF)
                files = await listing
                await bundling
            summary = render_summary(
                imported,
                completion,
                background,
                base=workspace.base,
                preflight=preflight,
                files=files,
                url=url,
            )
            review = Review(
                workspace.issue_id,
                one_line(completion.title),
                imported.branch,
                workspace.base,
                imported.base_commit,
                imported.head_commit,
                imported.commits,
                marks_in(mailbox),
                url,
            )
            facts = json.dumps(asdict(review), indent=1).encode()
            with explain_disk(f"write {target}"):
                await asyncio.to_thread(_put, making, target, summary, facts)
        finally:
            await asyncio.to_thread(delete_folder, making)

    async def _write_diff(self, imported: Imported, target: Path) -> None:
        span = (imported.base_commit, imported.head_commit)
        await self._repository.git.run(*PLAIN_DIFF, f"--output={target}", *span, "--")

    async def _files(self, imported: Imported) -> list[ChangedFile]:
        span = (imported.base_commit, imported.head_commit)
        listing = await self._repository.git.run("diff", "--numstat", "-z", "--no-renames", *span, "--")
        return list(_parse_numstat(listing))

    async def _write_bundle(self, imported: Imported, target: Path) -> None:
        """Write it from a repository that has nothing but the branch, under its own name."""
        branch, head = f"refs/heads/{imported.branch}", imported.head_commit
        async with self._scratch.open("bundle") as scratch:
            folder = scratch / "bundle.git"
            git = host_git(scratch)
            await git.run("init", "--quiet", "--bare", "--template=", str(folder))
            await asyncio.to_thread(self._repository.lend_objects, folder)
            git = git.with_options(f"--git-dir={folder}")
            await git.run("update-ref", branch, head)
            create = ("-c", "pack.threads=1", "bundle", "create", "--quiet", str(target), branch)
            # git makes no bundle without a commit
            span = (f"^{imported.base_commit}",) if imported.commits else ()
            await git.run(*create, *span, timeout_s=TRANSFER_TIMEOUT)
            await git.run("bundle", "verify", "--quiet", str(target), timeout_s=TRANSFER_TIMEOUT)


def read_review(installation: Installation, key: str) -> Review | None:
    """Return the facts of the delivered branch of the issue with this key; None where there is no folder.

    Blocks on the disk.

    Raises:
        WorkspaceError: `review.unreadable`.
    """
    path = installation.review(key) / FACTS
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(FACTS_LIMIT))
        return Review(**{**fields, "marks": tuple(fields["marks"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WorkspaceError(
            f"{path} cannot be read: {error}",
            code="review.unreadable",
            remedy="The work is whole without it: `symphony show` says where it was handed over.",
        ) from error


def delete_patch(patch: Path) -> None:
    """Delete a patch, then its review folder; blocks on the disk. Repeating it does nothing.

    Raises:
        WorkspaceError: one of them is still there.
    """
    with explain_disk(f"delete {patch}"):
        delete_file(patch.parent, patch.name)
    delete_folder(patch.with_suffix(""))


def _make(folder: Path) -> None:
    delete_folder(folder)
    folder.mkdir(parents=True)


def _put(making: Path, target: Path, summary: str, facts: bytes) -> None:
    (making / SUMMARY).write_text(summary, encoding="utf-8", errors="replace")
    (making / FACTS).write_bytes(facts)
    put_folder(making, target)


def _parse_numstat(listing: bytes) -> Iterator[ChangedFile]:
    for line in filter(None, listing.split(b"\0")):
        added, deleted, name = line.split(b"\t", 2)
        yield ChangedFile(name.decode("utf-8", "replace"), added.decode(), deleted.decode())
