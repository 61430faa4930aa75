"""`symphony backup` and `symphony restore`: a copy of the store, and the store from a copy."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from symphony.cli.desk import Desk, act
from symphony.cli.errors import CommandError, usage_error
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.host.lock import DaemonFile, LockError, read_daemon
from symphony.store.backup import back_up_store, version_of_copy
from symphony.store.exchange import is_staged, kept_copy, restored_name, stage_copy, unstage_copy

DONE_BOUND_S: Final = 90.0  # a daemon ends its attempts, closes, copies its store, and starts again
LOOK_EVERY_S: Final = 0.1
OWN: Final = ("", "-wal", "-shm", "-journal", ".restore")


def back_up(place: Place, file: Path, *, force: bool, as_json: bool) -> None:
    """Copy the store, whether a daemon writes it or not, and say what was written.

    Raises:
        CommandError: `usage` for a target that may not be written over.
        SymphonyError: the store cannot be read, or the target not be written; nothing has changed.
    """
    database = place.installation.database
    if file.is_dir():
        raise usage_error(f"{file} is a folder.", "Name a file.")
    if any(_same(file, database.with_name(database.name + suffix)) for suffix in OWN):
        raise usage_error(f"{file} is the store itself.", "Name another file.")
    if os.path.lexists(file) and not force:
        raise usage_error(f"{file} exists.", "`--force` replaces it.")
    version = back_up_store(database, file, over=force)
    size = file.stat().st_size
    screen = Screen()
    if as_json:
        screen.json({"file": str(file.absolute()), "bytes": size, "version": version})
        return
    screen.line(f"The store is copied to {file}: {size:,} bytes, checked.")
    screen.line("Issues, workspaces and patches are files of their own and not in it.", style="dim")


def restore(place: Place, file: Path, *, as_json: bool) -> None:
    """Put a copy in the store's place, through the daemon where one runs, and say what was done.

    Raises:
        CommandError: `usage` for a file that is not there or is the store itself; `restore_failed`,
            `restore_unfinished`.
        SymphonyError: the copy cannot be used, or the daemon does not answer; nothing has changed.
    """
    database = place.installation.database
    if not os.path.lexists(file):
        raise usage_error(f"there is no file {file}.")
    if _same(file, database):
        raise usage_error(f"{file} is the store itself.", "Name a copy of it.")
    version = version_of_copy(file)
    name = stage_copy(database, file)

    def command(desk: Desk) -> DaemonFile | None:
        desk.restore(name)
        return desk.daemon if desk.live else None

    try:
        before = act(place, command)
        after = None if before is None else _await(place, name, before)
    finally:
        unstage_copy(database, name)
    kept = kept_copy(database, name)
    screen = Screen()
    if as_json:
        screen.json(
            {
                "file": str(file.absolute()),
                "version": version,
                "kept": str(kept) if kept.exists() else None,
                "daemon": None if after is None else after.pid,
            }
        )
        return
    screen.line(f"The store is put back from {file}.")
    if kept.exists():
        screen.line(f"As it was before, it is {kept}.")
    if after is not None:
        screen.line(f"The daemon (process {after.pid}) goes on with it.")


def _await(place: Place, name: str, before: DaemonFile) -> DaemonFile:
    """Return the daemon once it has begun again with the copy."""
    database = place.installation.database
    give_up_at = time.monotonic() + DONE_BOUND_S
    while time.monotonic() < give_up_at:
        with suppress(LockError):  # it has just ended, or not yet said which it is
            now = read_daemon(place.installation)
            if now is not None and now.url is not None and now.started_at != before.started_at:
                if restored_name(database) == name:
                    return now
                raise CommandError(
                    "The daemon could not put the copy in place and goes on with the store as it was.",
                    code="restore_failed",
                    remedy=f"Its log says why: {place.installation.log_file}",
                )
            if now is None and is_staged(database, name):
                raise CommandError(
                    "The daemon ended before it put the copy in place; the store is as it was.",
                    code="restore_failed",
                    remedy="Run this again.",
                )
        time.sleep(LOOK_EVERY_S)
    raise CommandError(
        f"The daemon (process {before.pid}) has not begun again within {DONE_BOUND_S:g} s.",
        code="restore_unfinished",
        remedy=f"Its log says why: {place.installation.log_file}. A start finishes what was begun.",
    )


def _same(file: Path, other: Path) -> bool:
    try:
        return file.samefile(other)
    except OSError:
        return file.absolute() == other.absolute()
