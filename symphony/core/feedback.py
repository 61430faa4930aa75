"""What a forge shows of a pull request: its checks, what people say, whether it merges [CONTRACT 9.5].

All of it is somebody else's text.
"""

import hashlib
from dataclasses import dataclass

from symphony.core.forge import PullRequest

DIGITS = 12


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that has failed on the head commit.

    Attributes:
        url: of its page; empty when it has none.
    """

    name: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """A review or a comment.

    Attributes:
        key: its name within the pull request, the forge's own: `review/12`.
        author: the login; empty when the forge does not know it any more.
        text: Markdown; may be empty in a review.
        file: that it is about; empty for all of the work.
        line: of that file, 1 for the first; 0 for the whole.
        wants_changes: it is a review that asks for changes.
    """

    key: str
    author: str
    text: str
    file: str = ""
    line: int = 0
    wants_changes: bool = False

    @property
    def identity(self) -> str:
        """A name that another text of the same remark does not have."""
        said = f"{self.wants_changes}\0{self.text}"
        return f"{self.key}@{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()[:DIGITS]}"


@dataclass(frozen=True, slots=True)
class Feedback:
    """A pull request at one look.

    Attributes:
        base: the branch that it is to be merged into.
        failed: the checks that have failed on its head commit.
        checking: some checks of that commit have not ended.
        remarks: oldest first; approvals and what is resolved are none.
        conflicting: whether the forge cannot merge it; None while it does not know.
        conflicts: the files that do not merge, as far as they are known.
    """

    pull: PullRequest
    base: str
    failed: tuple[FailedCheck, ...] = ()
    checking: bool = False
    remarks: tuple[Remark, ...] = ()
    conflicting: bool | None = None
    conflicts: tuple[str, ...] = ()
