"""From a run log's lines to a timeline's entries, one line after the other.

An entry is named after the line that began it. Where entries are joined does not depend on the
line at which reading began: the file is cut into blocks of fixed size, and nothing is joined over
the end of one. So a page and whoever follows the file later mean the same by a name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from symphony.core.text import one_line, plain
from symphony.store.run_log_reader import RunLogLine
from symphony.web.timeline.entries import (
    TEXT_LIMIT,
    Body,
    Entry,
    Heading,
    Note,
    PhaseEntered,
    Plan,
    Speech,
    ToolCall,
)
from symphony.web.timeline.messages import CallUpdated, Said, read_incoming, read_outgoing
from symphony.web.timeline.notes import JOINED, note_of
from symphony.web.timeline.tool_calls import with_update

BLOCK: Final = 131_072  # bytes of a run log in which entries may be joined, and the unit of pages
CALLS: Final = 500  # tool calls that may still change
SUMMARIES: Final = frozenset({"message", "thought", "tool_call", "plan", "usage"})
HEADING, ENTRY = 0, 1


class Assembler:
    """Takes lines in their order; holds the latest entries."""

    def __init__(self, kept: int | None = None) -> None:
        """Begin with nothing; hold at most `kept` entries, of which the oldest go first.

        Attributes:
            forgotten: the end of the last line that changed an entry which is no longer held.
        """
        self.forgotten = 0
        self._kept = kept
        self._entries: dict[str, Entry] = {}
        self._calls: dict[str, Entry] = {}
        self._standing: dict[type[Body] | str, str] = {}
        self._latest: Entry | None = None
        self._message: str | None = None
        self._under: tuple[str, str] | None = None
        self._summary: str | None = None
        self._begun = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries, oldest first."""
        return tuple(self._entries.values())

    def changed_since(self, offset: int) -> tuple[Entry, ...]:
        """Return the entries that lines from this offset on began or changed, in their order."""
        return tuple(entry for entry in self._entries.values() if entry.until > offset)

    def take(self, line: RunLogLine) -> None:
        """Take the next line; never raises, whatever is in it."""
        fields = line.fields
        kind = str(fields.get("kind", "?"))
        expected, self._summary = self._summary, None
        first, self._begun = not self._begun, True
        if kind in SUMMARIES and (kind == expected or (first and line.offset > 0)):
            return  # the message before it said the same, and more
        self._head(line)
        for body, joins in self._bodies(kind, fields, line):
            self._add(body, joins, line)
        while self._kept is not None and len(self._entries) > self._kept:
            gone = self._entries.pop(next(iter(self._entries)))
            self.forgotten = max(self.forgotten, gone.until)

    def _bodies(
        self, kind: str, fields: Mapping[str, Any], line: RunLogLine
    ) -> Iterator[tuple[Body, Entry | None]]:
        """Yield what the line shows, each with the entry that it takes the place of."""
        match kind:
            case "frame_in":
                message, summary = read_incoming(fields.get("frame"))
                self._summary = summary or None
                match message:
                    case Said():
                        yield self._joined(message, line)
                    case CallUpdated():
                        yield from self._call(message, line)
                    case Plan():
                        yield message, self._same_turn(Plan, line)
                    case Note(label="usage"):
                        yield message, self._same_turn("usage", line)
                    case Note():
                        yield message, None
            case "frame_out":
                if (said := read_outgoing(fields.get("frame"))) is not None:
                    yield Speech(said.voice, said.text), None
            case "phase" if "phase" in fields:
                turn = fields.get("turn")
                self._standing.clear()
                yield (
                    PhaseEntered(one_line(str(fields["phase"]), 80), turn if isinstance(turn, int) else 0),
                    None,
                )
            case _ if kind in JOINED:
                yield self._more_lines(note_of(fields), line)
            case _:
                yield note_of(fields), None

    def _head(self, line: RunLogLine) -> None:
        attempt, day = str(line.fields.get("attempt", "")), str(line.fields.get("at", ""))[:10]
        if (attempt, day) == self._under:
            return
        self._under = (attempt, day)
        self._standing.clear()
        heading = Heading(one_line(attempt, 100), one_line(day, 10))
        self._put(Entry(line.offset, HEADING, _clock(line), heading, line.next_offset))

    def _add(self, body: Body, joins: Entry | None, line: RunLogLine) -> None:
        if joins is None:
            entry = Entry(line.offset, ENTRY, _clock(line), body, line.next_offset)
        else:
            entry = replace(joins, body=body, until=line.next_offset)
        self._put(entry)
        match body:
            case Plan():
                self._standing[Plan] = entry.element
            case Note(label="usage"):
                self._standing["usage"] = entry.element
            case ToolCall(call=call):
                self._calls.pop(call, None)
                self._calls[call] = entry
                while len(self._calls) > CALLS:
                    del self._calls[next(iter(self._calls))]

    def _put(self, entry: Entry) -> None:
        self._entries[entry.element] = entry
        self._latest = entry

    def _joined(self, said: Said, line: RunLogLine) -> tuple[Body, Entry | None]:
        before, same_message = self._latest, said.message == self._message
        self._message = said.message
        match before:
            case Entry(body=Speech(voice=said.voice, text=text)) if same_message and _same_block(
                before, line
            ):
                return Speech(said.voice, plain(text + said.text, TEXT_LIMIT)), before
            case _:
                return Speech(said.voice, plain(said.text, TEXT_LIMIT)), None

    def _call(self, message: CallUpdated, line: RunLogLine) -> Iterator[tuple[Body, Entry | None]]:
        before = self._calls.get(message.call)
        known = before.body if before is not None and isinstance(before.body, ToolCall) else None
        now = with_update(known or ToolCall(message.call), message.update)
        if before is None:
            yield now, None
            return
        if before.element in self._entries:
            yield now, before
        if not _same_block(before, line):
            yield now, None

    def _same_turn(self, what: type[Body] | str, line: RunLogLine) -> Entry | None:
        before = self._entries.get(self._standing.get(what, ""))
        return before if before is not None and _same_block(before, line) else None

    def _more_lines(self, note: Note, line: RunLogLine) -> tuple[Body, Entry | None]:
        before = self._latest
        match before:
            case Entry(body=Note(label=note.label, text=text)) if _same_block(before, line):
                return replace(note, text=plain(f"{text}\n{note.text}", TEXT_LIMIT)), before
            case _:
                return note, None


def _same_block(entry: Entry, line: RunLogLine) -> bool:
    return entry.offset // BLOCK == line.offset // BLOCK


def _clock(line: RunLogLine) -> str:
    return one_line(str(line.fields.get("at", ""))[11:19], 8)
