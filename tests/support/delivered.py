"""A project in which the work on an issue was handed over, for what a person does with it."""

from pathlib import Path

from tests.support.command_line import Ran, symphony
from tests.support.git_project import GitWorld, git

LINES = b"".join(b"line %d\n" % number for number in range(30))


class Delivered(GitWorld):
    """A project with a workflow, in which the work on issue 12 was handed over."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder, {"README.md": b"a project\n", "lines.txt": LINES, ".gitignore": b".symphony\n"}
        )
        (self.source / "WORKFLOW.md").write_text("---\nsandbox: local\n---\n")
        git(self.source, "add", "WORKFLOW.md")
        git(self.source, "commit", "--quiet", "-m", "Add a workflow")
        self.start = git(self.source, "rev-parse", "HEAD")

    async def deliver(self, *commits: dict[str, bytes]) -> str:
        """Hand over work in these commits; return the tree of the branch."""
        workspace = await self.prepare()
        for number, files in enumerate(commits or ({"new.txt": b"new\n"},)):
            self.commit(workspace, files, f"Work {number}")
        imported = await self.collect(workspace)
        await self.hand_off(workspace, imported)
        return imported.head_tree

    def apply(self, *words: str) -> Ran:
        return symphony(self.source, "apply", "12", *words)

    def picture(self) -> tuple[str, str, str, str]:
        """Return all that a person sees of the repository."""
        return (
            git(self.source, "for-each-ref"),
            git(self.source, "symbolic-ref", "HEAD"),
            git(self.source, "status", "--porcelain"),
            git(self.source, "stash", "list"),
        )


def said(ran: Ran) -> str:
    return " ".join(ran.err.split())
