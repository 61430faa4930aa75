"""An agent's commits as they leave: with trailers, the author of the settings, the user as committer.

What was imported stays on its branch as the agent made it; what leaves is made of it, commit by commit, on
`refs/symphony/delivered/<branch>`. The same commits give the same again, and what left before stays as it was
when it left, so that a later handoff only adds to an earlier one. Commits of the user's own, which an agent
may have merged, stay what they are. Called by `workspaces` before a handoff.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from symphony.core.handoff import Imported
from symphony.core.provenance import Provenance, parse_author, without_trailers
from symphony.core.settings.workspace import HandoffSettings
from symphony.workspace.git_command import Git, git_failure
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.refs import TRAIN_REFS, delivered_ref
from symphony.workspace.signing import committing
from symphony.workspace.source import FALLBACK_EMAIL, FALLBACK_NAME, Person, Source

COMMITS_LIMIT = 2_000  # each costs two short processes of git; nobody reviews more
FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%ad", "%cd", "%B")
LAST_SECOND = 4_102_358_399  # of 2099 in every zone; git reads no later time out of a mail
ZONE = re.compile(r"^[+-](?:0\d|1[0-4])[0-5]\d$")
CRUD = " .,:;<>\"\\'"  # what git cuts off a name
OF_THE_USER = ("--glob=refs/symphony/base/*", "--glob=refs/symphony/now/*", "--tags")


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as git prints it, its text as UTF-8 with what is not kept as surrogates.

    Attributes:
        authored, committed: seconds since 1970 and the zone, as `1700000000 +0100`.
    """

    id: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    authored: str
    committed: str
    message: str

    @property
    def likeness(self) -> tuple[object, ...]:
        """What has to be alike for one commit to stand for another: all but committer and signature."""
        written = (self.author, self.authored, self.committed, self.message.strip())
        return (self.tree, self.parents, *written)


class Stamping:
    """Makes what leaves of one imported branch."""

    def __init__(self, repository: HostRepository, source: Source, settings: HandoffSettings) -> None:
        self._repository = repository
        self._source = source
        self._settings = settings
        self._author = Person(*parse_author(settings.author)) if settings.author else None

    async def stamp(self, imported: Imported, provenance: Provenance, *, signed: bool) -> Imported:
        """Return the branch as it leaves; files, their order and their times are the imported ones.

        Args:
            imported: the branch as the agent made it.
            provenance: what the trailers say.
            signed: sign as the user signs commits in the source repository.

        Raises:
            WorkspaceError: `handoff.not_signed`; `workspace.*`.
        """
        target = delivered_ref(imported.branch)
        commits = await self._commits(imported.head_commit, imported.base_commit, TRAIN_REFS)
        if len(commits) > COMMITS_LIMIT:
            note = f"Its commits leave without trailers: they are more than {COMMITS_LIMIT:,}."
            await self._repository.git.run("update-ref", target, imported.head_commit)
            return replace(imported, notes=(*imported.notes, note))
        before = await self._repository.resolve(target)
        earlier = await self._commits(before, imported.base_commit) if before is not None else ()
        left = {commit.likeness: commit.id for commit in earlier}
        git = await committing(self._repository.git, self._source, signed=signed)
        made: dict[str, str] = {}
        for commit in commits:
            parents = tuple(made.get(parent, parent) for parent in commit.parents)
            leaving = replace(commit, parents=parents, author=self._author or commit.author)
            leaving = await self._with_trailers(leaving, provenance)
            made[commit.id] = left.get(leaving.likeness) or await self._make(git, leaving)
        head = made.get(imported.head_commit, imported.head_commit)
        await self._repository.git.run("update-ref", target, head)
        return replace(imported, head_commit=head)

    async def _commits(self, head: str, base: str, *others: str) -> tuple[Commit, ...]:
        """Return the commits that are not the user's own, parents first; not all, if they are too many.

        Args:
            head: the newest.
            base: what they were made on.
            others: options of git for more that is not to be among them.
        """
        listing = await self._repository.git.run(
            "log", "-z", "--topo-order", "--no-show-signature", "--no-notes", "--encoding=UTF-8",
            "--date=raw", f"--format={'%x00'.join(FIELDS)}", f"--max-count={COMMITS_LIMIT + 1}",
            head, "--not", base, *OF_THE_USER, *others, "--",
        )  # fmt: skip
        return tuple(_parse(listing))[::-1]

    async def _with_trailers(self, commit: Commit, provenance: Provenance) -> Commit:
        if not self._settings.trailers:
            return commit
        committed = int(commit.committed.split(" ", 1)[0])
        options = [f"--trailer={line}" for line in provenance.trailers(committed)]
        # a message without a word would become one of trailers alone, which git takes for its subject
        message = without_trailers(commit.message).strip("\n") or "(no message)"
        git = self._repository.git
        text = await git.run(
            "interpret-trailers", "--no-divider", "--if-exists=add", *options,
            stdin=f"{message}\n".encode("utf-8", "surrogateescape"),
        )  # fmt: skip
        return replace(commit, message=text.decode("utf-8", "surrogateescape"))

    async def _make(self, git: Git, commit: Commit) -> str:
        writing = git.with_options(
            GIT_AUTHOR_NAME=commit.author.name,
            GIT_AUTHOR_EMAIL=commit.author.email,
            GIT_AUTHOR_DATE=f"@{commit.authored}",
            GIT_COMMITTER_DATE=f"@{commit.committed}",
        )
        signed = "commit.gpgSign=true" in git.options
        parents = [word for parent in commit.parents for word in ("-p", parent)]
        result = await writing.ask(
            "commit-tree", *(["-S"] if signed else []), *parents, "-F", "-", commit.tree,
            stdin=commit.message.encode("utf-8", "surrogateescape"),
        )  # fmt: skip
        if result.exit_status == 0:
            return result.stdout.decode().strip()
        if signed:
            raise git_failure(
                "The commits could not be signed as yours are",
                result,
                code="handoff.not_signed",
                remedy="Let the key be used without a question, as by an agent that holds it, or set"
                " `handoff.sign: never` in WORKFLOW.md.",
            )
        raise git_failure("`git commit-tree` failed", result)


def _parse(listing: bytes) -> Iterator[Commit]:
    fields = listing.decode("utf-8", "surrogateescape").split("\0")
    for number in range(0, len(fields) - len(FIELDS) + 1, len(FIELDS)):
        name, tree, parents, author, email, *rest = fields[number : number + len(FIELDS)]
        authored, committed, message = rest
        person = _author(author, email)
        yield Commit(name, tree, tuple(parents.split()), person, _date(authored), _date(committed), message)


def _author(name: str, email: str) -> Person:
    """Return someone whom git takes for an author."""
    return Person(name if name.strip(CRUD) else FALLBACK_NAME, email.strip() or FALLBACK_EMAIL)


def _date(text: str) -> str:
    """Return the nearest time that `git am` reads, in a zone that there is on earth."""
    seconds, _, zone = text.partition(" ")
    return f"{min(int(seconds), LAST_SECOND)} {zone if ZONE.match(zone) else '+0000'}"
