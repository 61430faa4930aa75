"""The guard rails on one session: every tool call that the agent tells of, and what it asks to be allowed.

Pure but for what it remembers: each finding is told once.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from symphony.agent.permission import OWN_TOOL
from symphony.core.agent import AgentEvent, SessionSpec
from symphony.core.guard.call import DESTROYING, Guard, ToolCall
from symphony.core.guard.finding import Finding
from symphony.core.guard.ledger import KEPT_OF_ATTEMPT, said_of
from symphony.core.permission import Proposal

TEXTS: Final = 200  # texts of one call that are read
DEPTH: Final = 8  # levels of its arguments
PATHS: Final = ("file_path", "filePath", "path", "filename", "notebook_path", "destination")
COMMANDS: Final = ("command", "cmd", "script")
FOLDERS: Final = ("cwd", "workdir", "working_directory")
ENDED: Final = frozenset({"completed", "failed"})
BEGUN: Final = frozenset({"in_progress", "completed"})


class Watch:
    """Looks at one session's tool calls."""

    def __init__(self, spec: SessionSpec, on_event: Callable[[AgentEvent], None]) -> None:
        self._guard = Guard(spec.guard, str(spec.cwd))
        self._on_event = on_event
        self._told: set[Finding] = set()
        self._looked: dict[str, str] = {}
        self._asked: set[str] = set()

    @property
    def blocks(self) -> bool:
        """Say whether what is found is refused."""
        return self._guard.blocks

    def heard(self, identity: str, call: Mapping[str, Any]) -> None:
        """Look at a tool call as it stands; what was looked at before is not looked at again."""
        if self._guard.settings.mode == "off":
            return
        tool, status = read_tool_call(call), str(call.get("status") or "")
        ended = status in ENDED
        seen = f"{len(tool.arguments)} {ended} {hash(tool.arguments)}"
        if self._looked.get(identity) == f"{seen} {status}":
            return
        self._looked[identity] = f"{seen} {status}"
        if len(self._looked) > TEXTS:
            del self._looked[next(iter(self._looked))]
        begun = status in BEGUN and identity not in self._asked and self.blocks
        for finding in self._guard.before(tool):
            self._tell(finding, ends_turn=begun and finding.rule in DESTROYING)
        if ended:
            for finding in self._guard.after(tool):
                self._tell(finding)

    def asked(self, identity: str, call: Mapping[str, Any], proposal: Proposal) -> str:
        """Return why what an agent asks for is refused; empty when nothing is found, or it is let through."""
        self._asked.add(identity)
        tool = read_tool_call({"title": proposal.title, "kind": proposal.kind, **call})
        findings = self._guard.before(tool)
        for finding in findings:
            self._tell(finding, refused=self.blocks and not tool.own)
        return refusal(findings) if findings and self.blocks and not tool.own else ""

    def _tell(self, finding: Finding, *, refused: bool = False, ends_turn: bool = False) -> None:
        if ends_turn or (finding not in self._told and len(self._told) < 2 * KEPT_OF_ATTEMPT):
            self._told.add(finding)
            said = f"{'refused: ' if refused else ''}{finding}"
            self._on_event(AgentEvent("guard", said, finding=finding, refused=refused, ends_turn=ends_turn))


def refusal(findings: tuple[Finding, ...]) -> str:
    """Return the reason for which the guard rails refuse what has these findings."""
    return f"guard is block, and the guard rails found {said_of(findings)}"


def read_tool_call(call: Mapping[str, Any]) -> ToolCall:
    """Return a tool call, as ACP has it, as the guard rails look at it; never raises."""
    given = call.get("rawInput")
    fields = given if isinstance(given, Mapping) else {}
    title, command = _text(call.get("title")) or "a tool call", next(_commands(fields), "")
    return ToolCall(
        title=title,
        kind=_text(call.get("kind")) or "other",
        command=command,
        folder=next(filter(None, (_text(fields.get(name)) for name in FOLDERS)), ""),
        paths=tuple(dict.fromkeys(_paths(fields, call.get("locations"), call.get("content")))),
        arguments="\n".join(_texts(given)) + "\n" + "\n".join(_diffs(call.get("content"))),
        output="\n".join(dict.fromkeys([*_outputs(call.get("content")), *_texts(call.get("rawOutput"))])),
        own=OWN_TOOL.fullmatch(title) is not None and not command,
    )


def _commands(fields: Mapping[str, Any]) -> Iterator[str]:
    for name in COMMANDS:
        value = fields.get(name)
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            yield " ".join("'" + word.replace("'", "'\\''") + "'" for word in value)
        elif isinstance(value, str) and value.strip():
            yield value


def _paths(fields: Mapping[str, Any], locations: Any, content: Any) -> Iterator[str]:
    yield from filter(None, (_text(fields.get(name)) for name in PATHS))
    for part in (*_maps(locations), *(each for each in _maps(content) if each.get("type") == "diff")):
        if path := _text(part.get("path")):
            yield path


def _diffs(content: Any) -> Iterator[str]:
    for part in _maps(content):
        if part.get("type") == "diff":
            yield _text(part.get("newText"))


def _outputs(content: Any) -> Iterator[str]:
    for part in _maps(content):
        inner = part.get("content")
        if part.get("type") == "content" and isinstance(inner, Mapping):
            resource = inner.get("resource")
            yield _text(inner.get("text"))
            yield _text(resource.get("text")) if isinstance(resource, Mapping) else ""


def _texts(value: Any) -> Iterator[str]:
    """Yield each text in a value, with its name before it where it has one."""
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    for _ in range(TEXTS):
        if not waiting:
            return
        name, each, depth = waiting.pop()
        if isinstance(each, str):
            yield f"{name}: {each}" if name and "\n" not in each else each
        elif depth < DEPTH and isinstance(each, Mapping):
            inner = ((str(key), part, depth + 1) for key, part in each.items())
            waiting.extend(reversed([*inner][:TEXTS]))
        elif depth < DEPTH and isinstance(each, list):
            waiting.extend((name, part, depth + 1) for part in reversed(each[:TEXTS]))


def _maps(value: Any) -> tuple[Mapping[str, Any], ...]:
    return (
        tuple(part for part in value[:TEXTS] if isinstance(part, Mapping)) if isinstance(value, list) else ()
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
