"""What a timeline shows: one frozen value for each thing that happened, bounded and safe to print."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from symphony.core.branch import FileDiff

TEXT_LIMIT: Final = 16_000  # characters of one text
VALUE_LIMIT: Final = 2_000  # characters of one argument
LINE_LIMIT: Final = 300  # characters of a title
STEPS: Final = 100  # of a plan
ARGUMENTS: Final = 30  # of a tool call
BLOCKS: Final = 20  # of a tool call's content


class Tone(StrEnum):
    """How much an entry matters to a person."""

    PLAIN = "plain"
    QUIET = "quiet"
    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"


class Voice(StrEnum):
    """Who speaks."""

    MESSAGE = "message"
    """The agent, to the person."""
    THOUGHT = "thought"
    """The agent, to itself."""
    PROMPT = "prompt"
    """Symphony, to the agent."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A new attempt, or a new day."""

    attempt: str
    day: str


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """Where the attempt is now.

    Attributes:
        turn: 0 before the first.
    """

    phase: str
    turn: int


@dataclass(frozen=True, slots=True)
class Speech:
    """What was said, its pieces joined."""

    voice: Voice
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan."""

    text: str
    status: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The agent's plan as it stands."""

    steps: tuple[Step, ...]

    @property
    def done(self) -> int:
        """How many steps are completed."""
        return sum(1 for step in self.steps if step.status == "completed")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool call; a text of several lines is shown as such."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call as it stands.

    Attributes:
        call: the agent's id for it.
        kind: such as `edit` or `execute`; empty when the agent does not say.
        status: such as `in_progress`; empty when the agent does not say.
        paths: files that it is about.
        outputs: what it gave, terminals included.
    """

    call: str
    title: str = ""
    kind: str = ""
    status: str = ""
    arguments: tuple[Argument, ...] = ()
    paths: tuple[str, ...] = ()
    diffs: tuple[FileDiff, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def tone(self) -> Tone:
        """How it stands."""
        return {"failed": Tone.BAD, "completed": Tone.GOOD}.get(self.status, Tone.PLAIN)


@dataclass(frozen=True, slots=True)
class Note:
    """Anything else.

    Attributes:
        label: one word for what it is.
        title: one line.
        text: may have several lines; empty when the title says all.
        folded: whether the text is opened on demand.
    """

    label: str
    title: str
    text: str = ""
    tone: Tone = Tone.PLAIN
    folded: bool = False


Body: TypeAlias = Heading | PhaseEntered | Speech | Plan | ToolCall | Note


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing on the timeline.

    Attributes:
        offset: of the line in the run log that began it; it names the entry.
        part: 0, or 1 for what stands after a heading of the same line.
        clock: the time of day in UTC.
        until: the end of the last line that changed it.
    """

    offset: int
    part: int
    clock: str
    body: Body
    until: int

    @property
    def element(self) -> str:
        """The id of its element on a page."""
        return f"t{self.offset}-{self.part}"

    @property
    def shape(self) -> str:
        """The name of its template."""
        return SHAPES[type(self.body)]


SHAPES: Final[dict[type[Body], str]] = {
    Heading: "heading",
    PhaseEntered: "phase",
    Speech: "speech",
    Plan: "plan",
    ToolCall: "tool",
    Note: "note",
}
