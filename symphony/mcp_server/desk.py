"""One dispatch's tool calls: checked, bounded, passed to the engine, answered in words.

Both drivers of the gate use it, so that an agent reads the same sentences from either.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import structlog

from symphony.core.ports import AgentReports
from symphony.core.report import ReportRefused
from symphony.mcp_server.arguments import (
    BadArguments,
    Call,
    MarkDone,
    ProposeIssue,
    RequestHumanSteering,
    Transition,
    UseTool,
    parse_call,
)
from symphony.mcp_server.tools import tools_of

log = structlog.get_logger(__name__)

UNKNOWN_CLIENT = "unknown client"
CLOSE_BOUND_S = 5.0  # a cancelled call has only its own clean-up left
AFTER_TIMEOUT: Mapping[str, str] = {
    "mark_done": "Call it again with the same arguments: a repeat does no harm.",
    "transition": "Call it again with the same arguments: a repeat does no harm.",
    "request_human_steering": "Call it again with the same arguments: a repeat does no harm.",
    "propose_issue": "Go on without calling it again, so that it is not proposed twice.",
}
COMMAND_AFTER_TIMEOUT = "Its command may still run: do not call it again at once."


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What the agent reads.

    Attributes:
        failed: the call was not accepted; the text says what to do.
    """

    text: str
    failed: bool = False


ENDED = ToolAnswer("The attempt has ended.", failed=True)


class Desk:
    """Takes the calls of one dispatch's agent; close it when the dispatch ends.

    A call that was begun is carried through: what a client gives up or stops waiting for may be
    half stored already, and the engine must hear of all of it.

    Attributes:
        tools: what this dispatch offers, by name.
        exits: how its agent may leave the issue's state.
    """

    def __init__(self, issue_id: str, reports: AgentReports, bound_s: float | None) -> None:
        """Keep the engine's ear for this dispatch; a bound of None leaves time to the caller."""
        self._issue_id = issue_id
        self._reports = reports
        self._bound_s = bound_s
        self.tools = tools_of(reports)
        self.exits = reports.exits
        self._known = False
        self._calls: set[asyncio.Task[ToolAnswer]] = set()

    async def listed(self, client: str) -> None:
        """Tell the engine that the agent has listed the tools; never raises."""
        self._known = True
        try:
            async with asyncio.timeout(self._bound_s):
                await self._reports.connected(client)
        except Exception:  # the agent must get its tools whatever the engine does with the news
            log.exception("mcp.connected_failed", issue=self._issue_id, client=client)

    async def call(self, tool: str, arguments: Mapping[str, Any], client: str) -> ToolAnswer:
        """Carry out one call of one of `tools`; every failure is an answer.

        Cancellation: the call goes on until the desk is closed.
        """
        if not self._known:  # some clients call from a remembered list
            await self.listed(client)
        call = asyncio.create_task(self._carry_out(tool, arguments))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        done, _ = await asyncio.wait({call}, timeout=self._bound_s)
        if done:
            return ENDED if call.cancelled() else call.result()
        log.warning("mcp.call_timed_out", issue=self._issue_id, tool=tool, seconds=self._bound_s)
        return ToolAnswer(
            f"symphony did not finish {tool} within {self._bound_s:g} s and may still accept it. "
            f"{AFTER_TIMEOUT.get(tool, COMMAND_AFTER_TIMEOUT)}",
            failed=True,
        )

    async def aclose(self) -> None:
        """End the calls that are still being carried out, in bounded time."""
        for call in self._calls:
            call.cancel()
        if self._calls:
            _, stuck = await asyncio.wait(self._calls, timeout=CLOSE_BOUND_S)
            if stuck:
                log.warning("mcp.calls_stuck", issue=self._issue_id, calls=len(stuck))

    async def _carry_out(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        try:
            return ToolAnswer(await self._pass_on(parse_call(self.tools[tool], arguments)))
        except (BadArguments, ReportRefused) as refused:
            return ToolAnswer(str(refused), failed=True)
        except Exception:  # what went wrong inside is for the log, not for the agent
            log.exception("mcp.call_broke", issue=self._issue_id, tool=tool)
            return ToolAnswer(
                f"{tool} failed inside symphony. Call it again; if it fails again, say so in your last "
                "message and end your turn.",
                failed=True,
            )

    async def _pass_on(self, call: Call) -> str:
        answer: Awaitable[str]
        advice = ""
        match call:
            case MarkDone(title, summary, advice):
                answer = self._reports.mark_done(title, summary)
            case Transition(to_state, notes):
                answer = self._reports.transition(to_state, notes)
            case RequestHumanSteering(question, context):
                answer = self._reports.request_human_steering(question, context)
            case ProposeIssue(title, description, labels, priority, advice):
                answer = self._reports.propose_issue(title, description, labels, priority)
            case UseTool(name, arguments):
                answer = self._reports.use_tool(name, arguments)
            case _ as never:
                assert_never(never)
        return f"{await answer} {advice}".rstrip()
