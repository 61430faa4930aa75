"""One attempt's machine and the network: what it was refused, and what a person opens or closes.

The door belongs to the attempt's control, through which the supervisor passes on what the
scheduler decided; the watch is the one task of the attempt that asks the machine anything about
hosts, so that its answers never overlap.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from symphony.core.access import AccessTries, tries_of
from symphony.core.access_answer import MachineAnswer
from symphony.core.errors import SymphonyError
from symphony.core.event import AccessFailed, AccessRefused
from symphony.core.ports import Clock, Machine, RunLog, Sandbox
from symphony.engine.mailbox import Mailbox, MailboxClosed
from symphony.engine.patience import done_within
from symphony.engine.ports import Log

LOOK_EVERY = timedelta(seconds=5)  # soon enough for a person who watches; a look starts one process
LAST_LOOK = timedelta(seconds=10)  # an agent that could not connect often ends at once: worth one look
ANSWER = timedelta(seconds=20)  # for opening a host, which resolves its name; less than a request's 30 s
LISTED = 200  # hosts that one attempt's run log names; the rest are counted


@dataclass(frozen=True, slots=True)
class MachineWord:
    """What the machine did about a wish.

    Attributes:
        failure, code: of its error, with FAILED.
    """

    answer: MachineAnswer
    failure: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of the machine."""

    host: str
    opening: bool
    answer: asyncio.Future[MachineWord]


@dataclass
class AccessDoor:
    """Where wishes wait for the machine.

    Attributes:
        allowed: what a machine that is made now may reach beside its settings, in order.
    """

    allowed: list[str] = field(default_factory=list)
    _machine: MachineAnswer | None = MachineAnswer.STARTING
    _wishes: asyncio.Queue[Wish] = field(default_factory=asyncio.Queue)
    _answers: dict[str, asyncio.Future[MachineWord]] = field(default_factory=dict)

    @classmethod
    def opening(cls, hosts: Iterable[str]) -> "AccessDoor":
        """Return the door of an attempt that begins with these hosts."""
        return cls(list(hosts))

    def wish(self, host: str, *, opening: bool) -> None:
        """Let the machine follow a decision, as soon as there is one."""
        if host in self.allowed:
            self.allowed.remove(host)
        if opening:
            self.allowed.append(host)
        answer: asyncio.Future[MachineWord] = asyncio.get_running_loop().create_future()
        self._answers[host] = answer
        if self._machine is None or self._machine is MachineAnswer.STARTING:
            self._wishes.put_nowait(Wish(host, opening, answer))
        if self._machine is not None:
            answer.set_result(MachineWord(self._machine))

    async def answer(self, host: str, clock: Clock) -> MachineWord:
        """Return what the machine did about the latest wish for a host, or why it could not."""
        answer = self._answers.get(host)
        if answer is None:
            return MachineWord(MachineAnswer.NONE)

        async def wait() -> MachineWord:
            return await asyncio.shield(answer)

        waiting = asyncio.create_task(wait())
        try:
            in_time = await done_within(waiting, clock, ANSWER)
            return waiting.result() if in_time else MachineWord(MachineAnswer.SILENT)
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})

    def attach(self, machine: Machine | None) -> None:
        """Say that the sandbox is open, with a machine or without."""
        self._machine = MachineAnswer.UNCLOSED if machine is None else None

    async def next_wish(self) -> Wish:
        """Return the oldest wish, waiting for one."""
        return await self._wishes.get()

    def close(self) -> None:
        """Answer what is still wished for: there is no machine any more."""
        self._machine = MachineAnswer.NONE
        while not self._wishes.empty():
            answer_with(self._wishes.get_nowait(), MachineWord(MachineAnswer.NONE))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(MachineWord(MachineAnswer.NONE))


def answer_with(wish: Wish, word: MachineWord) -> None:
    """Tell whoever waits; a machine that was still starting has been answered for already."""
    if not wish.answer.done():
        wish.answer.set_result(word)


@dataclass
class AccessWatch:
    """Looks at what a running machine refused, and carries out wishes in between."""

    issue_id: str
    attempt_id: str
    machine: Machine
    door: AccessDoor
    clock: Clock
    mailbox: Mailbox
    run_log: RunLog
    log: Log
    _listed: set[str] = field(default_factory=set)
    _unlisted: int = 0
    _failing: bool = False

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            wish = asyncio.create_task(self.door.next_wish())
            try:
                if await done_within(wish, self.clock, LOOK_EVERY):
                    await self._carry_out(wish.result())
            finally:
                wish.cancel()
                await asyncio.wait({wish})
            await self.look()

    async def look(self) -> None:
        """Pass on what was refused since the last look; that it cannot be read is logged once."""
        try:
            refusals = await self.machine.refusals()
        except SymphonyError as error:
            if not self._failing:
                self.log.warning("access.unreadable", issue=self.issue_id, code=error.code, reason=str(error))
            self._failing = True
            return
        self._failing = False
        if refusals:
            tries = tries_of(refusals)
            self._list(tries)
            await self.mailbox.put(AccessRefused(self.issue_id, self.attempt_id, tries))

    def close(self) -> None:
        """Say how many hosts the run log does not name."""
        if self._unlisted:
            self.run_log.append("access", text=f"{self._unlisted} more hosts were refused and are not listed")

    def note_crash(self, task: asyncio.Task[None]) -> None:
        """Log what ended a task of the watch; the attempt goes on without it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("access.crashed", issue=self.issue_id, error=repr(error), exc_info=error)

    async def _carry_out(self, wish: Wish) -> None:
        verb = "opened" if wish.opening else "closed"
        try:
            await (self.machine.allow(wish.host) if wish.opening else self.machine.forbid(wish.host))
        except SymphonyError as error:
            self.run_log.append("access", host=wish.host, text=f"{wish.host} was not {verb}: {error}")
            failed = AccessFailed(
                self.issue_id, self.attempt_id, wish.host, wish.opening, error.code, str(error)
            )
            with suppress(MailboxClosed):
                await self.mailbox.settle(failed)  # decided before the person is told
            answer_with(wish, MachineWord(MachineAnswer.FAILED, str(error), error.code))
        else:
            self.run_log.append("access", host=wish.host, text=f"{wish.host} was {verb} by a person")
            answer_with(wish, MachineWord(MachineAnswer.DONE))

    def _list(self, tries: AccessTries) -> None:
        for note, hosts in (("", tries.asked), (", and is never opened", tries.never)):
            for each in hosts:
                if each.host in self._listed:
                    continue
                if len(self._listed) >= LISTED:
                    self._unlisted += 1
                    continue
                self._listed.add(each.host)
                text = f"{each} was refused{note}"
                self.run_log.append("access", host=each.host, port=each.port, text=text)
        self._unlisted += tries.not_kept


@asynccontextmanager
async def watch_access(
    issue_id: str,
    attempt_id: str,
    sandbox: Sandbox,
    door: AccessDoor,
    *,
    clock: Clock,
    mailbox: Mailbox,
    run_log: RunLog,
    log: Log,
) -> AsyncIterator[None]:
    """Watch an open sandbox's machine while the block runs; a sandbox without one is not watched.

    Cancellation: the last look is left out.
    """
    door.attach(sandbox.machine)
    if sandbox.machine is None:
        try:
            yield
        finally:
            door.close()
        return
    watch = AccessWatch(issue_id, attempt_id, sandbox.machine, door, clock, mailbox, run_log, log)
    task = asyncio.create_task(watch.run())
    try:
        try:
            yield
        except Exception:
            await _end(task, watch, clock)
            raise
        await _end(task, watch, clock)
    finally:
        task.cancel()
        await asyncio.wait({task})
        watch.note_crash(task)
        watch.close()
        door.close()


async def _end(task: asyncio.Task[None], watch: AccessWatch, clock: Clock) -> None:
    """Stop watching and look once more, in bounded time."""
    task.cancel()
    await asyncio.wait({task})
    look = asyncio.create_task(watch.look())
    try:
        await done_within(look, clock, LAST_LOOK)
    finally:
        look.cancel()
        await asyncio.wait({look})
        watch.note_crash(look)
