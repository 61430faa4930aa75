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

    def begin(self, path: Path, last: int) -> int:
        """Print the last entries and return where the next line starts."""
        offset = 0
        shown: deque[Entry | Heading] = deque(maxlen=last)
        heading: Heading | None = None
        for line in read_run_log(path, last=max(last, 1) * (1 if self._raw else LINES_PER_ENTRY)):
            offset = line.next_offset
            for part in self._timeline.take(line.fields):
                shown.append(part)
                heading = part if isinstance(part, Heading) else heading
        shown.extend(self._timeline.flush())
        if heading is not None and shown and not any(isinstance(part, Heading) for part in shown):
            self._print([heading])
        self._print(shown)
        return offset

    def add(self, line: RunLogLine) -> None:
        """Print what one line adds."""
        self._print(self._timeline.take(line.fields))

    def pause(self) -> None:
        """Print what the agent was saying."""
        self._print(self._timeline.flush())

    def _print(self, parts: Iterable[Entry | Heading] | Iterator[Entry]) -> None:
        for part in parts:
            if isinstance(part, Heading):
                self._screen.heading(part.text)
                continue
            first, *more = part.text.splitlines() or [""]
            self._screen.line(f"{part.clock}  {part.label:<{LABEL}}{first}", style=part.style)
            self._screen.paragraph("\n".join(more), indent=" " * (LABEL + 10), style=part.style)
