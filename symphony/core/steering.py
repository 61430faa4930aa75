"""A question that an agent asks a person, and the answer; or a reviewer's words [CONTRACT 6.3, 9.4]."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class SteeringRequest:
    """One question with its reply, as the store holds it.

    Attributes:
        id: unique over all issues.
        attempt_id: who asked.
        question, context: the agent's words, bounded and free of control characters; no question is a
            review of work that was handed over, which nobody has asked for, and its context says what of
            a pull request it tells.
        reply: the person's words; None while the question is open.
    """

    id: str
    issue_id: str
    attempt_id: str
    question: str
    context: str
    asked_at: datetime
    reply: str | None = None
    replied_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Say whether a person has still to answer."""
        return self.reply is None

    @property
    def is_review(self) -> bool:
        """Say whether the reply is a reviewer's, who sends delivered work back."""
        return not self.question


def review_of(issue_id: str, attempt_id: str, words: str, at: datetime, about: str = "") -> SteeringRequest:
    """Return a reviewer's words on what an attempt handed over; the same words have the same id.

    `about` is the context: what of a pull request they tell, and nothing when a person here has said them.
    """
    digest = hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:DIGITS]
    return SteeringRequest(
        f"{attempt_id}.review-{digest}", issue_id, attempt_id, "", about, at, reply=words, replied_at=at
    )
