"""The best state of each issue, on a ref of the host's repository, with what is known of it beside it.

Called through `core.ports.Workspaces.bests`. `refs/symphony/best/<key>` is the commit,
`refs/symphony/best-facts/<key>` a blob; both change in one transaction.
"""

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from symphony.core.best import BestState, Checked
from symphony.core.keys import workspace_key
from symphony.core.text import one_line
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.refs import best_facts_ref, best_ref

CHECKS_KEPT = 50  # names of failing checks that are remembered


class GitBestStates:
    """The best states in one host repository; a `core.ports.BestStates`."""

    def __init__(self, repository: HostRepository) -> None:
        self._repository = repository
        self._known: dict[str, BestState | None] = {}

    async def of(self, issue_id: str) -> BestState | None:
        """Return the best state of an issue, without writing anything; None when it has none.

        Raises:
            WorkspaceError: whatever git says.
        """
        key = workspace_key(issue_id)
        if key not in self._known:
            there = await asyncio.to_thread((self._repository.path / "HEAD").exists)
            self._known[key] = await self._read(key) if there else None
        return self._known[key]

    async def keep(self, issue_id: str, checked: Checked) -> BestState:
        """Note work that checks fail on, and keep it if none was better.

        Raises:
            WorkspaceError: whatever git says.
        """
        key, before = workspace_key(issue_id), await self.of(issue_id)
        kept = better_of(best_ref(key), self._repository.path, before, checked)
        facts = json.dumps({"best": asdict(kept.best), "last": asdict(kept.last)}, default=str)
        git = self._repository.git
        blob = await git.line("hash-object", "-w", "--stdin", stdin=facts.encode())
        lines = f"update {kept.name} {kept.best.commit}\nupdate {best_facts_ref(key)} {blob}\n"
        await git.run("update-ref", "--stdin", stdin=lines.encode())
        self._known[key] = kept
        return kept

    async def forget(self, issue_id: str) -> None:
        """Let go of an issue's best state; repeating it does nothing.

        Raises:
            WorkspaceError: whatever git says.
        """
        if await self.of(issue_id) is None:
            return
        key = workspace_key(issue_id)
        lines = f"delete {best_ref(key)}\ndelete {best_facts_ref(key)}\n"
        await self._repository.git.run("update-ref", "--stdin", stdin=lines.encode())
        self._known[key] = None

    async def _read(self, key: str) -> BestState | None:
        said = await self._repository.git.ask("cat-file", "blob", best_facts_ref(key))
        if said.exit_status != 0:
            return None
        facts = json.loads(said.stdout)
        return BestState(
            best_ref(key), self._repository.path, _checked(facts["best"]), _checked(facts["last"])
        )


def better_of(name: str, repository: Path, before: BestState | None, checked: Checked) -> BestState:
    """Return what is the best after this: the newest of those with the fewest failing checks."""
    bounded = tuple(one_line(check) for check in checked.failing[:CHECKS_KEPT])
    last = Checked(**{**asdict(checked), "failing": bounded})
    better = before is None or len(last.failing) <= len(before.best.failing)
    return BestState(name, repository, last if better or before is None else before.best, last)


def _checked(fields: dict[str, Any]) -> Checked:
    failing, at = tuple(fields.pop("failing")), datetime.fromisoformat(fields.pop("at"))
    return Checked(**fields, failing=failing, at=at)
