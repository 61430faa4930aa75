"""The form of a new issue: what was typed, kept as it was typed, and what it asks for."""

import re
from collections.abc import Mapping
from typing import Final

from symphony.core.issue import IssueDraft
from symphony.core.settings.base import Words
from symphony.web.requests import Body

FIELDS: Final[Mapping[str, str]] = {
    "invalid_title": "title",
    "invalid_id": "id",
    "id_taken": "id",
    "unknown_state": "state",
    "issue_too_large": "body",
}
"""Codes of refusals to the fields that they are about."""

NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}")
TITLE_WANTED: Final = "The title is blank. Write one line; the rest belongs in the body."
NUMBER_WANTED: Final = "The priority must be a whole number such as 2, or nothing."


class NewForm(Body):
    """The fields of a new issue.

    Attributes:
        priority, labels, blocked_by: as they were typed; the lists with commas.
        draft: names this form, so that it is carried out once however often it is sent.
        action: `preview` only shows what was typed.
    """

    title: str = ""
    body: str = ""
    priority: str = ""
    labels: Words = ()
    blocked_by: Words = ()
    state: str = ""
    id: str = ""
    draft: str = ""
    action: str = ""

    def wrong(self) -> dict[str, str]:
        """Return what is wrong with the fields, before anybody else is asked."""
        wrong = {}
        if not self.title.strip():
            wrong["title"] = TITLE_WANTED
        if self.priority.strip() and not NUMBER.fullmatch(self.priority.strip()):
            wrong["priority"] = NUMBER_WANTED
        return wrong

    def asked(self) -> IssueDraft:
        """Return what the form asks for; call only when nothing is wrong."""
        priority = self.priority.strip()
        return IssueDraft(
            self.title,
            unified(self.body),
            int(priority) if priority else None,
            separated(self.labels),
            separated(self.blocked_by),
            self.state or None,
            self.id.strip() or None,
        )


class EditForm(Body):
    """The whole text of an issue.

    Attributes:
        revision: of the text that was opened.
        draft, action: as of `NewForm`.
    """

    text: str = ""
    revision: str = ""
    draft: str = ""
    action: str = ""


class PreviewForm(Body):
    """A text to be shown as it would be read."""

    body: str = ""
    text: str = ""


def unified(text: str) -> str:
    """Return a text with the line ends that it was typed with; a form sends others."""
    return text.replace("\r\n", "\n")


def separated(typed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of lists with commas."""
    return tuple(word.strip() for line in typed for word in line.split(",") if word.strip())
