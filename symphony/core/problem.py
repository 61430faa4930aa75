"""A standing fact that needs a person: shown on every surface until it is gone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong outside any single attempt [CONTRACT 3.2, 3.3, 2.4].

    Attributes:
        code: stable name, as of an error.
        where: a file, `file:line`, or a settings key.
        message: what was found and what to do, one sentence.
        issue_id: the issue it concerns, if it concerns one.
    """

    code: str
    where: str
    message: str
    issue_id: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"
