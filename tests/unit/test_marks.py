"""A reviewer's comments in a patch: found with their places, taken out again, never taken for the patch."""

from hypothesis import given
from hypothesis import strategies as st

from symphony.core.review import Comment, review_words
from symphony.workspace.marks import comments_in, marks_in, without_comments

PATCH = """\
From 0000 Mon Sep 17 00:00:00 2001
Subject: [PATCH] Greet

#> the agent's own line
---
 hello.py | 4 ++--

diff --git a/hello.py b/hello.py
index 1..2 100644
--- a/hello.py
+++ b/hello.py
@@ -3,3 +3,3 @@ def hello():
 first
-    print("Helo")
+    print("Hello")
 last
@@ -20 +20,2 @@
 twenty
+one more
diff --git a/gone.py b/gone.py
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-gone
"""
OWN = marks_in(PATCH.encode())


def commented(*placed: tuple[str, str]) -> bytes:
    """Return the patch with comments, each below a line of it."""
    text = PATCH
    for below, comment in placed:
        assert text.count(f"\n{below}\n") == 1
        text = text.replace(f"\n{below}\n", f"\n{below}\n{comment}\n")
    return text.encode()


def test_a_comment_has_its_file_its_line_and_the_line_above_it():
    found = comments_in(
        commented(
            ('+    print("Hello")', "#> and the name?"),
            ('-    print("Helo")', "#> good"),
            ("+one more", "#>why?"),
            ("-gone", "#> who needs it?"),
        ),
        OWN,
    )
    assert [(each.where, each.above, each.text) for each in found] == [
        ("hello.py:4", '-    print("Helo")', "good"),
        ("hello.py:4", '+    print("Hello")', "and the name?"),
        ("hello.py:21", "+one more", "why?"),
        ("gone.py:1", "-gone", "who needs it?"),
    ]
    assert found[0].number == 15


def test_lines_that_follow_one_another_are_one_comment():
    (found,) = comments_in(commented((" last", "#> one\n#>\n#> three")), OWN)
    assert found == Comment("hello.py", 5, " last", "one\n\nthree", 17)


def test_a_comment_outside_of_the_files_is_one_too():
    found = comments_in(commented(("Subject: [PATCH] Greet", "#> which name?")), OWN)
    assert [(each.where, each.text) for each in found] == [("outside of the files", "which name?")]
    ended = comments_in(PATCH.encode() + b"#> at the end", OWN)
    assert [(each.where, each.text, each.number) for each in ended] == [
        ("gone.py:1", "at the end", PATCH.count("\n") + 1)
    ]


def test_what_the_patch_itself_had_is_no_comment():
    assert comments_in(PATCH.encode(), OWN) == ()
    assert [each.text for each in comments_in(PATCH.encode(), ())] == ["the agent's own line"]


def test_an_editor_that_writes_carriage_returns_changes_nothing():
    (found,) = comments_in(commented((" last", "#> one\r")), OWN)
    assert found.text == "one"


def test_control_characters_go_and_the_line_above_is_bounded():
    patch = b"From 0\n+" + b"x" * 5_000 + b"\x1b[31m\n#> red\x1b[0m\n"
    (found,) = comments_in(patch, ())
    assert (found.text, len(found.above)) == ("red[0m", 200)


def test_words_and_comments_are_one_text():
    comment = Comment("a.py", 3, "+x = 1", "Why 1?", 12)
    assert review_words("Nearly.\n", [comment]) == (
        "Nearly.\n\na.py:3, at this line of the patch:\n\n    +x = 1\n\nWhy 1?"
    )
    assert review_words(" ", []) == ""


LINES = st.lists(
    st.sampled_from(
        ["#> a", "#>", "@@ -1,2 +1,3 @@", "+++ b/x", "--- a/x", "+a", "-b", " c", "\\ No", "diff --git", ""]
    )
)


@given(LINES, st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["#> why", "#> so", "#>x"]))))
def test_taking_comments_out_gives_the_patch_as_it_was(lines: list[str], comments: list[tuple[int, str]]):
    patch = "\n".join(lines).encode()
    changed = list(lines)
    for place, comment in comments:
        changed.insert(min(place, len(changed)), comment)
    mailbox, own = "\n".join(changed).encode(), marks_in(patch)
    assert sorted(without_comments(mailbox, own).split(b"\n")) == sorted(patch.split(b"\n"))
    assert comments_in(without_comments(mailbox, own), own) == ()
