"""`symphony logs ID`: what happened to an issue, now and as it goes on."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from symphony.cli.desk import read
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.timeline import Entry, Heading, Timeline
from symphony.store.run_log import run_log_path
from symphony.store.run_log_reader import RunLogLine, read_run_log

LOOK_EVERY_S: Final = 0.2  # quicker than a person reads, and nothing for the machine
SILENCE_LOOKS: Final = 5  # so long an agent may pause within a sentence before it is shown
LINES_PER_ENTRY: Final = 25  # lines of the file behind one that is shown, roughly, from the end
LABEL = 10


def show_logs(place: Place, issue_id: str, *, last: int, follow: bool, raw: bool, as_json: bool) -> None:
    """Print an issue's run log, and with `follow` go on until Ctrl-C.

    Raises:
        SymphonyError: `issue_not_found` when neither a log nor an issue is there.
    """
    path = run_log_path(place.installation.run_logs, issue_id)
    screen = Screen()
    if not path.exists():
        read(place, lambda desk: desk.detail(issue_id))
        if not as_json:
            screen.line(f"Issue {issue_id} has not run yet; its run log will be {path}.")
            screen.flush()
    view = _JsonView(screen) if as_json else _StoryView(screen, raw=raw)
    offset = view.begin(path, last)
    if follow:
        try:
            _follow(path, offset, view, screen)
        except KeyboardInterrupt:
            return  # the usual way to end it


def _follow(path: Path, offset: int, view: "_JsonView | _StoryView", screen: Screen) -> None:
    quiet = 0
    while True:
        before = offset
        for line in read_run_log(path, follow_from=offset):
            view.add(line)
            offset = line.next_offset
        quiet = quiet + 1 if offset == before else 0
        if quiet == SILENCE_LOOKS:
            view.pause()
        screen.flush()
        time.sleep(LOOK_EVERY_S)


class _JsonView:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def begin(self, path: Path, last: int) -> int:
        """Print the last lines and return where the next one starts."""
        lines = deque(read_run_log(path, last=max(last, 1)), maxlen=max(last, 1))
        for line in lines if last else ():
            self.add(line)
        return lines[-1].next_offset if lines else 0

    def add(self, line: RunLogLine) -> None:
        """Print one line."""
        self._screen.json_line(line.fields)

    def pause(self) -> None:
        """Nothing is held back."""


class _StoryView:
    def __init__(self, screen: Screen, *, raw: bool) -> None:
        self._screen = screen
        self._raw = raw
        self._timeline = Timeline(raw=raw)
        self._heading: Heading | None = None
        self._shown_under: Heading | None = None

    def begin(self, path: Path, last: int) -> int:
        """Print the last entries and return where the next line starts."""
        offset = 0
        story: deque[tuple[Heading | None, Entry]] = deque(maxlen=last)
        for line in read_run_log(path, last=max(last, 1) * (1 if self._raw else LINES_PER_ENTRY)):
            offset = line.next_offset
            story.extend(self._entries(self._timeline.take(line.fields)))
        story.extend(self._entries(self._timeline.flush()))
        for heading, entry in story:
            self._print(heading, entry)
        return offset

    def add(self, line: RunLogLine) -> None:
        """Print what one line adds."""
        for heading, entry in self._entries(self._timeline.take(line.fields)):
            self._print(heading, entry)

    def pause(self) -> None:
        """Print what the agent was saying."""
        for heading, entry in self._entries(self._timeline.flush()):
            self._print(heading, entry)

    def _entries(self, parts: Iterable[Entry | Heading]) -> Iterator[tuple[Heading | None, Entry]]:
        """Yield each entry with the heading that it stands under."""
        for part in parts:
            if isinstance(part, Heading):
                self._heading = part
            else:
                yield self._heading, part

    def _print(self, heading: Heading | None, entry: Entry) -> None:
        if heading is not None and heading != self._shown_under:
            self._shown_under = heading
            self._screen.heading(heading.text)
        first, *more = entry.text.splitlines() or [""]
        self._screen.line(f"{entry.clock}  {entry.label:<{LABEL}}{first}", style=entry.style)
        self._screen.paragraph("\n".join(more), indent=" " * (LABEL + 10), style=entry.style)
