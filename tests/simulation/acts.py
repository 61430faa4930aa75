"""Carries out one step on the world."""

import json
from pathlib import Path
from typing import assert_never

from symphony.core.admission import HostMemory
from symphony.core.budget import parse_changes
from symphony.core.decide import CommandRefused
from symphony.core.disk import HostDisk
from symphony.core.event import Ticked
from symphony.core.issue import IssueDraft
from symphony.core.permission import PermissionAnswer
from symphony.engine.operations import EngineOperations
from symphony.web.views import detail_view, issue_view, state_view
from tests.simulation.steps import (
    Break,
    Budget,
    Command,
    Delete,
    Drain,
    Drop,
    Edit,
    EditWorkflow,
    FillDisk,
    FillMemory,
    FillVolume,
    Kill,
    Look,
    MoveFile,
    MoveTrain,
    Pass,
    Permit,
    Planned,
    Reply,
    Start,
    Step,
    StopTrain,
    Sweep,
    Wake,
)
from tests.simulation.world import DISK_MIB, HOST_MIB, World

MOST_FILES = 8
ROOT = Path("/issues")


def act(world: World, planned: Planned) -> bool:
    """Carry out a step and let follow what follows; say whether it is quiet then."""
    world.say(f"> {planned}")
    _do(world, planned.step)
    return world.settle(planned.turns)


def _do(world: World, step: Step) -> None:
    match step:
        case Drop(issue, folder, blocked_by, noticed):
            _drop(world, issue, folder, blocked_by, noticed)
        case Edit(issue, noticed):
            if path := path_of(world, issue):
                write(world, path, None, noticed=noticed)
        case MoveFile(issue, folder, noticed):
            if path := path_of(world, issue):
                move_file(world, path, folder, noticed=noticed)
        case Delete(issue, noticed):
            if path := path_of(world, issue):
                del world.files[path]
                world.ledger.finished.add(issue)
                world.touch(path, noticed=noticed)
        case EditWorkflow(text, noticed):
            world.workflow.raw = text
            if noticed and world.engine is not None:
                world.engine.mailbox.offer(Ticked())
        case Reply(issue):
            reply(world, issue)
        case Permit(issue, answer):
            permit(world, issue, PermissionAnswer(answer))
        case Command(name, issue):
            command(world, name, issue)
        case Break(fault, times):
            world.faults.due[fault] += times
        case FillDisk(full):
            world.faults.disk_full = full
        case FillMemory(free_mib):
            world.host.seen = HostMemory(free_mib << 20, HOST_MIB << 20)
        case FillVolume(free_mib):
            world.host.seen_disk = HostDisk(free_mib << 20, DISK_MIB << 20, "/memory")
        case Budget(issue, tokens):
            budget(world, issue, tokens)
        case MoveTrain(how):
            world.yard.move(how)
        case StopTrain(code):
            world.yard.stopped = code
        case Sweep():
            if world.retention is not None:
                world.person("gc", world.retention.sweep())
        case Look(issue):
            look(world, issue)
        case Pass(seconds):
            world.pass_time(seconds)
        case Wake():
            world.wake()
        case Kill(turns, wake):
            if wake:
                world.wake()
            world.kill(turns)
        case Start():
            world.start()
        case Drain(now):
            world.drain(now=now)
        case _ as never:
            assert_never(never)


def path_of(world: World, issue: str) -> Path | None:
    """Return the issue's first file."""
    return next((path for path in sorted(world.files) if path.stem == issue), None)


def write(world: World, path: Path, blocked_by: str | None, *, noticed: bool) -> None:
    """Write a file whose text was never there before."""
    world.revision += 1
    front = f"---\nblocked_by: ['{blocked_by}']\n---\n" if blocked_by else ""
    world.files[path] = f"{front}Text {world.revision}.\n".encode()
    world.touch(path, noticed=noticed)


def move_file(world: World, path: Path, folder: str, *, noticed: bool) -> None:
    """Move a file as a person does, over another one if there is one."""
    target = ROOT / folder / path.name
    if target != path:
        world.files[target] = world.files.pop(path)
        world.touch(path, noticed=noticed)
        world.touch(target, noticed=noticed)


def _drop(world: World, issue: str, folder: str, blocked_by: str | None, noticed: bool) -> None:
    target = ROOT / folder / f"{issue}.md"
    if noticed:  # else a copy in another folder stays there, and the two are in conflict
        for path in [path for path in sorted(world.files) if path.stem == issue and path != target]:
            del world.files[path]
            world.touch(path, noticed=True)
    write(world, target, blocked_by, noticed=noticed)


def reply(world: World, issue: str) -> None:
    """Answer the issue's question, through the daemon or, while it is down, to the store."""
    world.revision += 1
    text = f"answer-{world.revision}."
    if world.operations is not None:
        world.person(f"reply {issue}", world.operations.reply(issue, text))
    elif world.task is None:
        world.store = world.store.after(world.life)
        world.person(f"reply {issue}", world.store.reply(issue, text, world.clock.now()))


def permit(world: World, issue: str, answer: PermissionAnswer) -> None:
    """Answer the only thing that the issue's agent wants to be allowed."""
    if world.operations is not None:
        world.person(f"permit {issue}", world.operations.permit(issue, None, answer))


def command(world: World, name: str, issue: str | None) -> None:
    """Give a command to the running daemon."""
    operations = world.operations
    if operations is None:
        return
    match name, issue:
        case "pause", _:
            world.person("pause", operations.pause(issue))
        case "resume", _:
            world.person("resume", operations.resume(issue))
        case "retry", str():
            world.ledger.retry_asked.add(issue)
            world.ledger.passes.pop(issue, None)
            world.person(f"retry {issue}", operations.retry(issue))
        case "cancel", str():
            world.person(f"cancel {issue}", operations.cancel(issue))
        case "move", str():
            world.person(f"move {issue}", operations.move(issue, "Todo"))
        case "discard", str():
            world.person(f"discard {issue}", discard(world, operations, issue))
        case "create", _ if len(world.files) < MOST_FILES:
            world.person("create", operations.create(IssueDraft("More", "To do.")))
        case "approve", str():
            world.person(f"approve {issue}", operations.approve(issue))
        case "reject", str():
            world.revision += 1
            words = f"answer-{world.revision}."
            world.person(f"reject {issue}", operations.reject(issue, words, None))
        case "refresh", _:
            world.person("refresh", operations.refresh())


def budget(world: World, issue: str, tokens: str) -> None:
    """Give the issue another ceiling."""
    if world.operations is not None:
        changes = parse_changes({"tokens": tokens})
        world.person(f"budget {issue} {tokens}", world.operations.set_budget(issue, changes))


def look(world: World, issue: str) -> None:
    """Look at all that the surfaces show, as the API says it."""
    if world.operations is not None:
        json.dumps(state_view(world.operations.snapshot()))
        world.person(f"look {issue}", _look(world.operations, issue))


async def _look(operations: EngineOperations, issue: str) -> None:
    json.dumps(detail_view(await operations.detail(issue)))
    for each in await operations.issues():
        json.dumps(issue_view(each))


async def discard(world: World, operations: EngineOperations, issue: str) -> None:
    """Throw the issue's work away; until it has a new workspace nothing of it is missed."""
    first = issue not in world.ledger.discarded
    world.ledger.discarded.add(issue)
    try:
        await operations.discard(issue)
    except CommandRefused:
        if first:
            world.ledger.discarded.discard(issue)
        raise
