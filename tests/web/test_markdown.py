"""Markdown becomes HTML that shows what was written and can do nothing."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.web.markdown import ATTRIBUTES, ELEMENTS, SCHEMES, TEXT_LIMIT, render_markdown

PIECES = [
    "<script>", "</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "javascript:", "data:",
    "[x](", ")", "![", "](", "<", ">", "&", "&#x6a;", '"', "'", "`", "```", "~~~", "\n", "\n\n", "> ", "- ",
    "1. ", "# ", "|", "---", "*", "_", "~~", "<!--", "-->", "<a href=", "JaVaScRiPt:alert(1)", "vbscript:",
    "http://a.b/", "mailto:a@b", "style=", "<style>", "</textarea>", "\x00", "\x1b[31m", "\u202e", "\\", "\t",
    "<math><mtext>", "<?php", "<![CDATA[", "[a]: javascript:x\n", "a",
]  # fmt: skip


class Strict(HTMLParser):
    """Fails on anything that could do more than show text."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, set()) or (tag, name) == ("a", "rel")
            if name == "href":
                assert (value or "").partition(":")[0].lower() in SCHEMES

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)


def check(html: str) -> None:
    parser = Strict(convert_charrefs=True)
    parser.feed(html)
    parser.close()


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_mixture_of_markup_gets_through(text: str) -> None:
    check(render_markdown(text))


@given(st.text(max_size=200))
def test_any_text_at_all_is_rendered(text: str) -> None:
    check(render_markdown(text))


def test_the_usual_forms_are_shown() -> None:
    html = render_markdown(
        "# Title\n\nA *word*, `code` and **more**.\n\n- one\n- two\n\n```py\nx = 1 < 2\n```\n\n"
        "> quoted\n\n| a | b |\n| - | -: |\n| 1 | 2 |\n\n~~gone~~ [site](https://example.com 'Its title')\n"
    )
    for part in (
        "<h1>Title</h1>", "<em>word</em>", "<code>code</code>", "<strong>more</strong>", "<li>one</li>",
        "x = 1 &lt; 2", "<blockquote>", "<table>", "<s>gone</s>", 'href="https://example.com"',
        'rel="noopener noreferrer nofollow"', 'title="Its title"',
    ):  # fmt: skip
        assert part in html


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)",
        "&#106;avascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//evil.example",
        "/issues/1/discard", "javascript&colon;alert(1)", "blob:x", "ftp://x",
    ],
)  # fmt: skip
def test_an_address_that_is_no_web_or_mail_address_is_no_link(address: str) -> None:
    for text in (f"[x]({address})", f"[x](<{address}>)", f"<{address}>", f"[x]\n\n[x]: {address}"):
        assert "href" not in render_markdown(text)


def test_markup_is_shown_as_it_was_typed() -> None:
    html = render_markdown("<script>alert(1)</script> <b onclick=x>bold</b>\n\n<div>block</div>")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "&lt;b onclick=x&gt;bold&lt;/b&gt;" in html
    assert "&lt;div&gt;block&lt;/div&gt;" in html


def test_an_image_is_a_link_and_loads_nothing() -> None:
    html = render_markdown('![a "picture"](https://example.com/x.png "title")')
    assert "<img" not in html
    assert '<a href="https://example.com/x.png"' in html
    assert "picture" in html


def test_an_image_with_a_script_for_an_address_is_text() -> None:
    check(html := render_markdown("![x](javascript:alert(1))"))
    assert "href" not in html


def test_control_characters_and_turned_text_are_left_out() -> None:
    html = render_markdown("a\x00b\x1b[31mc\u202ed")
    assert html == "<p>ab[31mcd</p>\n"


def test_a_text_is_cut_where_nobody_reads_on() -> None:
    html = render_markdown("word " * TEXT_LIMIT)
    assert len(html) < TEXT_LIMIT + 100
    assert "…" in html


@pytest.mark.parametrize(
    "piece", ["> ", "- ", "[", "![", "(", "*", "_", "`", "<", "**a ", "[a](", "|-", "1. ", "\\", "&", "~~"]
)
def test_a_hostile_repetition_is_rendered_in_bounded_work(piece: str) -> None:
    check(render_markdown(piece * 5_000))
