"""One line of a run log: bounded when it is taken, redacted when it is written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from symphony.core.redaction import DEEPEST, Clipped, Redactor
from symphony.store.texts import instant_text

LINE_LIMIT = 1_048_576  # bytes; what any reader can take in one piece
TEXT_LIMIT = LINE_LIMIT // 2  # characters of all texts of a line, as escapes and UTF-8 need more bytes
NODE_COST = 16  # characters that a value costs beside its text, so that a million of nothing is cut too
RESERVED = frozenset({"at", "attempt", "kind"})


@dataclass(frozen=True, slots=True)
class Line:
    """What happened, taken out of the hands of whoever reported it.

    Attributes:
        fields: bounded copies; texts that were too long are `Clipped`.
        size: characters, roughly.
    """

    at: datetime
    attempt: str
    kind: str
    fields: Mapping[str, Any]
    size: int


class _Budget:
    def __init__(self, characters: int, overlap: int) -> None:
        self.left = characters
        self.overlap = overlap

    def copy(self, value: Any, depth: int = 0) -> Any:
        self.left -= NODE_COST
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self._text(value)
            case Mapping() | list() | tuple() | set() | frozenset() if depth >= DEEPEST:
                return f"… [cut: {len(value)} entries]"
            case Mapping():
                return self._mapping(value, depth)
            case list() | tuple() | set() | frozenset():
                return self._list(value, depth)
            case bytes():
                return self._text(value[: max(self.left, 0) + self.overlap].decode("utf-8", "replace"))
            case _:
                return self._text(str(value))

    def _text(self, text: str) -> str | Clipped:
        room = max(self.left, 0)
        kept = text[: room + self.overlap] if len(text) > room else text
        self.left -= len(kept)
        return Clipped(kept, len(text)) if len(text) > room else kept

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, entry in value.items():
            if self.left <= 0:
                copy["…"] = f"[cut: {len(value) - len(copy)} entries]"
                break
            name = str(key)
            if len(name) > self.left:
                name = f"… [cut: {len(name)} characters]"
            self.left -= len(name)
            copy[name] = self.copy(entry, depth + 1)
        return copy

    def _list(self, value: Any, depth: int) -> list[Any]:
        copy: list[Any] = []
        for entry in value:
            if self.left <= 0:
                copy.append(f"… [cut: {len(value) - len(copy)} entries]")
                break
            copy.append(self.copy(entry, depth + 1))
        return copy


def take(at: datetime, attempt: str, kind: str, fields: Mapping[str, Any], redactor: Redactor) -> Line:
    """Return the line with copies of the fields that later changes do not reach; never raises."""
    budget = _Budget(TEXT_LIMIT, redactor.overlap)
    try:
        copy = budget.copy(fields)
    except Exception as error:  # noqa: BLE001 - a value whose text cannot be had is no reason to stop
        copy = {"unwritable": repr(error)}
    return Line(at, attempt, kind, copy, TEXT_LIMIT - budget.left)


def encoded(line: Line, redactor: Redactor) -> bytes:
    """Return one line of JSON without secrets, at most `LINE_LIMIT` bytes, with its line feed."""
    head = {"at": instant_text(line.at), "attempt": line.attempt, "kind": redactor.text(line.kind)}
    fields = redactor.value(line.fields)
    own = {f"{name}_" if name in RESERVED else name: value for name, value in fields.items()}
    try:
        data = _json(head | own)
    except ValueError as error:  # such as an integer with more digits than Python prints
        data = _json(head | {"unwritable": str(error)})
    if len(data) > LINE_LIMIT:
        text = data.decode("utf-8")[: (LINE_LIMIT - 4096) // 4]  # no character takes more bytes than four
        data = _json(head | {"cut": len(data), "text": text})
    return data


def _json(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # a lone surrogate becomes the escape that JSON has for it
    return text.encode("utf-8", "backslashreplace") + b"\n"
