"""`symphony image`: build, list, show and prune guest images.

Called by the parser. A build is ended by Ctrl-C and by SIGTERM alike, with the programs that it runs.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from symphony.cli.errors import usage_error
from symphony.cli.screen import Screen
from symphony.cli.words import size
from symphony.sandbox.images.build import Means, Progress, build_image
from symphony.sandbox.images.definition import (
    DEFAULT,
    FOLDER,
    MINIMAL,
    Definition,
    names,
    plan_image,
    read_definition,
)
from symphony.sandbox.images.image import Image, render_image
from symphony.sandbox.images.in_use import folders_in_use
from symphony.sandbox.images.library import Library, open_library
from symphony.sandbox.images.source import base_of


def build(
    name: str | None,
    *,
    minimal: bool,
    definition: Path | None,
    base: str | None,
    sources: Path | None,
    install: bool,
    refresh: bool,
    as_json: bool,
) -> None:
    """Build an image and say what it is."""
    screen = Screen()
    wanted, folder = _definition(name, minimal=minimal, file=definition)
    library = open_library(os.environ)
    base, digest = (None, "debian") if base is None else base_of(base)
    today = f"{datetime.now(UTC):%Y-%m-%d}" if refresh else ""
    plan = plan_image(wanted, folder, base=digest, refreshed=today)
    means = Means(
        os.environ,
        (lambda _: None) if as_json else _Teller(screen, tuple(plan.stages)).tell,
        lambda: datetime.now(UTC),
        base=base,
        sources=sources,
        install=install,
    )
    called = name or wanted.name
    left_out = [agent.command for agent in wanted.agents if agent not in plan.agents]
    with _ended_by_signals():
        built = build_image(library, plan, called, means)
    if as_json:
        screen.json({**_as_json(library, built.image), "fresh": built.fresh})
        return
    for command in left_out:
        screen.line(
            f"There is no {command} for {plan.architecture}; the image is without it.", style="yellow"
        )
    verb = "is ready" if built.fresh else "is there already: nothing to do"
    screen.line(f"Image {called} {verb} ({built.image.short}, {size(built.image.size_bytes)}).")
    screen.line(f"Its files are in {built.rootfs}.")
    if called != DEFAULT:
        screen.line("A workflow uses it with")
        screen.command(f"smolvm: {{image: {called}}}")


def list_images(*, as_json: bool) -> None:
    """Print all images, the newest first."""
    library, screen = open_library(os.environ), Screen()
    names_of = _names_of(library)
    if as_json:
        screen.json(
            {
                "images": [_as_json(library, image) for image in library.images()],
                "damaged": [{"path": str(it.folder), "reason": it.reason} for it in library.damaged()],
            }
        )
        return
    now = datetime.now(UTC)
    rows = [
        (
            ", ".join(names_of.get(image.id, ())) or "-",
            image.short,
            size(image.size_bytes),
            age(now, image.created),
            "the default" if DEFAULT in names_of.get(image.id, ()) else "",
        )
        for image in library.images()
    ]
    if rows:
        screen.table([("NAME", "ID", "SIZE", "AGE", ""), *rows], indent="")
    else:
        screen.line(f"There is no image in {library.place.root}. Build one with `symphony image build`.")
    for it in library.damaged():
        screen.line(
            f"{it.folder} is no image: {it.reason}. `symphony image prune` removes it.", style="yellow"
        )


def show_image(text: str, *, as_json: bool) -> None:
    """Print all that is known of one image."""
    library, screen = open_library(os.environ), Screen()
    image = library.find(text)
    if as_json:
        screen.json(_as_json(library, image))
        return
    screen.table(
        [
            ("names", ", ".join(_names_of(library).get(image.id, ())) or "none"),
            ("id", image.id),
            ("created", f"{image.created:%Y-%m-%d %H:%M} UTC"),
            ("size", size(image.size_bytes)),
            ("processor", image.architecture),
            ("definition", image.name),
            ("base", image.base),
            ("files", library.rootfs(image)),
        ],
        indent="",
    )
    screen.heading("Stages")
    screen.table([(stage.name, size(stage.size_bytes), f"{stage.seconds:.1f} s") for stage in image.stages])
    screen.heading("Packages")
    screen.table(sorted(image.packages.items()))


def prune(*, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Remove what nothing needs and say what room that made."""
    library, screen = open_library(os.environ), Screen()
    used = folders_in_use(os.environ)
    if dry_run or not library.place.root.exists():
        removed = library.prune(everything=everything, dry_run=True, in_use=used)
    else:
        teller = _Teller(screen, ())

        def waiting(seconds: float) -> None:
            if not as_json:
                teller.tell(Progress("waiting", seconds, "a build holds the library"))

        with library.changing(waiting, time.monotonic, time.sleep):
            removed = library.prune(everything=everything, dry_run=False, in_use=used)
    freed = sum(item.size_bytes for item in removed)
    if as_json:
        screen.json(
            {
                "removed": [
                    {"what": it.what, "path": str(it.path), "bytes": it.size_bytes} for it in removed
                ],
                "freed_bytes": freed,
                "dry_run": dry_run,
            }
        )
        return
    for item in removed:
        screen.line(f"{'would remove' if dry_run else 'removed'} {item.what}, {size(item.size_bytes)}")
    if not removed:
        screen.line("Nothing to remove.")
    else:
        screen.line(f"{size(freed)} {'would be' if dry_run else 'were'} freed.")


def age(now: datetime, then: datetime) -> str:
    """Return how long ago something was."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


class _Teller:
    """Prints how a build goes: a line when a stage does something new, and while it is quiet."""

    QUIET = 10.0  # seconds between two lines that say the same

    def __init__(self, screen: Screen, stages: tuple[str, ...]) -> None:
        self._screen = screen
        self._stages = (*stages, "unpack")
        self._last = ("", "", -self.QUIET)

    def tell(self, progress: Progress) -> None:
        stage, doing, seconds = self._last
        if progress.size_bytes is None:
            same = (progress.stage, progress.doing) == (stage, doing)
            if same and progress.seconds - seconds < self.QUIET:
                return
            self._last = (progress.stage, progress.doing, progress.seconds)
            said = progress.doing
        else:
            said = (
                f"kept from an earlier build, {size(progress.size_bytes)}"
                if progress.kept
                else (f"done, {size(progress.size_bytes)}")
            )
        self._screen.line(
            f"{self._place(progress.stage)}{progress.stage:<9} {progress.seconds:5.1f} s  {said}"
        )
        self._screen.flush()

    def _place(self, stage: str) -> str:
        if stage not in self._stages:
            return ""
        return f"[{self._stages.index(stage) + 1}/{len(self._stages)}] "


def _definition(name: str | None, *, minimal: bool, file: Path | None) -> tuple[Definition, Path]:
    if file is not None:
        if minimal:
            raise usage_error("--minimal and --definition exclude each other.")
        return read_definition(file), file.absolute().parent
    if minimal:
        return read_definition(FOLDER / f"{MINIMAL}.toml"), FOLDER
    known = name if name in names() else DEFAULT
    return read_definition(FOLDER / f"{known}.toml"), FOLDER


def _names_of(library: Library) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, image_id in library.names().items():
        found.setdefault(image_id, []).append(name)
    return found


def _as_json(library: Library, image: Image) -> dict[str, Any]:
    named = _names_of(library).get(image.id, [])
    return {
        **render_image(image),
        "names": named,
        "default": DEFAULT in named,
        "rootfs": str(library.rootfs(image)),
        "packages": image.packages,
    }


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end a build as Ctrl-C does, so that no program of it goes on alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
