"""An issue explained: where it stands, what happens next and when, and what was decided on it last.

Pure: the daemon, its pages and the command line without a daemon ask the same function.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from symphony.core.best import BestState
from symphony.core.effect import Audit
from symphony.core.eligibility import ReasonCode
from symphony.core.outlook import Outlook
from symphony.core.scheduler import SchedulerState
from symphony.core.standing import sentence_of, standing_of
from symphony.core.step import Step

DECISIONS: Final = 10


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an issue does what it does.

    Attributes:
        code: where it stands, for programs; the same as in the snapshot.
        at: when this was so.
        where: where it stands, one sentence.
        next: what happens next, and each bound on it; never empty.
        decisions: the last decisions on it, newest first.
    """

    issue_id: str
    at: datetime
    code: ReasonCode
    where: str
    next: tuple[Step, ...]
    decisions: tuple[Audit, ...] = ()


def explain(
    state: SchedulerState,
    issue_id: str,
    now: datetime,
    decisions: Sequence[Audit] = (),
    best: BestState | None = None,
) -> Explanation:
    """Return the issue explained as of now; `decisions` are the audit's on it, newest first.

    What was better once is offered after all that happens next.
    """
    reason = standing_of(state, issue_id, now)
    steps = tuple(Outlook(state, issue_id, now).steps(reason))
    if best is not None and best.lost:
        steps = (*steps, Step(best.offer))
    return Explanation(issue_id, now, reason.code, sentence_of(reason), steps, tuple(decisions[:DECISIONS]))
