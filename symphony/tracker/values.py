"""Front matter values: each key's type checked, every fault collected [CONTRACT 3.1]."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeGuard

from symphony.tracker.front_matter import kind_of
from symphony.tracker.names import id_fault

DIGITS = re.compile(r"^\s*-?[0-9]+\s*$")
NUMBER_BITS = 64  # larger ones cannot be stored, and Python refuses to print very large ones


class ValueFaults(Exception):
    """Some values have a wrong type.

    Attributes:
        faults: the key, None for the file's name, and a sentence: what was found, what is allowed.
    """

    def __init__(self, faults: tuple[tuple[str | None, str], ...]) -> None:
        super().__init__("; ".join(message for _, message in faults))
        self.faults = faults


class Values:
    """Reads typed values from one front matter and remembers what was wrong with it."""

    def __init__(self, front: Mapping[Any, Any]) -> None:
        self._front = front
        self._faults: list[tuple[str | None, str]] = []

    def finish(self) -> None:
        """Raise ValueFaults if any value read so far was wrong."""
        if self._faults:
            raise ValueFaults(tuple(self._faults))

    def issue_id(self, *, default: str) -> str:
        """Return the id that the author gave, else the default, checked as an id."""
        issue_id = self.text("id")
        if issue_id is None:
            if (fault := id_fault(default)) is not None:
                message = (
                    f"the file name cannot be an issue id: it {fault}; rename the file, or give it an `id`"
                )
                self._faults.append((None, message))
            return default
        if (fault := id_fault(issue_id)) is not None:
            self._faults.append(("id", f"`id` cannot be an issue id: it {fault}; choose another"))
        return issue_id

    def title(self) -> str | None:
        """Return the title folded into one line; None when it is absent or blank."""
        title = self.text("title")
        return None if title is None else " ".join(title.split()) or None

    def text(self, key: str) -> str | None:
        """Return a text; whole numbers count as text; None when it is absent or blank."""
        value = self._front.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return value.strip() or None
        if is_whole_number(value):
            return str(value)
        self._wrong(key, value, "text (in quotes if YAML takes it for something else)")
        return None

    def whole_number(self, key: str) -> int | None:
        """Return a whole number, also one written as digits in quotes."""
        value = self._front.get(key)
        if value is None:
            return None
        number = parsed(int, value) if isinstance(value, str) and DIGITS.match(value) else value
        if is_whole_number(number):
            return number
        self._wrong(key, value, "a whole number such as 2, or nothing")
        return None

    def words(self, key: str) -> tuple[str, ...]:
        """Return a list of texts or whole numbers, blank ones left out."""
        value = self._front.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._wrong(key, value, "a list such as [one, two]")
            return ()
        words: list[str] = []
        for item in value:
            if isinstance(item, str):
                words.append(item.strip())
            elif is_whole_number(item):
                words.append(str(item))
            else:
                message = f"`{key}` has an entry that is {kind_of(item)}; allowed are texts and whole numbers"
                self._faults.append((key, message))
        return tuple(word for word in words if word)

    def moment(self, key: str) -> datetime | None:
        """Return a time as aware UTC; one without a zone is UTC, a date is its midnight."""
        value = self._front.get(key)
        if value is None:
            return None
        found = parsed(datetime.fromisoformat, value.strip()) if isinstance(value, str) else value
        if isinstance(found, date) and not isinstance(found, datetime):
            found = datetime(found.year, found.month, found.day, tzinfo=UTC)
        if isinstance(found, datetime):
            aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
            utc = parsed(aware.astimezone, UTC)
            if isinstance(utc, datetime):
                return utc
        self._wrong(key, value, "a time such as 2026-01-31T12:00:00Z")
        return None

    def others(self, known: frozenset[str]) -> Mapping[str, Any]:
        """Return every other key with its value as parsed."""
        extra = {str(key): value for key, value in self._front.items() if key not in known}
        self._faults.extend(
            (key, f"`{key}` has a number of more than {NUMBER_BITS} bits; put it in quotes")
            for key, value in extra.items()
            if has_large_number(value)
        )
        return extra

    def _wrong(self, key: str, value: object, allowed: str) -> None:
        self._faults.append((key, f"`{key}` is {kind_of(value)}; allowed is {allowed}"))


def parsed(convert: Callable[[Any], Any], value: object) -> Any:
    """Return what a conversion makes of a value, or None if it refuses."""
    try:
        return convert(value)
    except (ValueError, OverflowError):
        return None


def is_whole_number(value: object) -> TypeGuard[int]:
    """Say whether YAML read an ordinary whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < NUMBER_BITS


def has_large_number(value: object) -> bool:
    """Say whether a number that cannot be stored is anywhere in a value."""
    match value:
        case int():
            return value.bit_length() >= NUMBER_BITS
        case list() | tuple() | set():
            return any(map(has_large_number, value))
        case dict():
            return any(map(has_large_number, value.values())) or any(map(has_large_number, value))
        case _:
            return False
