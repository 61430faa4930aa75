"""An issue's text through an editor and back: what was not touched comes back byte for byte."""

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from symphony.core.place import line_in
from symphony.tracker.text import decoded, edited_content, issue_text, unified

PATH = Path("/issues/Todo/7.md")
LINES = st.lists(st.sampled_from(["", "a", "b", "---", "é"]), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    lines = draw(LINES)
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return (
        mark + "".join(f"{line}{draw(ENDS)}" for line in lines) + draw(st.sampled_from(["", "z"]))
    ).encode()


@given(contents())
def test_an_untouched_text_is_the_file_again(content: bytes) -> None:
    opened = issue_text("7", PATH, content)
    assert "\r" not in opened.text
    assert edited_content(content, opened.text) == content
    assert edited_content(content, opened.text.replace("\n", "\r\n")) == content


@given(contents(), contents())
@example(b"\ra\n\n", b"\n\n")
def test_what_was_written_is_what_an_editor_shows_next(content: bytes, typed: bytes) -> None:
    text = decoded(typed)
    written = edited_content(content, text)
    assert issue_text("7", PATH, written).text == unified(text)
    assert written.startswith("\ufeff".encode()) == content.startswith("\ufeff".encode())


@given(st.binary(max_size=40))
def test_any_bytes_can_be_opened_and_are_utf_8_once_saved(content: bytes) -> None:
    opened = issue_text("7", PATH, content)
    assert edited_content(content, f"{opened.text}x").decode().endswith("x")


def test_a_line_that_is_changed_ends_as_the_file_s_first_one_does() -> None:
    assert edited_content(b"a\r\nb\nc\n", "a\nB\nb2\nc\n") == b"a\r\nB\r\nb2\r\nc\n"
    assert edited_content(b"a\r\nb\r\n", "a\nb") == b"a\r\nb"
    assert edited_content(b"a\r\nb", "a\nb\n") == b"a\r\nb\r\n"
    assert edited_content(b"", "a\r\nb") == b"a\nb"


def test_a_carriage_return_never_becomes_one_line_end_with_an_empty_line_s_line_feed() -> None:
    assert edited_content(b"\ra\n\n", "\n\n") == b"\r\n\n"
    assert edited_content(b"a\rb\n\nc\n", "a\n\nc\n") == b"a\r\n\nc\n"
    assert edited_content(b"a\n\rb\n\nc", "a\n\n\nc") == b"a\n\r\n\nc"
    assert edited_content(b"a\rb\n\nc", "a\nB\n\nc") == b"a\rB\r\n\nc"
    assert edited_content(b"a\nb\rc", "a\nb\n\nc") == b"a\nb\r\n\nc"


def test_a_place_names_its_line_only_in_its_own_file() -> None:
    assert line_in("/a/7.md:12", "/a/7.md") == 12
    assert line_in("/a/W.md:3:9: agent.max_turns", "/a/W.md") == 3
    assert line_in("/a/7.md", "/a/7.md") is None
    assert line_in("/a/8.md:12", "/a/7.md") is None
    assert line_in("/a/7.md: 12", "/a/7.md") is None
