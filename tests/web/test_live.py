"""Live parts: a viewer gets what changed after its cursor, once, in an order that ends in the truth."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.web.event_stream import event_of
from symphony.web.live import Cursor, Live
from symphony.web.part import SLOT, Part

ALL = frozenset({"a", "b"})


@dataclass
class Shown:
    """A page of which anything can be changed."""

    values: dict[str, tuple[str, str, tuple[str, ...]]] = field(default_factory=dict)
    looks: int = 0

    def parts(self, known: Mapping[str, Part]) -> Iterator[Part]:
        self.looks += 1
        for name, (group, value, children) in self.values.items():
            slot = SLOT if children else ""
            yield Part(name, group, f'<p id="{name}">{value}{slot}</p>', value, children)


@pytest.fixture
def shown() -> Shown:
    return Shown({"one": ("a", "1", ()), "two": ("b", "2", ())})


async def test_who_has_seen_nothing_gets_all_of_its_groups(shown: Shown) -> None:
    live = Live("r", shown)
    assert live.since(None, frozenset({"a"})) == (Cursor("r", 1), b'<p id="one" hx-swap-oob="morph">1</p>')


async def test_who_has_seen_all_gets_nothing_and_nobody_is_asked(shown: Shown) -> None:
    live = Live("r", shown)
    cursor = live.look()
    assert live.since(cursor, ALL) == (cursor, b"")
    assert shown.looks == 1


async def test_only_what_changed_is_sent(shown: Shown) -> None:
    live = Live("r", shown)
    cursor = live.look()
    shown.values["two"] = ("b", "22", ())
    live.notice()
    assert live.since(cursor, ALL) == (Cursor("r", 2), b'<p id="two" hx-swap-oob="morph">22</p>')


async def test_a_cursor_of_another_run_has_seen_nothing(shown: Shown) -> None:
    _, html = Live("r", shown).since(Cursor("of-before", 99), ALL)
    assert html.count(b"<p") == 2


@pytest.mark.parametrize("text", ["", "x", "r-", "r-x", "r--1", "r-²", "r-" + "9" * 40])
def test_what_is_no_cursor_has_seen_nothing(text: str) -> None:
    assert Cursor.parse(text) in (None, Cursor("r-", 1))


async def test_a_parent_is_sent_with_its_children_as_they_are_now(shown: Shown) -> None:
    shown.values = {"all": ("a", "", ("one",)), "one": ("b", "1", ())}
    live = Live("r", shown)
    cursor = live.look()
    shown.values["one"] = ("b", "new", ())
    live.notice()
    live.look()
    assert live.part("all") == '<p id="all"><p id="one">new</p></p>'
    assert live.since(cursor, frozenset({"a"}))[1] == b""


def test_an_event_has_a_line_of_data_for_each_line() -> None:
    event = event_of(Cursor("r", 3), b"<p>\n</p>")
    assert event == b"id: r-3\ndata: <p>\ndata: </p>\n\n"


@given(
    changes=st.lists(st.tuples(st.sampled_from("wxyz"), st.integers(0, 3), st.booleans()), max_size=30),
    data=st.data(),
)
def test_whenever_a_viewer_looks_it_ends_with_what_is_shown(
    changes: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    async def watch() -> None:
        shown = Shown()
        live = Live("r", shown)
        cursor: Cursor | None = None
        page: dict[str, str] = {}
        for name, value, gone in changes:
            if gone:
                shown.values.pop(name, None)
            else:
                shown.values[name] = ("a", str(value), ())
            live.notice()
            if data.draw(st.booleans()):
                cursor, html = live.since(cursor, ALL)
                page.update(pairs(html))
        _, html = live.since(cursor, ALL)
        page.update(pairs(html))
        assert {name: page[name] for name in shown.values} == {
            name: value for name, (_, value, _) in shown.values.items()
        }

    asyncio.run(watch())


def pairs(html: bytes) -> dict[str, str]:
    return {line[7]: line.split(">")[1].split("<")[0] for line in html.decode().splitlines()}
