"""A remote without a server: what was pushed to it. Called by `memory` and by tests."""

from symphony.core.forge import ForgeRepo, Pushed
from symphony.core.handoff import Imported
from symphony.core.ports import Workspace

REPO = ForgeRepo("forge.example", "owner/name")


class MemoryRemote:
    """The remote of all workspaces.

    Attributes:
        branches: each branch with the commit that it was put to.
    """

    def __init__(self) -> None:
        self.branches: dict[str, str] = {}

    def take(self, workspace: Workspace, imported: Imported, name: str) -> Pushed:
        """Put the branch to the imported commit; `name` is the remote's."""
        self.branches[imported.branch] = imported.head_commit
        remote = f"https://{REPO}.git"
        base = workspace.base.removeprefix(f"{name}/")
        return Pushed(remote, REPO, imported.branch, base, imported.head_commit)
