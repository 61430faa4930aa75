"""What is ahead of an attempt that lives: its next phase, what ends it, and by when."""

from collections.abc import Iterator
from datetime import timedelta
from typing import assert_never

from symphony.core.claim import Phase, Running
from symphony.core.decide.reconcile import GONE_GRACE
from symphony.core.outcome import StopReason
from symphony.core.scheduler import SchedulerState
from symphony.core.step import Step


def course_of(state: SchedulerState, running: Running) -> Iterator[Step]:
    """Yield what comes next, then each bound that may end the attempt before."""
    asked = running.steering
    if asked is not None and asked.open and running.phase is Phase.TURN:
        yield Step("It has asked you something: when this turn ends it waits for your answer")
    else:
        yield Step(_after_phase(running))
    stall = running.stall_timeout_ms
    if running.phase is Phase.TURN and stall > 0 and not running.permissions:
        due = running.last_event_at + timedelta(milliseconds=stall)
        yield Step("If nothing is heard of the agent it counts as stalled and is ended", due)
    if running.missing_since is not None:
        yield Step(
            "Its file is gone; if it stays away the attempt is ended", running.missing_since + GONE_GRACE
        )
    if state.drain_deadline is not None:
        yield Step("symphony is stopping; what has not ended by itself is ended", state.drain_deadline)


def _after_phase(running: Running) -> str:
    match running.phase:
        case Phase.WORKSPACE if running.delivering:
            return "Once its workspace is found, its finished work is imported and handed over"
        case Phase.WORKSPACE:
            return "Once its workspace is ready, its sandbox and the agent's session are opened"
        case Phase.BEFORE_RUN:
            return "Once before_run has ended, its sandbox is started"
        case Phase.SANDBOX:
            return "Once its sandbox has started, the agent's session is opened"
        case Phase.SESSION:
            return f"Once the session is open, turn 1 of {running.max_turns} begins"
        case Phase.TURN:
            return (
                "The agent goes on until it calls mark_done or asks you something, "
                f"at most to the end of turn {running.max_turns}"
            )
        case Phase.IMPORT:
            return "Once its branch is imported, checks and handoff follow if the agent is done"
        case Phase.CHECKS:
            return "If the checks pass it is handed over; if one fails the agent is told and goes on"
        case Phase.TRAIN:
            return (
                "Once it has boarded the merge train it is handed over; if it does not fit its agent goes on"
            )
        case Phase.HANDOFF:
            return "Once it is handed over the issue is finished and its workspace is removed"
        case Phase.CLEANUP:
            return "Once it is cleaned up the attempt is over and its slot is free"
        case _ as never:
            assert_never(never)


def end_of(reason: StopReason) -> str:
    """Return what follows once an attempt that was told to end has ended."""
    match reason:
        case StopReason.CANCELLED:
            return "Once the attempt has ended the issue rests until you retry it or edit its file"
        case StopReason.TERMINAL:
            return "Once the attempt has ended its work is handed over and the issue is finished"
        case StopReason.HELD:
            return "Once the attempt has ended the issue rests, and its workspace is kept"
        case StopReason.GONE:
            return "Once the attempt has ended its workspace is kept; a file with this id takes it up again"
        case StopReason.STALLED:
            return "Once the attempt has ended it counts as a failure, and the issue is tried again or parked"
        case StopReason.DRAINED | StopReason.INTERRUPTED:
            return "Once the attempt has ended it goes on in the same workspace when symphony starts again"
        case _ as never:
            assert_never(never)
