"""The engine's side of a dispatch for tests: what a fake does not say otherwise is answered in a word."""

from collections.abc import Mapping, Sequence
from typing import Any

from symphony.core.tool import Tool
from symphony.core.transition import Exits


class QuietReports:
    """An `AgentReports` that takes everything; fakes say what they remember or refuse."""

    exits: Exits = Exits()
    tools: Sequence[Tool] = ()

    async def connected(self, client: str) -> None:
        pass

    async def mark_done(self, title: str, summary: str) -> str:
        return "Accepted."

    async def transition(self, to_state: str, notes: str | None) -> str:
        return "Accepted."

    async def request_human_steering(self, question: str, context: str | None) -> str:
        return "Asked."

    async def propose_issue(
        self, title: str, description: str | None, labels: Sequence[str], priority: int | None
    ) -> str:
        return "Proposed."

    async def use_tool(self, name: str, arguments: Mapping[str, Any]) -> str:
        return f"{name} ran."
