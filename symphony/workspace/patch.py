"""A branch as a mailbox that plain `git am` turns into exactly the branch's tree [CONTRACT 9.1].

Nothing is believed about what survives a mailbox: merges are dropped by format-patch, carriage
returns and odd messages by `git am`. Each form is applied by the host to the base and compared
with the branch's tree; the first that gives it is the one that is written. Title and summary
stand after the `---` of the first message: a cover letter of its own would stop `git am` with
"Patch is empty".
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from symphony.core.handoff import Completion, Imported
from symphony.core.receipt import Receipt
from symphony.core.text import one_line, plain
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.git_command import Git, git_words, host_git
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.tree import read_changes

PATCH_LIMIT = 1 << 29  # bytes; it is held in memory once, and nobody reviews more
SCANNED = 1 << 26  # bytes; git itself writes bigger files as binary here
SUMMARY_SHOWN = 16_384  # characters
TITLE_SHOWN = 200
WORDS_SHOWN = 400  # characters of what `git am` said
SPECIAL = re.compile(r"^(?=---|diff |Index: |@@|>*From |[A-Za-z-]+: |-- )")
INDENT = "    "
FORMAT = (
    "format-patch",
    "--binary",
    "--full-index",
    "--no-signature",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-thread",
    "--no-attach",
    "--no-notes",
    "--encode-email-headers",
    "--quiet",
    "--zero-commit",
)
WARY = ("--no-renames", '--src-prefix=a"/', '--dst-prefix=b"/')
"""For what git writes and does not read. With a quote before a name it quotes all of the name; without, it
does not find where names end in a header that begin with a blank folder. A link that has moved below its own
name goes and comes: as a rename git takes it for a file beyond that link."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write the branch down.

    Attributes:
        squashed: as one commit, instead of one message per commit.
        attributes: which files are written as binary, as lines of a gitattributes file.
        wary: of what git itself cannot read again.
    """

    squashed: bool
    attributes: bytes
    wary: bool = False


class PatchMaker:
    """Renders and verifies the patch of one imported branch."""

    def __init__(self, repository: HostRepository, imported: Imported, scratch: Path) -> None:
        self._repository = repository
        self._imported = imported
        self._scratch = scratch

    async def make(self, completion: Completion) -> bytes:
        """Return a mailbox whose `git am` on the base gives the branch's tree; always the same bytes.

        Raises:
            WorkspaceError: `handoff.unverifiable`, `handoff.too_large`; `workspace.*`.
        """
        reason, tried = "", 0
        async for mailbox in self._candidates(completion):
            tried += 1
            # a repository of its own for each: git has been seen to die in `am` and to leave its locks
            reason = await self._try(await self._at_base(self._scratch / f"base-{tried}"), mailbox)
            if not reason:
                return mailbox
        raise WorkspaceError(
            f"No patch of {self._imported.branch} gives its files back when it is applied:"
            f" {reason or 'git writes none'}.",
            code="handoff.unverifiable",
            remedy=f"The work is safe: `git fetch {self._repository.path} {self._imported.branch}`"
            " brings it into your repository.",
        )

    async def _candidates(self, completion: Completion) -> AsyncIterator[bytes]:
        """Yield mailboxes, the best to read first."""
        yielded = None
        plainest = await self._render(Form(False, b""), completion)
        if plainest is not None and b"\r" not in plainest:
            yielded = plainest
            yield plainest
        marked = await asyncio.to_thread(self._mark_carriage_returns, await self._changed_blobs())
        forms = (Form(False, marked), Form(True, marked), Form(True, b"* -diff\n"))
        for form in (*forms, Form(False, marked, wary=True), Form(True, b"* -diff\n", wary=True)):
            mailbox = await self._render(form, completion)
            if mailbox is not None and mailbox != yielded:
                yield mailbox

    async def _changed_blobs(self) -> list[tuple[bytes, tuple[str, ...]]]:
        """Return each path that any of the commits changes, with the blobs before and after."""
        imported = self._imported
        listing = await self._repository.git.run(
            "log", "--format=", "--raw", "-z", "-m", "--first-parent", "--no-renames", "--no-abbrev",
            f"{imported.base_commit}..{imported.head_commit}", "--",
        )  # fmt: skip
        listing += await self._repository.git.run(
            "diff-tree", "-r", "--raw", "-z", "--no-renames", "--no-abbrev",
            imported.base_commit, imported.head_commit, "--",
        )  # fmt: skip
        return list(_files_of(listing))

    def _mark_carriage_returns(self, changed: list[tuple[bytes, tuple[str, ...]]]) -> bytes:
        """Return attributes that make git write files with carriage returns as binary ones."""
        lines: set[bytes] = set()
        with self._repository.files.objects() as repository:
            for path, blobs in changed:
                for blob in blobs:
                    name = bytes.fromhex(blob)
                    # a stream that is opened and not read to its end spoils the next one
                    if repository.odb.info(name).size > SCANNED:
                        continue
                    if b"\r" in repository.odb.stream(name).read():
                        lines.add(_pattern(path) + b" -diff\n")
        return b"".join(sorted(lines))

    async def _render(self, form: Form, completion: Completion) -> bytes | None:
        imported = self._imported
        attributes = self._scratch / "attributes"
        patch = self._scratch / "patch"
        with explain_disk(f"write {patch}"):
            await asyncio.to_thread(attributes.write_bytes, form.attributes)
        head = await self._squash(completion) if form.squashed else imported.head_commit
        git = self._repository.git.with_options("-c", f"core.attributesFile={attributes}")
        more = WARY if form.wary else ()
        await git.run(*FORMAT, *more, f"--output={patch}", f"{imported.base_commit}..{head}", "--")
        with explain_disk(f"read {patch}"):
            if (await asyncio.to_thread(patch.stat)).st_size > PATCH_LIMIT:
                raise WorkspaceError(
                    f"The patch of {imported.branch} would be larger than {PATCH_LIMIT >> 20} MiB.",
                    code="handoff.too_large",
                    remedy=f"Fetch the branch: `git fetch {self._repository.path} {imported.branch}`.",
                )
            mailbox = await asyncio.to_thread(patch.read_bytes)
        return _with_notes(mailbox, self._notes(completion))

    def _notes(self, completion: Completion) -> bytes:
        """Return what people should know, in a form that is never part of a message or a diff."""
        imported = self._imported
        summary = plain(completion.summary, SUMMARY_SHOWN).strip().splitlines()
        lines = [
            f"base-commit: {imported.base_commit}",
            f"branch: {imported.branch}",
            f"issue: {one_line(completion.issue_id)}",
            f"title: {one_line(completion.title, TITLE_SHOWN)}",
            "summary:",
            *(INDENT + line for line in summary),
            *self._receipt(completion.receipt),
        ]
        return "".join(f"{line.rstrip()}\n" for line in lines).encode("utf-8", "replace") + b"\n"

    def _receipt(self, receipt: Receipt | None) -> list[str]:
        if receipt is None:
            return []
        return [f"checks: passed on tree {receipt.tree}", *(f"{INDENT}{run}" for run in receipt.checks)]

    async def _squash(self, completion: Completion) -> str:
        """Return one commit on the base with the branch's tree, said in title and summary."""
        imported = self._imported
        facts = await self._repository.facts(imported.head_commit)
        title = one_line(completion.title, TITLE_SHOWN) or f"Work on {one_line(completion.issue_id)}"
        body = "\n".join(
            SPECIAL.sub(INDENT, line)
            for line in plain(completion.summary, SUMMARY_SHOWN).strip().splitlines()
        )
        git = self._repository.git.with_options(
            GIT_AUTHOR_DATE=facts.committed, GIT_COMMITTER_DATE=facts.committed
        )
        message = f"{title}\n\n{body}\n".encode("utf-8", "replace")
        return await git.line(
            "commit-tree", imported.head_tree, "-p", imported.base_commit, "-F", "-", stdin=message
        )

    async def _at_base(self, folder: Path) -> Git:
        """Make a repository at the base that borrows the host's objects; `am` writes the files it changes."""
        with explain_disk(f"make {folder}"):
            await asyncio.to_thread(folder.mkdir)
        git = host_git(folder)
        await git.run("init", "--quiet", "--template=", "--initial-branch=base")
        await asyncio.to_thread(self._put_at_base, folder / ".git")
        await git.run("read-tree", "HEAD")
        return git

    def _put_at_base(self, git_folder: Path) -> None:
        self._repository.lend_objects(git_folder)
        with explain_disk(f"write {git_folder}"):
            (git_folder / "HEAD").write_text(f"{self._imported.base_commit}\n")

    async def _try(self, git: Git, mailbox: bytes) -> str:
        """Apply a mailbox to the base; return nothing if that gives the tree, else what went wrong."""
        file = self._scratch / "mailbox"
        with explain_disk(f"write {file}"):
            await asyncio.to_thread(file.write_bytes, mailbox)
        applied = await git.ask("am", "--quiet", str(file))
        if applied.exit_status != 0:
            return (
                one_line(git_words(applied), WORDS_SHOWN)
                or f"`git am` ended with status {applied.exit_status}"
            )
        tree = await git.line("rev-parse", "HEAD^{tree}")
        return "" if tree == self._imported.head_tree else "it gives other files"


def _with_notes(mailbox: bytes, notes: bytes) -> bytes | None:
    """Put the notes after the first message's `---`; None when there is no message."""
    before, separator, after = mailbox.partition(b"\n---\n")
    return before + separator + notes + after if separator else None


def _files_of(listing: bytes) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Read each path of a `--raw -z` listing with the blobs of its files, neither links nor submodules."""
    for change in read_changes(listing):
        entries = [entry for entry in (change.before, change.after) if entry.mode.startswith(b"100")]
        yield change.name, tuple(entry.oid.decode() for entry in entries if entry.oid.strip(b"0"))


def _pattern(path: bytes) -> bytes:
    """Return a gitattributes pattern that matches this path and no other."""
    escaped = re.sub(rb"([\\*?\[\]])", rb"\\\1", b"/" + path)
    quoted = re.sub(rb'[\\"]|[^ -~]', lambda found: b"\\%03o" % found[0][0], escaped)
    return b'"' + quoted + b'"'
