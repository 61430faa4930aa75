"""A question that an agent asks a person, and the answer [CONTRACT 6.3]."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SteeringRequest:
    """One question with its reply, as the store holds it.

    Attributes:
        id: unique over all issues.
        attempt_id: who asked.
        question, context: the agent's words, bounded and free of control characters.
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
