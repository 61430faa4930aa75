"""What the agents of the simulation do: finish, fail, hang, ask, flood and lie, as their seed says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from symphony.agent.errors import AgentClosedPipe, AgentError, AgentExited, AgentRateLimited
from symphony.agent.memory import MemoryAgents
from symphony.agent.script import (
    AskPermission,
    Call,
    Fail,
    Hang,
    IgnoreCancel,
    Say,
    Script,
    Spend,
    Step,
    Turn,
    UseTool,
    Work,
    ask,
    mark_done,
)
from symphony.core.agent import AgentEvent, SessionSpec, StopKind
from symphony.core.permission import OnPermission, PermissionAnswer, Proposal
from symphony.core.ports import Sandbox, Session
from symphony.core.usage import Usage
from tests.simulation.ledger import Ledger
from tests.simulation.talk import Talk, Telling, WatchedSession
from tests.simulation.train import SHARED
from tests.simulation.workflows import TURN_COST

NAME = "the agent"
LEAKED = "api_key = '" + "q7Rk2Lw9" + "Zx4Vb8Nt" + "1Hd5'"  # found, and not taken out when it is said
TARGETS = ("Todo", "Todo", "In Progress", "In Progress", "In Progress", "Backlog", "Done", "Nowhere")
PIECE = TURN_COST // 2


class SimulatedAgents(MemoryAgents):
    """Agents of one process; what they did is in the ledger, which outlives it."""

    def __init__(self, ledger: Ledger, talk: Talk, door: Any, plans: Callable[[str], Script]) -> None:
        super().__init__(door)
        self._ledger = ledger
        self._talk = talk
        self._plans = plans

    def _next(self, issue_id: str) -> Script:
        return self._plans(issue_id)

    @asynccontextmanager
    async def open_session(
        self,
        spec: SessionSpec,
        sandbox: Sandbox,
        on_event: Callable[[AgentEvent], None],
        on_permission: OnPermission | None = None,
    ) -> AsyncIterator[Session]:
        issue_id, attempt_id = sandbox._spec.labels["issue"], sandbox._spec.labels["attempt"]
        pipe = sandbox.machine.use_pipe if sandbox.machine is not None else lambda: None
        totals = Usage()

        def hear(event: AgentEvent) -> None:
            nonlocal totals
            self._talk.heard(attempt_id)
            if event.usage is not None:
                spent = event.usage.tokens - totals.tokens
                self._ledger.spent[issue_id] += spent
                self._ledger.turn_spent[issue_id] += spent
                totals = event.usage
            on_event(event)

        async def ask(proposal: Proposal) -> PermissionAnswer:
            if on_permission is None:
                return PermissionAnswer.DENY
            with self._talk.person_asked(attempt_id):
                return await on_permission(proposal)

        async with super().open_session(spec, sandbox, hear, ask) as session:
            session.answers = Telling(lambda said: self._ledger.answered(issue_id, attempt_id, *said))
            yield WatchedSession(session, self._talk, issue_id, attempt_id, pipe)


class Author:
    """Writes the scripts: the same ones for the same seed, issue and number of session.

    Attributes:
        calm: every agent just does its work from now on.
    """

    def __init__(
        self,
        seed: int,
        write: Callable[[Path, str, str], None],
        sleep: Callable[[float], Any],
        passing: Callable[[], bool] = lambda: False,
        riding: Callable[[], bool] = lambda: False,
    ) -> None:
        """Write as `write` does, wait as `sleep` does, and pass issues on while `passing` says so.

        While `riding` says so they often write to one file that is on the merge train as well.
        """
        self._riding = riding
        self.calm = False
        self._passing = passing
        self._seed = seed
        self._write = write
        self._sleep = sleep
        self._sessions: dict[str, int] = {}

    def script(self, issue_id: str) -> Script:
        """Return what the next session on an issue does."""
        number = self._sessions[issue_id] = self._sessions.get(issue_id, 0) + 1
        name = f"{issue_id}-{number}"
        if self.calm:
            first = Turn((self._writes(issue_id, name, SHARED), mark_done(f"Done {name}")))
            return Script((first, *[self._finishes(issue_id, name)] * 2))
        random = Random(f"agent {self._seed} {issue_id} {number}")
        turns = [
            self._turn(random, issue_id, f"{name}-{turn}") for turn in range(random.choice((1, 1, 2, 3, 4)))
        ]
        if any(isinstance(step, Call) and step.tool == "request_human_steering" for step in turns[-1].steps):
            turns.append(self._finishes(issue_id, f"{name}-end"))  # nobody answers one agent for ever
        broken = AgentError(f"{NAME} cannot open its session.") if random.random() < 0.04 else None
        return Script(
            tuple(turns), opening=broken, connects=random.random() > 0.04, resumes=random.random() < 0.5
        )

    def _turn(self, random: Random, issue_id: str, name: str) -> Turn:
        kinds = KINDS
        if self._passing():
            stubborn = Random(f"temper {self._seed} {issue_id}").random() < 0.3
            kinds = QUARREL if stubborn else KINDS | PASSING
        if self._riding() and kinds is not QUARREL:
            kinds = kinds | RIDING
        kind = random.choices(tuple(kinds), tuple(kinds.values()))[0]
        work, done, question = (
            self._writes(issue_id, name),
            mark_done(f"Done {name}"),
            ask(f"What of {name}?"),
        )
        passed, again = (self._passes_on(name, random.choice(TARGETS)) for _ in range(2))
        spend = Spend(Usage(input_tokens=PIECE, output_tokens=PIECE))
        steps: tuple[Step, ...] = {
            "finishes": (work, spend, done),
            "lingers": (work, done, self._waits(random), self._writes(issue_id, f"{name}-late")),
            "lies": (spend, done),
            "says it twice": (work, done, Call("mark_done", {"title": "Again", "summary": "Again."})),
            "works on": (work, spend, self._waits(random), Say("more to do")),
            "idles": (Say("thinking"), spend),
            "asks": (work, spend, question),
            "asks twice": (question, question, spend),
            "asks and finishes": (work, question, done),
            "finishes and asks": (work, done, question),
            "asks and hangs": (question, Hang()),
            "asks and dies": (work, question, Fail(AgentExited(NAME, 1, "working"))),
            "finishes and dies": (work, done, Fail(AgentExited(NAME, 1, "working"))),
            "finishes and hangs": (work, done, Hang()),
            "hangs": (spend, Hang()),
            "is deaf": (work, IgnoreCancel()),
            "dies": (work, spend, Fail(AgentExited(NAME, 1, "working"))),
            "closes": (spend, Fail(AgentClosedPipe(NAME, "working"))),
            "rests": (Fail(AgentRateLimited(NAME, "429", random.choice((None, 60.0)))),),
            "floods": (Say("x" * 50, 300), spend, work),
            "proposes": (Call("propose_issue", {"title": f"More of {name}"}), work, spend, done),
            "destroys": (UseTool("Run", "execute", {"command": "rm -rf /"}), work, spend, done),
            "leaks": (work, spend, mark_done(f"Done {name}", f"It works with {LEAKED}.")),
            "asks leave": (AskPermission(Proposal("rm -rf build", "execute")), work, spend, done),
            "passes on": (work, passed),
            "passes on and lingers": (
                work,
                passed,
                self._waits(random),
                self._writes(issue_id, f"{name}-late"),
            ),
            "quarrels": (work, self._passes_on(name, "In Progress"), self._passes_on(name, "Todo")),
            "passes on twice": (work, passed, again, done),
            "finishes and passes on": (work, done, passed),
            "asks and passes on": (question, passed),
            "passes on and dies": (work, passed, Fail(AgentExited(NAME, 1, "working"))),
            "collides": (self._writes(issue_id, name, SHARED), spend, done),
            "mends": (self._writes(issue_id, "", SHARED), work, spend, done),
            "blunders": (Call("mark_done", {"title": ""}), spend),
        }[kind]
        if random.random() < 0.4:
            steps = (self._waits(random), *steps)
        odd = random.random() < 0.05
        return Turn(
            steps, random.choice((StopKind.REFUSAL, StopKind.MAX_TOKENS)) if odd else StopKind.END_TURN
        )

    def _finishes(self, issue_id: str, name: str) -> Turn:
        mends = self._writes(issue_id, "", SHARED)
        return Turn((mends, self._writes(issue_id, name), mark_done(f"Done {name}")))

    def _passes_on(self, name: str, to_state: str) -> Call:
        return Call("transition", {"to_state": to_state, "notes": f"Notes of {name}, all of them."})

    def _writes(self, issue_id: str, name: str, file: str = "") -> Work:
        """Write a name into a file; without a name what the file holds on the merge train, if it does."""

        async def action(_: Sandbox, cwd: Path) -> None:
            await asyncio.sleep(0)
            self._write(cwd, name, file or f"{name}.txt")

        return Work(action)

    def _waits(self, random: Random) -> Work:
        seconds = random.choice((0.1, 1.0, 5.0, 30.0, 400.0))

        async def action(_: Sandbox, cwd: Path) -> None:
            await self._sleep(seconds)

        return Work(action)


KINDS = {
    "finishes": 26,
    "lingers": 4,
    "lies": 4,
    "says it twice": 4,
    "works on": 8,
    "idles": 6,
    "asks": 24,
    "asks twice": 3,
    "asks and finishes": 3,
    "finishes and asks": 3,
    "asks and hangs": 2,
    "asks and dies": 3,
    "finishes and dies": 3,
    "finishes and hangs": 3,
    "hangs": 6,
    "is deaf": 2,
    "dies": 5,
    "closes": 2,
    "rests": 5,
    "floods": 1,
    "proposes": 1,
    "destroys": 3,
    "leaks": 4,
    "asks leave": 3,
    "blunders": 2,
}
PASSING = {
    "passes on": 100,
    "passes on and lingers": 20,
    "passes on twice": 8,
    "finishes and passes on": 4,
    "asks and passes on": 4,
    "passes on and dies": 20,
}
"""What agents of a workflow with transitions do beside that."""
QUARREL = {"quarrels": 8, "passes on and dies": 1, "asks": 1}
"""What those do that send an issue back and forth."""
RIDING = {"collides": 150, "mends": 60}
"""What agents do beside that while there is a merge train."""
