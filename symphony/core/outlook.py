"""What happens next to an issue, and when: the steps that follow from where it stands.

Every code of a reason has its own; what is added to the codes has to be added here.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from symphony.core.blockers import chain_of, cycle_of, unfinished
from symphony.core.budget import raising
from symphony.core.claim import Continuing, IssueRecord, Retrying
from symphony.core.course import course_of, end_of
from symphony.core.decide.ending import running_attempt
from symphony.core.disk import MIB
from symphony.core.eligibility import Reason, ReasonCode, why_not_startable, why_nothing_starts
from symphony.core.issue import Issue
from symphony.core.queue import place_in_queue
from symphony.core.scheduler import SchedulerState
from symphony.core.slots import Slots
from symphony.core.standing import sentence_of, standing_of
from symphony.core.states import StateRole
from symphony.core.step import Step
from symphony.core.text import counted
from symphony.core.timer import HOST_LOOK

NAMES_SHOWN = 8  # ids in one sentence


@dataclass(frozen=True, slots=True)
class Outlook:
    """The steps of one issue at one moment."""

    state: SchedulerState
    issue_id: str
    now: datetime

    def steps(self, reason: Reason) -> Iterator[Step]:
        """Yield what follows from the reason, the next first; there is always one."""
        record, issue = self.state.record(self.issue_id), self.state.issues.get(self.issue_id)
        match reason.code:
            case ReasonCode.RUNNING | ReasonCode.STOPPING:
                yield from self._running(record)
            case ReasonCode.WAITING_FOR_REPLY:
                yield from self._waiting(record, issue)
            case ReasonCode.REPLY_PENDING:
                yield from self._answered(record, issue)
            case ReasonCode.ASKS_PERMISSION:
                yield from self._asking()
            case ReasonCode.PERMISSION_PENDING:
                yield self._in_turn("It goes on with what you said to its request", issue)
            case ReasonCode.RETRYING | ReasonCode.CONTINUING:
                yield from self._again(record, issue)
            case ReasonCode.CANCELLED | ReasonCode.FAILED:
                yield Step(f"Nothing, until {self._command('retry')} or an edit of its file starts it again")
            case ReasonCode.UNDELIVERED:
                yield from self._handoff(record, issue)
            case ReasonCode.HELD_BACK:
                yield Step(
                    f"Nothing, until {self._command('approve')} hands it over as it is,"
                    f" {self._command('retry')} looks again, or {self._command('discard')} gives it up"
                )
                yield from self._end_of_drain()
            case ReasonCode.PAUSED:
                yield Step(f"Nothing, until {self._command('resume')} lifts the pause")
                yield from self._then(issue, replace(record, paused=False))
            case ReasonCode.OUT_OF_BUDGET:
                more = raising(shlex.quote(self.issue_id), self.state.account(self.issue_id))
                path = self.state.workflow.path.name
                yield Step(f"Nothing, until `{more}` or agent.budget in {path} allows it more")
            case ReasonCode.PASSED_AROUND:
                yield Step(f"Nothing, until {self._command('retry')} or an edit of its file lets them go on")
            case ReasonCode.BLOCKED:
                yield from self._blocked(issue)
            case ReasonCode.MISSING_LABEL:
                yield Step("It starts once its file has all of tracker.required_labels")
            case ReasonCode.RATE_LIMITED:
                yield from self._rested(issue)
            case ReasonCode.DRAINING:
                yield Step("It starts when symphony is started again")
                yield from self._end_of_drain()
            case ReasonCode.WORKFLOW_INVALID:
                found = "; ".join(str(problem).rstrip(".") for problem in self.state.workflow_problems)
                yield Step(f"Nothing starts until {self.state.workflow.path.name} is valid: {found}")
            case ReasonCode.ALL_PAUSED:
                yield Step("Nothing starts until `symphony resume` lifts the pause")
            case ReasonCode.LOW_DISK:
                yield from self._disk(issue)
            case ReasonCode.NO_SLOT:
                yield self._in_turn("It starts", issue)
            case ReasonCode.NO_MEMORY:
                yield from self._memory(issue)
            case ReasonCode.ELIGIBLE:
                yield Step("It starts with the next decision, which is due at once")
            case ReasonCode.HELD:
                active = self.state.states.with_role(StateRole.ACTIVE)
                yield Step(f"Nothing, until it is moved to {_named(active, 'or')}")
            case ReasonCode.PROPOSED:
                active = self.state.states.with_role(StateRole.ACTIVE)
                yield Step(f"Nothing, until {self._command('approve')} moves it to {active[0]}")
            case ReasonCode.FINISHED:
                active = self.state.states.with_role(StateRole.ACTIVE)
                yield Step(f"Nothing more; moved to {_named(active, 'or')} it is worked on again")
            case ReasonCode.CONFLICT:
                yield Step(
                    "Nothing, until only one file has this id: move the others away or change their id"
                )
            case ReasonCode.UNREADABLE:
                yield Step("Nothing, until its file is mended; it is read again as soon as it changes")
            case ReasonCode.GONE:
                yield Step("Nothing; a file with this id brings it back with what is remembered of it")
            case _ as never:
                assert_never(never)

    def _running(self, record: IssueRecord) -> Iterator[Step]:
        attempt = running_attempt(record)
        if attempt is None:
            return
        if attempt.stopping is not None:
            yield Step(end_of(attempt.stopping))
            yield from self._end_of_drain()
        else:
            yield from course_of(self.state, attempt)

    def _asking(self) -> Iterator[Step]:
        allow, deny = self._command("permission allow"), self._command("permission deny")
        yield Step(f"Nothing, until you answer with {allow} or {deny}; then the agent goes on with its turn")
        yield from self._end_of_drain()

    def _waiting(self, record: IssueRecord, issue: Issue | None) -> Iterator[Step]:
        attempt = running_attempt(record)
        reply = f"{self._command('reply')[:-1]} TEXT`"
        if attempt is not None and attempt.stopping is None:
            yield Step(f"Nothing, until you answer with {reply}; then the agent goes on in its session")
        else:
            yield Step(f"Nothing, until you answer with {reply}; then a new attempt starts with your answer")
            if record.completion is None:
                yield from self._then(issue, replace(record, claim=None))
        if record.completion is not None:
            yield self._in_turn("Its finished work is handed over meanwhile", issue)
        yield from self._end_of_drain()

    def _answered(self, record: IssueRecord, issue: Issue | None) -> Iterator[Step]:
        attempt, what = running_attempt(record), "It goes on with your answer"
        if attempt is not None and attempt.stopping is not None:
            yield Step(end_of(attempt.stopping))
        elif self.state.draining:
            yield Step(f"{what} when symphony is started again")
        elif issue is not None and self._lacks_only_memory(issue):
            yield from self._memory(issue, what)
        else:
            yield self._in_turn(what, issue)
        yield from self._end_of_drain()

    def _lacks_only_memory(self, issue: Issue) -> bool:
        slots = Slots.of(self.state.workflow.settings, self.state.records.values())
        return self.state.room.lacking is not None and slots.lacking(issue.state) is None

    def _again(self, record: IssueRecord, issue: Issue | None) -> Iterator[Step]:
        number = record.attempts + 1
        match record.claim:
            case Retrying(due_at=due):
                most = self.state.workflow.settings.agent.max_failures
                failed = f"after failure {record.failures} of {most}" if record.failures else "again"
                yield Step(f"Attempt {number} starts, {failed}", due)
            case Continuing(due_at=due):
                yield Step(f"Attempt {number} starts, with a fresh look, in the slot that it keeps", due)
            case _:
                return
        yield from self._then(issue, replace(record, claim=None), max(due, self.now))

    def _handoff(self, record: IssueRecord, issue: Issue | None) -> Iterator[Step]:
        to_state = record.completion.to_state if record.completion else ""
        made = f"Its move to {to_state} is made" if to_state else "Its handoff is made"
        goes = f"It is moved to {to_state}" if to_state else "It is handed over"
        match record.claim:
            case Retrying(due_at=due) if due > self.now:
                yield Step(f"{made} again, after {counted(record.failures, 'failure')}", due)
            case _ if self.state.draining:
                yield Step(f"{goes} when symphony is started again")
            case _ if self.state.room.lacking:
                yield from self._memory(issue, made)
            case _:
                yield self._in_turn(goes, issue)
        yield from self._end_of_drain()

    def _blocked(self, issue: Issue | None) -> Iterator[Step]:
        if issue is None:
            return
        cycle = cycle_of(self.state, issue)
        if cycle:
            yield Step(
                f"Nothing, ever, by itself: {_path(cycle)} wait for one another in a circle; "
                "take one of them out of another's blocked_by"
            )
            return
        direct = unfinished(self.state, issue)
        terminal = self.state.states.with_role(StateRole.TERMINAL)
        verb = "is" if len(direct) == 1 else "are"
        yield Step(f"It starts once {_named(direct)} {verb} in {_named(terminal, 'or')}")
        chain = chain_of(self.state, issue)
        if len(chain) > 1:
            yield Step(f"The chain is {_path((issue.id, *chain))}")
        last = chain[-1]
        if last in self.state.records or self.state.issues.present(last):
            said = sentence_of(standing_of(self.state, last, self.now)).rstrip(".")
            yield Step(f"At its end is {last}. {said}")
        else:
            yield Step(f"There is no issue {last}: write it, or take it out of blocked_by")

    def _rested(self, issue: Issue | None) -> Iterator[Step]:
        if issue is None:
            return
        adapter = self.state.workflow.settings.in_state(issue.state).acp.adapter
        due = self.state.adapter_pauses.get(adapter, self.now)
        yield Step("It starts, as far as a slot is free", due)
        yield from self._then(issue, self.state.record(issue.id), due)

    def _memory(self, issue: Issue | None, what: str = "It starts") -> Iterator[Step]:
        if self.state.room.never:
            yield Step("Nothing, ever, on this machine, until smolvm.mem_mib is lower")
            return
        yield self._in_turn(what, issue, "the host has enough free memory")
        seen = self.state.host_seen_at
        if seen is not None and not self.state.draining:
            yield Step("The host is looked at again", max(seen + HOST_LOOK, self.now))

    def _disk(self, issue: Issue | None) -> Iterator[Step]:
        room, seen = self.state.disk_room, self.state.host_seen_at
        if room.never:
            yield Step("Nothing, ever, on this disk, until retention.min_free_mib is lower")
            return
        yield self._in_turn("It starts", issue, f"{room.enough // MIB:,} MiB of the disk are free")
        if seen is not None and not self.state.draining:
            yield Step("The disk is looked at again", max(seen + HOST_LOOK, self.now))

    def _in_turn(self, what: str, issue: Issue | None, once: str = "a slot is free") -> Step:
        """Return a step that waits for its turn, with who is before it."""
        text = f"{what} as soon as {once}"
        if issue is None:
            return Step(text)
        place = place_in_queue(self.state, issue, self.now)
        if place.holders:
            text += f"; slots are held by {_named(place.holders)}"
        before = counted(place.before, "issue")
        return Step(
            f"{text}; {before} {'is' if place.before == 1 else 'are'} before it" if place.before else text
        )

    def _end_of_drain(self) -> Iterator[Step]:
        deadline = self.state.drain_deadline
        if deadline is not None:
            yield Step("symphony ends at the latest", deadline)

    def _then(self, issue: Issue | None, record: IssueRecord, at: datetime | None = None) -> Iterator[Step]:
        """Yield what would keep the issue from starting all the same, if anything known would."""
        if issue is None:
            return
        state = replace(self.state, records={**self.state.records, issue.id: record})
        reason = why_not_startable(state, issue, at or self.now) or why_nothing_starts(state)
        if reason is None and not state.states.is_active(issue.state):
            reason = Reason(ReasonCode.HELD, f"{issue.state} is no active state")
        if reason is not None:
            yield Step(f"Even then it does not start: {reason.text.rstrip('.')}")

    def _command(self, name: str) -> str:
        return f"`symphony {name} {shlex.quote(self.issue_id)}`"


def _named(names: Iterable[str], last: str = "and") -> str:
    """Return names as a list in a sentence, the first few of many."""
    found = tuple(names)
    if len(found) > NAMES_SHOWN:
        return f"{', '.join(found[:NAMES_SHOWN])} and {len(found) - NAMES_SHOWN} more"
    return f" {last} ".join((", ".join(found[:-1]), found[-1])) if len(found) > 1 else "".join(found)


def _path(ids: tuple[str, ...]) -> str:
    """Return a chain of ids, its middle left out where it is long."""
    if len(ids) > NAMES_SHOWN:
        left_out = len(ids) - NAMES_SHOWN
        ids = (*ids[: NAMES_SHOWN - 1], f"… {left_out} more …", ids[-1])
    return " → ".join(ids)
