"""One issue file: what is read, what is refused and in which words, what is written."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.issue import Issue, IssueDraft
from symphony.tracker.issue_file import ISSUE_BYTES, IssueUnreadable, add_note, parse_issue, render_issue
from symphony.tracker.names import UNPRINTABLE

PATH = Path("/p/issues/Todo/7.md")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def parse(text: str | bytes, name_id: str = "7") -> Issue:
    content = text.encode() if isinstance(text, str) else text
    return parse_issue(content, PATH, "Todo", name_id)


def complaints(text: str | bytes, name_id: str = "7") -> list[str]:
    with pytest.raises(IssueUnreadable) as refusal:
        parse(text, name_id)
    assert all(problem.issue_id == name_id for problem in refusal.value.problems)
    return [f"{problem.code} {problem}" for problem in refusal.value.problems]


def test_a_file_without_front_matter_is_all_body_with_defaults_from_its_name() -> None:
    issue = parse("\n\nDo it.\r\n\r\nTwice. \n\n")
    assert issue == Issue(
        "7", "7", "7", "Todo", PATH, description="Do it.\n\nTwice.", revision=issue.revision
    )


def test_every_known_key_is_read_and_every_other_is_kept_as_it_is() -> None:
    issue = parse(
        "---\nid: 42\nidentifier: ABC-42\ntitle: |\n  Two\n  lines\npriority: '2'\n"
        "labels: [Bug, bug, 3, '']\nblocked_by: [1, two]\nbranch_name: feature/x\nurl: https://example.org\n"
        "created_at: 2026-01-31T13:00:00+01:00\nupdated_at: 2026-01-31\n"
        "estimate: {days: 3}\n5: five\n---\nBody\n"
    )
    assert issue == Issue(
        "42",
        "ABC-42",
        "Two lines",
        "Todo",
        PATH,
        "Body",
        2,
        ("bug", "3"),
        ("1", "two"),
        "feature/x",
        "https://example.org",
        NOON,
        datetime(2026, 1, 31, tzinfo=UTC),
        issue.revision,
        {"estimate": {"days": 3}, "5": "five"},
    )
    assert issue.created_at is not None
    assert issue.created_at.tzinfo is UTC


@pytest.mark.parametrize(
    "written", ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00", "'2026-01-31T12:00:00Z'", "'2026-01-31 12:00'"]
)
def test_a_time_without_a_zone_is_utc_and_one_in_quotes_is_a_time(written: str) -> None:
    assert parse(f"---\ncreated_at: {written}\n---\n").created_at == NOON


@pytest.mark.parametrize(
    "text", ["---\n---\n", "---\n# nothing\n---\n", "\n\n---\ntitle:\n---", "\ufeff---\r\nid:\r\n---\r\n"]
)
def test_empty_front_matter_is_a_map_without_keys(text: str) -> None:
    assert (parse(text).id, parse(text).title, parse(text).description) == ("7", "7", "")


def test_a_rule_in_the_body_is_no_fence() -> None:
    assert parse("---\ntitle: T\n---\na\n\n---\n\nb").description == "a\n\n---\n\nb"
    assert parse("a\n---\nb").description == "a\n---\nb"


def test_the_revision_changes_with_the_bytes_alone() -> None:
    elsewhere = parse_issue(b"a", Path("/p/issues/Done/8.md"), "Done", "8")
    assert parse("a").revision == elsewhere.revision != parse("a\n").revision


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            b"---\ntitle: \xe9t\xe9\n---\n",
            "not_utf8 /p/issues/Todo/7.md:2: byte 0xe9 is not valid UTF-8; save the file as UTF-8",
        ),
        (
            "---\ntitle: a\nlabels: [a\n---\n",
            "broken_yaml /p/issues/Todo/7.md:4: the front matter is not valid YAML: "
            "did not find expected ',' or ']'; correct this line or put the value in quotes",
        ),
        (
            "\n\n---\ntitle: Fix: it\n---\n",
            "broken_yaml /p/issues/Todo/7.md:4: the front matter is not valid YAML: "
            "mapping values are not allowed in this context; correct this line or put the value in quotes",
        ),
        (
            "---\nwhat: !!python/object:os.system ls\n---\n",
            "broken_yaml /p/issues/Todo/7.md:2: the front matter is not valid YAML: could not determine a "
            "constructor for the tag 'tag:yaml.org,2002:python/object:os.system'; "
            "correct this line or put the value in quotes",
        ),
        (
            "---\ncreated_at: 2026-13-01\n---\n",
            "broken_yaml /p/issues/Todo/7.md: the front matter is not valid YAML: month must be in 1..12; "
            "correct the value or put it in quotes",
        ),
        (
            "---\ntitle: a\x07b\n---\n",
            "broken_yaml /p/issues/Todo/7.md: the front matter is not valid YAML: "
            "control characters are not allowed; correct the value or put it in quotes",
        ),
        (
            "---\n- a\n- b\n---\n",
            "front_matter_not_a_map /p/issues/Todo/7.md:2: the front matter is a list, not a map; "
            "write lines such as `priority: 1`",
        ),
        (
            "---\njust words\n---\n",
            "front_matter_not_a_map /p/issues/Todo/7.md:2: the front matter is text, not a map; "
            "write lines such as `priority: 1`",
        ),
        (
            "---\ntitle: a\n\nBody\n",
            "unterminated_front_matter /p/issues/Todo/7.md:1: the front matter that starts here has no end; "
            "add a line `---` below its last key",
        ),
        (
            "---\na: &a [1]\nb: *a\n---\n",
            "unsupported_yaml /p/issues/Todo/7.md:3: the front matter uses a YAML alias (`*name`); "
            "write the value out, or put it in quotes",
        ),
        (
            "---\na: 1\nb: " + "[" * 200_000 + "]" * 200_000 + "\n---\n",
            "unsupported_yaml /p/issues/Todo/7.md:3: the front matter is nested more than 100 levels deep; "
            "make it flatter",
        ),
        (
            "---\nb:\n" + "- " * 60_000 + "x\n---\n",
            "unsupported_yaml /p/issues/Todo/7.md:3: the front matter is nested more than 100 levels deep; "
            "make it flatter",
        ),
        (
            b"x" * (ISSUE_BYTES + 1),
            "issue_too_large /p/issues/Todo/7.md: the file is 1,048,577 bytes long and the limit is "
            "1,048,576 (1 MiB); put long material into a file of its own",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) and " " in value else "",
)
def test_a_file_that_cannot_be_an_issue_is_refused_with_place_and_remedy(
    content: str | bytes, complaint: str
) -> None:
    assert complaints(content) == [complaint]


TEXT = "allowed is text (in quotes if YAML takes it for something else)"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("title: yes", f"`title` is true or false; {TEXT}"),
        ("title: 1.10", f"`title` is a number; {TEXT}"),
        ("identifier: [a]", f"`identifier` is a list; {TEXT}"),
        ("id: {a: 1}", f"`id` is a map; {TEXT}"),
        ("url: 2026-01-01", f"`url` is a date; {TEXT}"),
        ("branch_name: !!binary YQ==", f"`branch_name` is binary; {TEXT}"),
        ("priority: high", "`priority` is text; allowed is a whole number such as 2, or nothing"),
        ("priority: 1.5", "`priority` is a number; allowed is a whole number such as 2, or nothing"),
        ("priority: true", "`priority` is true or false; allowed is a whole number such as 2, or nothing"),
        (
            "priority: 99999999999999999999",
            "`priority` is a number; allowed is a whole number such as 2, or nothing",
        ),
        ("labels: bug", "`labels` is text; allowed is a list such as [one, two]"),
        ("blocked_by: 7", "`blocked_by` is a number; allowed is a list such as [one, two]"),
        (
            "blocked_by: [[1]]",
            "`blocked_by` has an entry that is a list; allowed are texts and whole numbers",
        ),
        ("labels: [null]", "`labels` has an entry that is empty; allowed are texts and whole numbers"),
        ("created_at: soon", "`created_at` is text; allowed is a time such as 2026-01-31T12:00:00Z"),
        (
            "updated_at: 0001-01-01T00:00:00+10:00",
            "`updated_at` is a date; allowed is a time such as 2026-01-31T12:00:00Z",
        ),
        ("id: ../x", "`id` cannot be an issue id: it starts with a dot; choose another"),
        ("id: a/b", "`id` cannot be an issue id: it contains a slash; choose another"),
        ('id: "a\\tb"', "`id` cannot be an issue id: it contains a control character; choose another"),
        (f"id: {'x' * 300}", "`id` cannot be an issue id: it is 300 bytes long, over 200; choose another"),
        ("big: [{a: 0x1" + "0" * 20 + "}]", "`big` has a number of more than 64 bits; put it in quotes"),
    ],
)
def test_a_value_of_a_wrong_type_names_the_key_and_what_is_allowed(line: str, complaint: str) -> None:
    assert complaints(f"---\n{line}\n---\n") == [f"invalid_front_matter /p/issues/Todo/7.md:2: {complaint}"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("\n\n---\ntitle: a\npriority: x\n---\npriority: y\n", "7.md:5"),
        ("\ufeff---\r\n'priority' : x\r\n---\r\n", "7.md:2"),
        ("---\npriority: 1\npriority: x\n---\n", "7.md:3"),
        ("---\n{priority: x}\n---\n", "7.md"),
        ('---\n"prio\\x72ity": x\n---\n', "7.md"),
    ],
    ids=["below blank lines", "quoted", "twice", "in braces", "escaped"],
)
def test_a_wrong_value_is_placed_on_the_line_of_its_key(text: str, where: str) -> None:
    complaint = "`priority` is text; allowed is a whole number such as 2, or nothing"
    assert complaints(text) == [f"invalid_front_matter /p/issues/Todo/{where}: {complaint}"]


def test_all_wrong_values_are_told_at_once() -> None:
    assert len(complaints("---\ntitle: no\npriority: x\nlabels: x\n---\n")) == 3


def test_a_file_name_that_cannot_be_an_id_is_told_and_an_id_inside_mends_it() -> None:
    assert complaints("", "x" * 240) == [
        "invalid_front_matter /p/issues/Todo/7.md: the file name cannot be an issue id: "
        "it is 240 bytes long, over 200; rename the file, or give it an `id`"
    ]
    assert parse("---\nid: 9\n---\n", "x" * 240).id == "9"


@pytest.mark.parametrize("name", ["two words", "für-später", "日本語", "a.b", "007", "x'y\"z", "-rf"])
def test_ids_with_spaces_and_any_script_are_ids(name: str) -> None:
    assert parse("", name).id == name


TITLES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text.strip() and not UNPRINTABLE.search(text)
)
BODIES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=200)
WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12), max_size=3)


@settings(max_examples=200)
@given(
    title=TITLES,
    body=BODIES,
    priority=st.none() | st.integers(-(2**62), 2**62),
    labels=WORDS,
    blocked_by=WORDS,
)
def test_what_is_written_for_a_draft_is_read_back_the_same(
    title: str, body: str, priority: int | None, labels: list[str], blocked_by: list[str]
) -> None:
    draft = IssueDraft(title, body, priority, tuple(labels), tuple(blocked_by))
    issue = parse(render_issue(draft, NOON, {"origin": {"issue": "3"}, "title": "not this"}))
    assert issue.title == " ".join(title.split())
    assert issue.description == body.strip("\n").rstrip()
    assert issue.priority == priority
    assert issue.labels == tuple(dict.fromkeys(label.strip().lower() for label in labels if label.strip()))
    assert issue.blocked_by == tuple(dict.fromkeys(word.strip() for word in blocked_by if word.strip()))
    assert issue.created_at == NOON
    assert issue.extra == {"origin": {"issue": "3"}}


def test_a_draft_is_written_in_a_stable_order_without_what_it_does_not_say() -> None:
    assert (
        render_issue(IssueDraft("T"), NOON) == b"---\ntitle: T\ncreated_at: 2026-01-31 12:00:00+00:00\n---\n"
    )
    draft = IssueDraft("Fix: it", "Body\n", 1, ("Bug",), ("3",))
    assert render_issue(draft, NOON, {"origin": "x"}).decode() == (
        "---\ntitle: 'Fix: it'\npriority: 1\nlabels: [bug]\nblocked_by: ['3']\n"
        "created_at: 2026-01-31 12:00:00+00:00\norigin: x\n---\n\nBody\n"
    )


@settings(max_examples=300)
@given(
    content=st.binary(max_size=60)
    | st.lists(st.sampled_from(["a", "\r\n", "\n", "---\n", "\ufeff", " ", "done", "# k: v"])).map(
        lambda parts: "".join(parts).encode()
    ),
    note=st.text(max_size=40)
    | st.sampled_from(["done", "---\nid: 5\n---\nx", "a\r\nb", "a\n\nb", "\ufeffx"]),
)
def test_a_note_keeps_every_byte_of_the_author_and_is_added_once(content: bytes, note: str) -> None:
    noted = add_note(content, note)
    assert noted.startswith(content)
    assert add_note(noted, note) == noted


@pytest.mark.parametrize(
    ("content", "noted"),
    [
        (b"Body", b"Body\n\nA note.\nOn two lines.\n"),
        (b"Body\n", b"Body\n\nA note.\nOn two lines.\n"),
        (b"Body\n\n", b"Body\n\nA note.\nOn two lines.\n"),
        (b"Body\r\n", b"Body\r\n\r\nA note.\r\nOn two lines.\r\n"),
        (b"---\ntitle: x # why\n---", b"---\ntitle: x # why\n---\n\nA note.\nOn two lines.\n"),
        (b"\xef\xbb\xbfBody", b"\xef\xbb\xbfBody\n\nA note.\nOn two lines.\n"),
        (b"", b"A note.\nOn two lines.\n"),
        (b"A note.\nOn two lines.", b"A note.\nOn two lines."),
    ],
)
def test_a_note_is_a_paragraph_of_its_own_in_the_file_s_own_line_ends(content: bytes, noted: bytes) -> None:
    assert add_note(content, " A note.\nOn two lines.\n") == noted


def test_a_note_cannot_become_front_matter_or_make_the_file_unreadable() -> None:
    assert parse(add_note(b"", "---\nid: 5\n---\n")).id == "7"
    full = b"x" * (ISSUE_BYTES - 3)
    assert add_note(full, "a long note") == full
    assert add_note(b"x", "bell \x07 and \x1b[2J") == b"x\n\nbell  and [2J\n"
