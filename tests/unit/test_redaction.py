"""No secret is written down."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.redaction import Clipped, Redactor

SECRET = 'hunter2/"très+secret"'
REDACTOR = Redactor([SECRET])


def every_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
)
def test_a_known_secret_is_found_in_every_form_in_which_it_travels(form: str) -> None:
    assert REDACTOR.text(f"before {form} after") == "before [redacted] after"


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "someone:"])
@pytest.mark.parametrize("rest", ["", "x", "yz"])
def test_a_secret_inside_longer_base64_is_found_wherever_it_begins(user: str, rest: str) -> None:
    letters = base64.b64encode(f"{user}{SECRET}{rest}".encode()).decode()

    found = REDACTOR.text(letters)

    assert "[redacted]" in found
    assert len(found.replace("[redacted]", "")) <= len(user) * 8 / 6 + 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted]"),
        ("authorization: bearer abc123def456", "authorization: bearer [redacted]"),
        ('{"Authorization": "Basic dXNlcjpwYXNz"}', '{"Authorization": "Basic [redacted]"}'),
        ("key sk-ant-api03-abcdefgh_IJKLMNOP-12345 end", "key [redacted] end"),
        ("sk-proj-ABCDEFGHIJKLMNOPQRST", "[redacted]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[redacted]"),
        ("github_pat_11ABCDEFG0abcdefghij_klmnop", "[redacted]"),
        ("glpat-abcdefghij0123456789", "[redacted]"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("ASIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("AIzaSyA0123456789abcdefghijklmnopqrstuv", "[redacted]"),
        ("xoxb-123456789012-abcdef", "[redacted]"),
        ("npm_abcdefghijklmnopqrstuvwxyz0123456789", "[redacted]"),
        ("hf_abcdefghijklmnopqrstuvwx", "[redacted]"),
        ("pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAt", "[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghij", "[redacted]"),
        (
            "git clone https://bob:pa55@example.org/x.git",
            "git clone https://bob:[redacted]@example.org/x.git",
        ),
        (
            "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----\nb",
            "a\n[redacted]\nb",
        ),
        ("-----BEGIN PRIVATE KEY-----\nonly the beginning", "[redacted]"),
    ],
)
def test_a_token_that_nobody_told_of_is_known_by_its_shape(text: str, expected: str) -> None:
    assert Redactor().text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "the task-force-of-the-whole-company met",
        "bearer authentication is used here",
        "see https://example.org:8080/path and mail a@b.example",
        "sk-1",
        "Tokens: 1200 in, 340 out",
        "[redacted]",
        "AKIA is a prefix",
        "authorization failed",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text


def test_redacting_twice_changes_nothing_more() -> None:
    once = Redactor(["s3cr3t"]).text(
        "Authorization: Bearer s3cr3t and https://u:s3cr3t@h/ and sk-abcdefghijklmnopqrs"
    )

    assert Redactor(["s3cr3t"]).text(once) == once
    assert once == "Authorization: Bearer [redacted] and https://u:[redacted]@h/ and [redacted]"


def test_values_too_short_to_be_secret_are_left_alone() -> None:
    assert Redactor(["", "a", "abc"]).text("abc a") == "abc a"
    assert Redactor(["abcd"]).text("abcd a") == "[redacted] a"


def test_a_secret_within_a_longer_one_does_not_leave_its_rest() -> None:
    assert Redactor(["secret", "secret-and-more"]).text("secret-and-more") == "[redacted]"


def test_secrets_are_found_at_every_depth_and_in_keys() -> None:
    value = {SECRET: [{"deep": (SECRET, {SECRET.upper(): 1})}], "n": 3, "b": SECRET.encode(), "no": None}

    assert REDACTOR.value(value) == {
        "[redacted]": [{"deep": ["[redacted]", {SECRET.upper(): 1}]}],
        "n": 3,
        "b": "[redacted]",
        "no": None,
    }


def test_the_text_under_a_key_that_names_a_secret_is_one() -> None:
    value = {"headers": {"X-Api-Key": "opensesame", "Accept": "text/html"}, "password": {"type": "string"}}

    assert Redactor().value(value) == {
        "headers": {"X-Api-Key": "[redacted]", "Accept": "text/html"},
        "password": {"type": "string"},
    }


def test_what_json_cannot_hold_becomes_text() -> None:
    value = {"inf": float("inf"), "nan": float("nan"), "set": {"x"}, "error": ValueError(SECRET), 5: 1.5}

    assert REDACTOR.value(value) == {
        "inf": "inf",
        "nan": "nan",
        "set": ["x"],
        "error": "[redacted]",
        "5": 1.5,
    }


def test_a_value_without_a_bottom_is_cut() -> None:
    endless: list[object] = []
    endless.append(endless)

    text = every_text(Redactor().value(endless))

    assert text == "[" * 60 + '"… [cut: 1 entries]"' + "]" * 60


def test_a_secret_across_a_cut_is_not_cut_in_two() -> None:
    redactor = Redactor([SECRET])
    keep = 1000
    text = "x" * (keep - 5) + SECRET + "y" * 10_000

    clipped = redactor.clipped(Clipped(text[: keep + redactor.overlap], len(text)))

    assert clipped.startswith("x" * 900)
    assert clipped.endswith(f"… [cut: {len(text)} characters]")
    assert "hunter2" not in clipped


@given(st.text(min_size=4, max_size=40), st.text(max_size=30), st.text(max_size=30))
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    found = Redactor([secret]).text(before + secret + after)

    assert (
        secret not in found.replace("[redacted]", "\n" * 50)
        or secret in "[redacted]"
        or set(secret) == {"\n"}
    )


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_value_becomes_json(value: object) -> None:
    json.dumps(REDACTOR.value(value), allow_nan=False)
