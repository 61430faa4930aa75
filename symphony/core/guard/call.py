"""One tool call of an agent, and what the guard rails find in it.

What a call says of itself is the agent's own word: this finds mistakes and injected orders, while only the
sandbox holds an agent that hides what it does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from symphony.core.guard.commands import find_commands
from symphony.core.guard.finding import Finding, FindingKind, Match
from symphony.core.guard.injection import find_injections
from symphony.core.guard.paths import OUTSIDE, find_writes, outside
from symphony.core.guard.secrets import find_secrets, without_secrets
from symphony.core.settings.guard import GuardSettings
from symphony.core.text import one_line

FINDINGS_LIMIT: Final = 20  # of one call; more say nothing new
PATHS_LIMIT: Final = 50
TITLE_SHOWN: Final = 80
WRITING: Final = frozenset({"edit", "delete", "move"})  # ACP's kinds of tools that change files
DESTROYING: Final = frozenset(
    {
        "removes-everything",
        "writes-disk",
        "fork-bomb",
        "stops-the-machine",
        "opens-a-way-in",
        "leaves-its-box",
    }
)
"""Rules about commands that are not waited for: with `block` one that runs already ends its turn."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call as far as a guard looks at it; every text may be long and is the agent's.

    Attributes:
        title: as the agent shows it.
        kind: ACP's kind of the tool.
        command: what a shell runs; empty when it is no command.
        folder: where; empty is the workspace.
        paths: the files that it is about.
        arguments: all that it was given, as text.
        output: what came back so far.
        own: it is one of symphony's own tools.
    """

    title: str
    kind: str = "other"
    command: str = ""
    folder: str = ""
    paths: tuple[str, ...] = ()
    arguments: str = ""
    output: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard rails of one session.

    Attributes:
        workspace: as the agent sees it.
    """

    settings: GuardSettings
    workspace: str

    def before(self, call: ToolCall) -> tuple[Finding, ...]:
        """Return what is found in what a call is to do."""
        if self.settings.mode == "off":
            return ()
        return self._kept(_before(call, self.workspace))

    def after(self, call: ToolCall) -> tuple[Finding, ...]:
        """Return what is found in what a call has brought."""
        if self.settings.mode == "off" or call.own or not call.output:
            return ()
        return self._kept(_after(call))

    @property
    def blocks(self) -> bool:
        """Say whether what is found is refused."""
        return self.settings.mode == "block"

    def _kept(self, findings: Iterator[Finding]) -> tuple[Finding, ...]:
        kept: Mapping[Finding, None] = dict.fromkeys(
            finding for finding in findings if not is_allowed(finding, self.settings.allow)
        )
        return tuple(kept)[:FINDINGS_LIMIT]


def is_allowed(finding: Finding, allow: tuple[str, ...]) -> bool:
    """Say whether the workflow says that this is none: by the rule's name or by the file's path."""
    return any(fnmatchcase(finding.rule, each) or fnmatchcase(finding.place, each) for each in allow)


def _before(call: ToolCall, workspace: str) -> Iterator[Finding]:
    place = without_secrets(one_line(call.title, TITLE_SHOWN))
    for match in find_secrets(call.arguments):
        yield Finding.of(FindingKind.SECRET, match, f"the arguments of {place}")
    if call.own:
        return
    if call.command:
        for match in find_commands(call.command):
            yield Finding.of(FindingKind.COMMAND, match, place)
        for match in find_writes(call.command, workspace, call.folder or None):
            yield Finding.of(FindingKind.PATH, match, place)
    if call.kind in WRITING:
        for path in call.paths[:PATHS_LIMIT]:
            if outside(path, workspace, call.folder or workspace):
                match = Match(OUTSIDE, without_secrets(path[:1_000]))
                yield Finding.of(FindingKind.PATH, match, place)


def _after(call: ToolCall) -> Iterator[Finding]:
    place = f"the output of {without_secrets(one_line(call.title, TITLE_SHOWN))}"
    for match in find_secrets(call.output):
        yield Finding.of(FindingKind.SECRET, match, place)
    if call.kind not in WRITING:
        for match in find_injections(call.output):
            yield Finding.of(FindingKind.INJECTION, match, place)
