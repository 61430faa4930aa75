"""What the agents and the people of a run have seen with their own eyes, over all processes.

The invariants hold the engine and the store against it.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Ledger:
    """The witnesses' notes.

    Attributes:
        accepted: attempts whose agent was told that its work or its transition was accepted, with their
            issue.
        asked: attempts whose agent was told that a person was asked, as often as it was.
        replies: a person's words to the question that they answer.
        told_reply: questions whose reply some agent was told.
        answered_by_person: question to how often a person was told that their answer was taken.
        discarded: issues whose work a person threw away.
        retry_asked: issues that a person wanted tried again, since their last attempt began.
        moved: issue to the file that the engine has made of it by moving it.
        delivered: attempts whose handoff was recorded, as often as it was.
        withdrawn: attempts whose `mark_done` or `transition` was taken back.
        passed: attempts whose transition was recorded.
        passes: of each issue the transitions since a person last had a hand in it.
        begun: every attempt that a scheduler ever began.
        spent: tokens that the agents of each issue have really used.
        turn_spent: those of the last turn alone.
        ceilings: tokens that a person allowed an issue at most.
        hidden: tokens of each issue that no store knows of, as the process died in the turn.
        checked: trees with the commands of the checks that they have passed.
        imported: the trees of the branches that were imported.
        boardings: of each attempt the commits by which its work has boarded the merge train.
        aboard: attempts whose work was seen on the train.
        rode: whether the work of an attempt that left had to board first.
        finished: issues whose file was ever put into a terminal state, or deleted.
        broken: promises that were seen to be broken, in words.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    replies: dict[str, str] = field(default_factory=dict)
    told_reply: set[str] = field(default_factory=set)
    answered_by_person: Counter[str] = field(default_factory=Counter)
    discarded: set[str] = field(default_factory=set)
    retry_asked: set[str] = field(default_factory=set)
    moved: dict[str, Path] = field(default_factory=dict)
    delivered: Counter[str] = field(default_factory=Counter)
    withdrawn: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    passes: Counter[str] = field(default_factory=Counter)
    begun: set[str] = field(default_factory=set)
    spent: Counter[str] = field(default_factory=Counter)
    turn_spent: Counter[str] = field(default_factory=Counter)
    ceilings: dict[str, int] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)
    checked: set[tuple[str, str]] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    boardings: dict[str, list[str]] = field(default_factory=dict)
    aboard: set[str] = field(default_factory=set)
    rode: dict[str, bool] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
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
