"""Where issues live and what their states mean."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from symphony.core.settings.base import Folder, Positive, Section, Words, as_tuple
from symphony.core.settings.workspace import Check, HooksSettings
from symphony.core.states import StateRole


def _lower(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label.strip().lower() for label in labels)


class TrackerSettings(Section):
    """The tracker: Markdown files in state folders."""

    kind: Literal["local"] = "local"
    """The only kind: files on this machine."""

    root: Folder = Path("./issues")
    """The folder that holds one folder per state. Needs a restart when it changes."""

    active_states: Words = ("Todo", "In Progress")
    """Issues in these states are worked on. Ignored when `states` is given."""

    terminal_states: Words = ("Done", "Closed", "Cancelled", "Canceled", "Duplicate")
    """Issues in these states are finished. Ignored when `states` is given."""

    required_labels: Annotated[
        tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(_lower), Field(examples=[["agent"]])
    ] = ()
    """Only issues that have all of these labels are worked on; compared in lower case."""


class StateSettings(Section):
    """One state of `states`: its role, and what differs while an issue is in it.

    An absent key inherits the workflow's value; an explicit null clears it.
    """

    role: Annotated[StateRole, Field(strict=False)]
    """active: worked on; holding: left alone; terminal: finished."""

    adapter: str | None = None
    """Replaces `acp.adapter`, and with another one `acp.command` is left out, which starts that."""

    command: str | None = None
    """Replaces `acp.command`."""

    model: str | None = None
    """Replaces `acp.model`."""

    effort: str | None = None
    """Replaces `acp.effort`."""

    mode: str | None = None
    """Replaces `acp.mode`."""

    max_turns: Positive | None = None
    """Replaces `agent.max_turns`."""

    max_concurrent: Positive | None = None
    """At most so many attempts on issues in this state at once."""

    allowed_transitions: Words | None = None
    """The states that an agent may move an issue to with `transition`: absent is every configured one, an
    empty list none. `mark_done` moves it too, to the terminal state of finished work: a list that lacks
    that state takes `mark_done` away."""

    hooks: HooksSettings | None = None
    """Replaces `hooks` as a whole."""

    checks: Annotated[tuple[Check, ...] | None, Field(strict=False)] = None
    """Replaces `checks` as a whole."""


class PollingSettings(Section):
    """The safety net behind file watching."""

    interval_ms: Positive = 30_000
    """Milliseconds between two ticks. A file that is dropped is seen at once all the same."""
