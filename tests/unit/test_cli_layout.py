"""How rows and texts become lines of a width."""

from hypothesis import given
from hypothesis import strategies as st

from symphony.cli.layout import NARROWEST, folded, rows, width_of

WORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)
SENTENCE = st.lists(WORDS, max_size=20).map(" ".join)


def test_columns_are_aligned_and_nothing_trails():
    assert list(rows([("1", "Todo", "a"), ("12", "Done", "")], None)) == ["1   Todo  a", "12  Done"]


def test_rows_may_differ_in_length():
    assert list(rows([("a", "b"), ("a", "b", "c")], None)) == ["a  b", "a  b  c"]


def test_wide_characters_count_for_two_columns():
    assert list(rows([("漢", "x"), ("abc", "y")], None)) == ["漢   x", "abc  y"]


def test_a_long_last_cell_goes_on_below_itself():
    assert list(rows([("id", "words that do not fit into this line")], 30)) == [
        "id  words that do not fit into",
        "    this line",
    ]


def test_a_last_cell_that_would_be_too_narrow_gets_lines_of_its_own():
    assert list(rows([("a" * 9, "b" * 9, "some words for a person")], 30)) == [
        f"{'a' * 9}  {'b' * 9}",
        "    some words for a person",
    ]


def test_a_long_cell_leaves_room_for_the_others_on_a_terminal_only():
    assert list(rows([("a" * 20, "b")], 30)) == [f"{'a' * 11}…  b"]
    assert list(rows([("a" * 20, "b")], None)) == [f"{'a' * 20}  b"]


def test_code_keeps_its_indentation_where_it_is_folded():
    assert list(folded("        return a_long_name_of_a_function(and_an_argument)", 40, "  ", "  ")) == [
        "          return",
        "          a_long_name_of_a_function(and_an_argument)",
    ]


@given(st.lists(st.tuples(WORDS, SENTENCE), max_size=5), st.integers(NARROWEST + 16, 120))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(cells, width):
    lines = list(rows(cells, width))
    assert all(width_of(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(f"{a}{b}" for a, b in cells).replace(" ", "")
