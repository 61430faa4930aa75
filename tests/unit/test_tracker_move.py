"""A move that was made is told as made, whatever others do to the file at that very moment."""

from pathlib import Path

import pytest

from symphony.core.settings import Settings
from symphony.tracker.local import LocalTracker


class Hurried(LocalTracker):
    """A tracker beside somebody who acts on the moved file before it is looked at again."""

    def then(self, act):
        self._act = act
        return self

    def _rename(self, path: Path, target: Path) -> None:
        super()._rename(path, target)
        self._act(path, target)


def again(path, target):
    path.write_text("---\ntitle: Another\n---\n")


def taken_away(path, target):
    target.unlink()


def taken_away_and_dropped_again(path, target):
    target.unlink()
    again(path, target)


@pytest.mark.parametrize("act", [again, taken_away, taken_away_and_dropped_again])
async def test_a_move_that_was_made_is_told_as_made(tmp_path, act):
    for state in ("Todo", "Done"):
        (tmp_path / state).mkdir()
    (tmp_path / "Todo" / "7.md").write_text("---\ntitle: Fix it\n---\n")
    tracker = Hurried(tmp_path, Settings().state_table).then(act)
    moved = await tracker.move("7", "Done")
    assert (moved.state, moved.title, moved.path) == ("Done", "Fix it", tmp_path / "Done" / "7.md")
