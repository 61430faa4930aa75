"""A busy hour in a moment: many issues and agents for a long virtual time, and what is kept of it all.

So many issues are there at every moment; each that is finished is dropped anew at once. Most agents
work a while and finish; some fail, some ask and are answered, some come back for another attempt. What
the installation keeps a bounded number of is full to the bound from the start, as after long use.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from symphony.agent.errors import AgentExited
from symphony.agent.script import Fail, Script, Step, Turn, Work, ask, mark_done
from symphony.core.agent import StopKind
from symphony.core.effect import Audit
from symphony.core.ports import Sandbox
from symphony.store.memory_disk import Trail
from symphony.store.rows import AUDIT_KEPT
from tests.simulation.acts import ROOT, reply
from tests.simulation.agents import NAME, Author
from tests.simulation.invariants import Invariants
from tests.simulation.loop import EPOCH
from tests.simulation.run import hearing_logs
from tests.simulation.workflows import text
from tests.simulation.world import World

WARM_UP_S = 600.0
EVERY_S = 30.0
STEP_S = 5.0  # of virtual time, between two looks at what is finished
WORK_S = (20, 180)  # that an agent's turn takes, at least and at most
TOLERANCE = 1.05
FREE = 5  # so many more or less are no growth


@dataclass(frozen=True, slots=True)
class Moment:
    """What is kept at one moment, by what it is called."""

    at_s: float
    kept: dict[str, int]


class Crew(Author):
    """Agents at ordinary work."""

    def script(self, issue_id: str) -> Script:
        """Return what the next session on an issue does."""
        number = self._sessions[issue_id] = self._sessions.get(issue_id, 0) + 1
        name = f"{issue_id}-{number}"
        random = Random(f"crew {self._seed} {name}")
        work = (self._takes(random.uniform(*WORK_S)), self._writes(issue_id, name))
        steps: dict[str, tuple[Step, ...]] = {
            "finishes": (*work, mark_done(f"Done {name}")),
            "fails": (*work, Fail(AgentExited(NAME, 1, "working"))),
            "asks": (*work, ask(f"What of {name}?")),
            "goes on": work,
        }
        kind = random.choices(("finishes", "fails", "asks", "goes on"), (80, 8, 6, 6))[0]
        turns = [Turn(steps[kind], StopKind.END_TURN)]
        if kind in {"asks", "goes on"}:
            turns.append(Turn(steps["finishes"], StopKind.END_TURN))
        return Script(tuple(turns))

    def _takes(self, seconds: float) -> Work:
        async def action(_: Sandbox, cwd: Path) -> None:
            del cwd
            await self._sleep(seconds)

        return Work(action)


class Hour:
    """The world with its crowd of issues.

    Attributes:
        finished: how many issues were finished, each time counted.
        moments: what was kept, now and then.
    """

    def __init__(self, issues: int, slots: int, seed: int = 0) -> None:
        self.finished = 0
        self.moments: list[Moment] = []
        self.world = World(seed)
        self.world.faults.end()
        self.world.author = Crew(seed, self.world._write, self.world._sleep)
        self.world.workflow.raw = text(slots)
        self.world.say = _forget  # type: ignore[method-assign]  # a trace of an hour would be what grows
        self._invariants = Invariants(self.world)
        self._visits = dict.fromkeys((f"issue-{n:03}" for n in range(issues)), 0)
        for name in self._visits:
            old = [Audit(EPOCH, name, "dispatch", f"attempt {n}: eligible") for n in range(AUDIT_KEPT)]
            self.world.store.disk.audit[name] = Trail(AUDIT_KEPT, old)

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and hold the engine to its promises all the while.

        Raises:
            AssertionError: one is broken.
        """
        world = self.world
        for name in self._visits:
            self._drop(name)
        world.start()
        world.settle()
        until, due = world.loop.time() + seconds, 0.0
        while world.loop.time() < until:
            world.pass_time(STEP_S)
            self._drop_finished()
            self._answer()
            world.settle()
            if world.loop.time() >= due:
                due = world.loop.time() + EVERY_S
                self._invariants.check(quiet=True)
                self.moments.append(Moment(world.loop.time(), self._kept()))
            assert not world.ledger.broken, world.ledger.broken
            assert world.task is not None, "the daemon ended"

    def end(self) -> None:
        """End the world."""
        self.world.drain(now=True)
        self.world.kill(0)
        self.world.loop.close()

    def _drop(self, name: str) -> None:
        self._visits[name] += 1
        path = ROOT / "Todo" / f"{name}.md"
        created = self.world.clock.now().isoformat()  # first come, first served
        text = f"---\ntitle: Visit {self._visits[name]}\ncreated_at: {created}\n---\n"
        self.world.files[path] = text.encode()
        self.world.touch(path, noticed=True)

    def _drop_finished(self) -> None:
        done = [path for path in self.world.files if path.parent.name == "Done"]
        for path in done:
            del self.world.files[path]
            self.world.touch(path, noticed=True)
            self._drop(path.stem)
            self.finished += 1

    def _answer(self) -> None:
        operations = self.world.operations
        for view in operations.snapshot().waiting if operations else ():
            if view.steering.open:
                reply(self.world, view.issue_id)

    def _kept(self) -> dict[str, int]:
        world, engine = self.world, self.world.engine
        assert engine is not None
        parts = (engine, engine.supervisor, engine.tracking, engine.mailbox)
        disk = world.store.disk
        return {
            "tasks": sum(not task.done() for task in asyncio.all_tasks(world.loop)),
            "timers": sum(not call.cancelled() for _, _, call in world.loop._later),
            "letters": len(engine.mailbox._letters),
            "records": len(engine.state.records),
            "issues": len(engine.state.issues.issues),
            "stored records": len(disk.records),
            "decisions": sum(len(trail.entries) for trail in disk.audit.values()),
            "open effects": len(disk.intents) - len(disk.fulfilled),
            "workspaces": len(world.workspaces._folders),
            "things in the engine": sum(_held(value) for part in parts for value in vars(part).values()),
        }


def grown(moments: Sequence[Moment], warm_up_s: float) -> dict[str, tuple[float, float]]:
    """Return what is more in the last third than in the first, with both medians."""
    counted = [moment.kept for moment in moments if moment.at_s >= warm_up_s]
    third = max(1, len(counted) // 3)
    medians = {
        name: (
            statistics.median(kept[name] for kept in counted[:third]),
            statistics.median(kept[name] for kept in counted[-third:]),
        )
        for name in counted[0]
    }
    return {name: pair for name, pair in medians.items() if pair[1] > pair[0] * TOLERANCE + FREE}


def _held(value: Any) -> int:
    return len(value) if isinstance(value, dict | list | set | tuple | frozenset) else 0


def _forget(text: str) -> None:
    del text


def main(arguments: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Run an hour and print what was kept; return 1 if anything grew."""
    parser = argparse.ArgumentParser(prog="scripts/simulate --hour", description=__doc__)
    parser.add_argument("--issues", type=int, default=500)
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=60.0, help="of virtual time, after ten to warm up")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    hour = Hour(chosen.issues, chosen.slots)
    with hearing_logs(hour.world.hear):
        hour.pass_time(WARM_UP_S + chosen.minutes * 60)
        more = grown(hour.moments, WARM_UP_S)
        hour.end()
    took = time.monotonic() - began
    say(f"{chosen.minutes:g} minutes in {took:.1f} s: {hour.finished} issues were finished")
    counted = [moment.kept for moment in hour.moments if moment.at_s >= WARM_UP_S]
    for name in counted[0]:
        values = [kept[name] for kept in counted]
        verdict = "grows" if name in more else "flat"
        said = f"median {statistics.median(values):g}, most {max(values)}, last {values[-1]}"
        say(f"  {name}: {verdict} ({said})")
    return bool(more)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
