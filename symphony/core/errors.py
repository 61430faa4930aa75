"""The root of every error that a user may meet.

Each room subclasses `SymphonyError` for its own failures. The text is part of the
product: it says what happened, where, and what to do next.
"""


class SymphonyError(Exception):
    """An expected failure with a stable code.

    Attributes:
        code: stable, dotted or snake case; scripts and tests branch on it, never on the text.
        message: one sentence: what happened and where.
        remedy: one imperative sentence: what the user can do; may be empty.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()
