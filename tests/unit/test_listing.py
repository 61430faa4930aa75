"""Two lists of lines differ in what two sets of them differ in, however the lines lie."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from symphony.workspace import listing
from symphony.workspace.listing import differences, lines_of, listing_of

LINES = st.lists(st.sampled_from([b"%d" % number for number in range(40)]), unique=True)


@given(before=LINES, now=LINES, block=st.integers(1, 50), near=st.integers(0, 20), steps=st.integers(0, 5))
@example([b"", b"1"], [b"1"], 64, 9, 9)
@example([b"1", b"12"], [b"12", b"2"], 64, 9, 9)
def test_any_two_lists(before: list[bytes], now: list[bytes], block: int, near: int, steps: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BLOCK": block, "NEAR": near, "STEPS": steps}.items():
            patch.setattr(listing, name, value)

        found = differences(listing_of(before), listing_of(now))

    assert found == ({*before} - {*now}, {*now} - {*before})


@given(
    number=st.integers(0, 3000),
    gone=st.sets(st.integers(0, 3000), max_size=9),
    new=st.dictionaries(st.integers(0, 3000), st.binary(max_size=9).map(lambda value: value.hex().encode())),
)
def test_long_lists_in_which_few_lines_differ(number: int, gone: set[int], new: dict[int, bytes]) -> None:
    before = [b"line %d" % each for each in range(number)]
    now = [
        line
        for each in range(number)
        for line in ([b"new %d %b" % (each, new[each])] if each in new else [])
        + [before[each]] * (each not in gone)
    ]

    assert differences(listing_of(before), listing_of(now)) == ({*before} - {*now}, {*now} - {*before})


@given(lines=LINES)
def test_a_list_holds_its_lines(lines: list[bytes]) -> None:
    assert [*lines_of(listing_of(lines))] == lines
