"""The pages of an issue's timeline, read from its run log a piece at a time; every call blocks on the disk.

A page is a part of the file between two multiples of `BLOCK`, so that a log of any size opens at
once, and so that whoever reads it later names the same entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

from symphony.store.run_log_reader import read_window
from symphony.web.markdown import render_markdown
from symphony.web.site import Site, as_live
from symphony.web.timeline.assembler import BLOCK, Assembler
from symphony.web.timeline.entries import Entry, Note, Speech, Voice
from symphony.web.timeline.notes import note_of

CATCH_UP: Final = 16 * BLOCK  # bytes that are sent to a viewer who comes back; beyond it the page begins anew
TEMPLATE: Final = "issue_entry.html"


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry with its element."""

    entry: Entry
    html: str


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """A part of the timeline.

    Attributes:
        start: where it begins in the run log; what is older ends there. 0 when there is nothing older.
        end: where the next line starts.
        latest: whether it is the last page.
    """

    html: Markup
    start: int
    end: int
    latest: bool
    size: int


class TimelinePages:
    """Reads and renders."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def page(self, path: Path, before: int | None = None) -> TimelinePage:
        """Return the last page, or the one that ends at an offset.

        Raises:
            OSError: the run log is there and cannot be read.
        """
        size = path.stat().st_size if path.exists() else 0
        end = size if before is None else min(before, size)
        start = page_start(end)
        window = read_window(path, start, None if before is None else end)
        assembler = Assembler()
        for line in window.lines:
            assembler.take(line)
        html = "\n".join(self.element(entry) for entry in assembler.entries)
        return TimelinePage(
            Markup(html),  # noqa: S704 - templates made it
            start,
            max(window.next_offset, start),
            before is None,
            window.size,
        )

    def hooks(self, path: Path) -> tuple[Note, ...]:
        """Return how hooks and checks ended on the last page, the latest first.

        Raises:
            OSError: the run log is there and cannot be read.
        """
        size = path.stat().st_size if path.exists() else 0
        lines = read_window(path, page_start(size)).lines
        found = [note_of(line.fields) for line in lines if line.fields.get("kind") == "hook"]
        return tuple(reversed(found))

    def since(self, path: Path, after: int) -> tuple[str, int]:
        """Return what is new after an offset as live elements, and the offset after it.

        Raises:
            OSError: the run log is there and cannot be read.
        """
        size = path.stat().st_size if path.exists() else 0
        if after > size or size - after > CATCH_UP:
            return self.anew(path)
        window = read_window(path, page_start(after))
        assembler = Assembler()
        for line in window.lines:
            assembler.take(line)
        changed = [Shown(entry, self.element(entry)) for entry in assembler.changed_since(after)]
        return live_elements(changed, after), max(after, window.next_offset)

    def anew(self, path: Path) -> tuple[str, int]:
        """Return the last page in the place of whatever is shown, and the offset after it.

        Raises:
            OSError: the run log is there and cannot be read.
        """
        page = self.page(path)
        older = (
            "" if not page.start else '<li class="gap">What is older is on the page when you reload it.</li>'
        )
        return f'<ol id="timeline" class="timeline" hx-swap-oob="outerHTML">{older}{page.html}</ol>', page.end

    def element(self, entry: Entry) -> str:
        """Return an entry's element."""
        body = entry.body
        markdown = (
            render_markdown(body.text) if isinstance(body, Speech) and body.voice is Voice.MESSAGE else None
        )
        return self._site.fragment(TEMPLATE, entry=entry, body=body, markdown=markdown)


def page_start(end: int) -> int:
    """Return where the page begins that ends here: one to two blocks before."""
    return max(0, (end - 1) // BLOCK - 1) * BLOCK


def live_elements(changed: Sequence[Shown], after: int) -> str:
    """Return entries for a page that shows all lines up to `after`: new ones at its end, others in place."""
    grown = [as_live(each.entry.element, each.html) for each in changed if each.entry.offset < after]
    new = [appended(each) for each in changed if each.entry.offset >= after]
    return "\n".join([*grown, *new])


def appended(shown: Shown) -> str:
    """Return an entry as an element that goes to the timeline's end.

    Each has the attribute itself: a list around them would be put in with them, since the morphing
    extension takes every swap for one of the whole element.
    """
    mark = f' id="{shown.entry.element}"'
    return shown.html.replace(mark, f'{mark} hx-swap-oob="beforeend:#timeline"', 1)
