"""The end of a run: nothing is broken any more, people do their part, and everything must settle."""

from symphony.core.claim import Parked, Retrying, Running, Waiting
from symphony.core.permission import PermissionAnswer
from symphony.core.scheduler import SchedulerState
from tests.simulation.acts import budget, command, move_file, path_of, permit, reply, write
from tests.simulation.invariants import Invariants
from tests.simulation.plans import IDS
from tests.simulation.workflows import CALM
from tests.simulation.world import World

ROUNDS = 60
ROUND_S = 45.0
HOLDING = frozenset({"Backlog", "Proposed"})


def calm_down(world: World, invariants: Invariants) -> None:
    """Let everything come to its end; what does not is a broken promise."""
    world.say("> calm")
    world.faults.end()
    world.author.calm = True
    world.workflow.raw = CALM[world.seed % len(CALM)]
    world.yard.stopped = ""
    world.host.seen = world.host.seen_disk = None
    repaired = False
    for _ in range(ROUNDS):
        world.start()
        world.settle()
        if not repaired and world.engine is not None:  # one that met a fault may still die of it
            _repair(world)
            repaired = True
        _do_their_part(world)
        world.pass_time(ROUND_S)
        invariants.check(quiet=True)
        if world.ledger.broken:
            return
        if world.engine is not None and _settled(world, world.engine.state):
            _check_end(world)
            world.drain(now=False)
            return
    world.ledger.blame(f"everything settles once the world is calm: {_left(world)}")


def _repair(world: World) -> None:
    command(world, "resume", None)
    for issue in _all(world):
        command(world, "resume", issue)
        for path in [path for path in sorted(world.files) if path.stem == issue][1:]:
            del world.files[path]
            world.touch(path, noticed=True)
        path = path_of(world, issue)
        if path is not None and b"blocked_by" in world.files[path]:
            write(world, path, None, noticed=True)


def _all(world: World) -> list[str]:
    known = world.engine.state.records if world.engine is not None else {}
    return sorted({*IDS, *known, *(path.stem for path in world.files)})


def _do_their_part(world: World) -> None:
    if world.engine is None:
        return
    state = world.engine.state
    for path in sorted(path for path in world.files if path.parent.name in HOLDING):
        move_file(world, path, "Todo", noticed=True)
    for issue in _all(world):
        claim = state.record(issue).claim
        if state.record(issue).guard.held is not None:
            command(world, "approve", issue)
        if state.record(issue).budget.tokens is not None:
            budget(world, issue, "default")
        match claim:
            case Running(permissions=(_, *_)):
                permit(world, issue, PermissionAnswer.ONCE)
            case Waiting(steering=steering) if steering.open:
                reply(world, issue)
            case Parked(steering=steering) if steering is not None and steering.open:
                reply(world, issue)
                command(world, "retry", issue)
            case Parked():
                command(world, "retry", issue)
            case Retrying(reason=reason, steering=steering):
                if "is gone before its work" in reason:
                    command(world, "discard", issue)
                if steering is not None and steering.open:
                    reply(world, issue)
            case _:
                pass


def _settled(world: World, state: SchedulerState) -> bool:
    engine = world.engine
    assert engine is not None
    return (
        engine.supervisor.idle
        and engine.mailbox.empty
        and not state.candidates
        and not world.store.disk.accepted
        and not _unanswered(world)
        and all(path.parent.name in {"Done", "Cancelled"} for path in world.files)
        and all(
            record.claim is None or isinstance(record.claim, Waiting | Parked)
            for record in state.records.values()
        )
    )


def _check_end(world: World) -> None:
    ledger, disk = world.ledger, world.store.disk
    for attempt_id, issue_id in ledger.accepted.items():
        if attempt_id in ledger.withdrawn | ledger.passed:
            continue
        if attempt_id not in disk.delivered:
            ledger.blame(f"every accepted mark_done is delivered: {attempt_id} of issue {issue_id} is not")


def _unanswered(world: World) -> list[str]:
    """Return the open questions of issues that have a file: people have to be asked them to the end."""
    asked = world.store.disk.steering.values()
    return [each.id for each in asked if each.open and path_of(world, each.issue_id) is not None]


def _left(world: World) -> str:
    if world.engine is None:
        return "the daemon does not stay up"
    state = world.engine.state
    claims = {r.issue_id: (r.claim, r.completion) for r in state.records.values() if r.claim or r.completion}
    owed, unanswered = world.store.disk.accepted, _unanswered(world)
    return f"{sorted(map(str, world.files))} {claims} {unanswered=} {owed=}"
