"""What each adapter's program offered when a session was last opened with it.

One small file that the host owns. The session writes it, validation and `doctor` read it: they can only
warn by it, since another login, another model or another version may offer more. What a program offers is a
stranger's text: bounded, and one line each.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from symphony.core.settings import Settings
from symphony.core.text import first_of, one_line
from symphony.host.durable import write_durably

NAMES = 200  # of one choice; opencode may offer hundreds of models
NAME = 120  # characters
SIZE_LIMIT = 2**20  # bytes
CHOICES = ("model", "effort", "mode")
SHOWN = 20  # names in a warning

Offers = Mapping[str, tuple[str, ...]]


class Advertised:
    """The file; a missing or broken one knows nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, adapter: str) -> tuple[str, Offers]:
        """Return the version that was seen last and what it offered, by choice."""
        entry = self._read().get(adapter)
        if not isinstance(entry, dict):
            return "", {}
        offers = {
            what: tuple(name for name in entry[what] if isinstance(name, str))
            for what in CHOICES
            if isinstance(entry.get(what), list)
        }
        return str(entry.get("version", "")), offers

    def note(self, adapter: str, version: str, offers: Offers) -> None:
        """Remember what a program offers, if that is news.

        Raises:
            OSError: the file cannot be written.
        """
        known = self._read()
        entry = {
            "version": one_line(version, NAME),
            **{what: [one_line(name, NAME) for name in names][:NAMES] for what, names in offers.items()},
        }
        if known.get(adapter) == entry:
            return
        text = json.dumps({**known, adapter: entry}, indent=1, ensure_ascii=False)
        write_durably(self._path, text.encode("utf-8"))

    def warnings(self, settings: Settings) -> Iterator[str]:
        """Yield what the workflow names and the adapter did not offer; `acp.command` is not held to it."""
        states: list[tuple[str, Settings]] = [("acp", settings)]
        states += [(f"states.{name}", settings.in_state(name)) for name in settings.states or ()]
        told: set[tuple[str, str, str]] = set()
        for where, here in states:
            if here.acp.command is not None:
                continue
            version, offers = self.known(here.acp.adapter)
            for what in CHOICES:
                wanted, names = getattr(here.acp, what), offers.get(what, ())
                if wanted is None or not names or _offered(wanted, names):
                    continue
                if (here.acp.adapter, what, wanted) not in told:
                    told.add((here.acp.adapter, what, wanted))
                    yield (
                        f'{where}.{what}: found "{one_line(wanted, NAME)}"; {here.acp.adapter} {version}'
                        f" last offered {first_of(names, SHOWN)}."
                    )

    def _read(self) -> dict[str, Any]:
        try:
            if self._path.stat().st_size > SIZE_LIMIT:
                return {}
            known = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}


def _offered(wanted: str, names: tuple[str, ...]) -> bool:
    key = wanted.strip().casefold()
    return any(key == name.strip().casefold() for name in names)
