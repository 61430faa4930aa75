"""The incremental index: whatever happens to the files, it says what a fresh look would say."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from symphony.core.issue import IssueSet
from symphony.tracker import reader
from symphony.tracker.index import Index
from symphony.tracker.reader import GRANULE_NS

STATES = st.sampled_from(["Todo", "todo", "Done", ".hidden"])
NAMES = st.sampled_from(["1.md", "2.md", "x.md", ".x.md", "x.md~"])
TEXTS = st.sampled_from(
    [
        "",
        "Body",
        "---\nid: 1\n---\n",
        "---\nid: x\ntitle: T\n---\n",
        "---\n[\n---\n",
        "---\n- a\n---\n",
        "---\n",
    ]
)


def comparable(issues: IssueSet) -> tuple[object, ...]:
    return dict(issues.issues), dict(issues.conflicts), issues.problems


class Files(RuleBasedStateMachine):
    """A person at work in the folders, with a watcher that names every path touched."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.root = self.folder / "issues"
        self.root.mkdir()
        self.watched = Index(self.root)
        self.scanned = Index(self.root)
        self.touched: set[Path] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def clear(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    @rule(state=STATES, name=NAMES, text=TEXTS)
    def write(self, state: str, name: str, text: str) -> None:
        path = self.root / state / name
        if path.parent.is_symlink():
            return
        path.parent.mkdir(exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            return
        path.unlink(missing_ok=True)
        path.write_text(text)
        self.touched |= {path, path.parent}

    @rule(state=STATES, name=NAMES, text=TEXTS)
    def write_in_place_with_the_old_time(self, state: str, name: str, text: str) -> None:
        path = self.root / state / name
        if path.is_file() and not path.is_symlink():
            before = path.stat()
            path.write_text(text)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            self.touched.add(path)

    @rule(state=STATES, name=NAMES)
    def delete(self, state: str, name: str) -> None:
        path = self.root / state / name
        if path.parent.is_dir() and not path.parent.is_symlink():
            self.clear(path)
            self.touched.add(path)

    @rule(state=STATES, name=NAMES, to_state=STATES, to_name=NAMES)
    def rename(self, state: str, name: str, to_state: str, to_name: str) -> None:
        source, target = self.root / state / name, self.root / to_state / to_name
        if source.is_file() and target.parent.is_dir() and not target.is_dir():
            source.rename(target)
            self.touched |= {source, target}

    @rule(state=STATES, name=NAMES)
    def put_something_else_there(self, state: str, name: str) -> None:
        path = self.root / state / name
        if path.parent.is_dir() and not path.parent.is_symlink():
            self.clear(path)
            path.mkdir()
            self.touched.add(path)

    @rule(state=STATES, name=NAMES, to=st.sampled_from(["../Done/1.md", "nowhere", "/etc/passwd"]))
    def link(self, state: str, name: str, to: str) -> None:
        path = self.root / state / name
        if path.parent.is_dir() and not path.parent.is_symlink():
            self.clear(path)
            path.symlink_to(to)
            self.touched.add(path)

    @rule(state=STATES)
    def delete_state(self, state: str) -> None:
        self.clear(self.root / state)
        self.touched.add(self.root / state)

    @rule(state=STATES)
    def link_state(self, state: str) -> None:
        self.clear(self.root / state)
        (self.root / state).symlink_to(self.folder)
        self.touched.add(self.root / state)

    @rule(state=STATES, to_state=STATES)
    def rename_state(self, state: str, to_state: str) -> None:
        source, target = self.root / state, self.root / to_state
        if source.is_dir() and not target.exists() and not target.is_symlink():
            source.rename(target)
            self.touched |= {source, target}

    @rule()
    def delete_root(self) -> None:
        shutil.rmtree(self.root)
        self.root.mkdir()
        self.touched.add(self.root)

    @invariant()
    def a_refresh_of_what_was_touched_equals_a_fresh_look(self) -> None:
        fresh = Index(self.root).scan()
        # what a symlink leads to may change without a word from any watcher of the link
        links = {path for path in self.root.glob("*/*") if path.is_symlink()}
        refreshed = self.watched.refresh(self.touched | links)
        scanned = self.scanned.scan()
        self.touched.clear()
        assert comparable(refreshed) == comparable(fresh)
        assert comparable(scanned) == comparable(fresh)
        assert refreshed.unreadable >= fresh.unreadable
        assert all(fresh.present(issue_id) for issue_id in fresh.issues)
        assert self.watched.refresh(links) is refreshed
        assert self.scanned.scan() is scanned


TestFiles = Files.TestCase
TestFiles.settings = settings(max_examples=60, stateful_step_count=25)


class Opened:
    """The issue files that this process opens from now on."""

    def __init__(self) -> None:
        self.names: list[str] = []
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(".md"):
            self.names.append(Path(str(arguments[0])).name)


def test_a_file_as_young_as_its_reading_is_read_again_and_a_settled_one_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1.md", "2.md", "broken.md"):
        (tmp_path / "Todo").mkdir(exist_ok=True)
        (tmp_path / "Todo" / name).write_text("---\n" if name == "broken.md" else "a")
    index = Index(tmp_path)
    opened = Opened()
    first = index.scan()
    assert index.scan() is first
    assert sorted(opened.names) == ["1.md", "1.md", "2.md", "2.md", "broken.md", "broken.md"]
    monkeypatch.setattr(reader, "GRANULE_NS", -GRANULE_NS)  # as if the files had been left alone for a while
    index.scan()
    opened.names.clear()
    assert index.scan() is first
    assert opened.names == []
    (tmp_path / "Todo" / "2.md").write_text("b")
    (tmp_path / "Todo" / "3.md").write_text("c")
    opened.names.clear()
    index.scan()
    assert sorted(opened.names) == ["2.md", "3.md"]


def test_a_file_that_vanishes_before_it_is_read_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "Todo" / "1.md"
    path.parent.mkdir()
    path.write_text("a")
    index = Index(tmp_path)
    index.scan()
    path.unlink()
    assert not index._look_at_file(index._folders["Todo"], "1.md")
    assert index.scan() == IssueSet()
