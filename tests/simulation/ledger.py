"""What the agents and the people of a run have seen with their own eyes, over all processes.

The invariants hold the engine and the store against it.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """The witnesses' notes.

    Attributes:
        accepted: attempts whose agent was told that its `mark_done` was accepted, with their issue.
        asked: attempts whose agent was told that a person was asked, as often as it was.
        prompts: what the agents of each issue were told, in order.
        answered_by_person: question to how often a person was told that their answer was taken.
        discarded: issues whose work a person threw away.
        delivered: attempts whose handoff was recorded, as often as it was.
        withdrawn: attempts whose `mark_done` was taken back.
        spent: tokens that the agents of each issue have really used.
        hidden: tokens of each issue that no store knows of, as the process died in the turn.
        broken: promises that were seen to be broken, in words.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    prompts: dict[str, list[str]] = field(default_factory=dict)
    answered_by_person: Counter[str] = field(default_factory=Counter)
    discarded: set[str] = field(default_factory=set)
    delivered: Counter[str] = field(default_factory=Counter)
    withdrawn: set[str] = field(default_factory=set)
    spent: Counter[str] = field(default_factory=Counter)
    hidden: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def blame(self, promise: str) -> None:
        """Note that a promise was broken, in words."""
        self.broken.append(promise)

    def answered(self, issue_id: str, attempt_id: str, failed: bool, text: str) -> None:
        """Note what an agent was answered."""
        if failed:
            return
        if text.startswith("Accepted"):
            self.accepted[attempt_id] = issue_id
            self.withdrawn.discard(attempt_id)
        elif text.startswith("A person has been asked"):
            self.asked[attempt_id] += 1

    def prompted(self, issue_id: str, attempt_id: str, text: str) -> None:
        """Note what an agent was told."""
        self.prompts.setdefault(issue_id, []).append(text)
