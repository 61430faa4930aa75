"""The JSON of an explained issue, as the other shapes of `views`.

An explanation is `{issue_id, generated_at, code, where, next[], decisions[]}`; a step of `next` is
`{text, at, in_seconds, sentence}`, `at` and `in_seconds` null where no clock brings it about.
"""

from datetime import datetime

from symphony.core.explain import Explanation
from symphony.core.step import Step
from symphony.web.times import seconds_view, time_view
from symphony.web.views import Json, audit_view


def explanation_view(explanation: Explanation) -> Json:
    """Return where an issue stands, what happens next, and the last decisions on it."""
    return {
        "issue_id": explanation.issue_id,
        "generated_at": time_view(explanation.at),
        "code": explanation.code.value,
        "where": explanation.where,
        "next": [_step_view(step, explanation.at) for step in explanation.next],
        "decisions": [audit_view(audit) for audit in explanation.decisions],
    }


def _step_view(step: Step, now: datetime) -> Json:
    """Return what happens next, also as a whole sentence."""
    return {
        "text": step.text,
        "at": time_view(step.at),
        "in_seconds": None if step.at is None else seconds_view(step.at - now),
        "sentence": step.sentence(now),
    }
