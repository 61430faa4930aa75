"""Markdown that anybody may have written, as HTML that does nothing but show text.

Two locks: the parser writes no HTML that stands in the text, and what it makes goes through a
sanitizer that knows only the elements below. An image would be a request to somewhere else, so it
becomes a link.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from symphony.core.text import plain

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

TEXT_LIMIT: Final = 50_000  # characters; more than people read, and under a second for the worst of texts
NESTING: Final = 20  # levels of quotes and lists; deeper ones are shown as text
SCHEMES: Final = frozenset({"http", "https", "mailto"})
ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
}
ELEMENTS: Final = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
    "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def render_markdown(text: str) -> Markup:
    """Return the text as HTML; never raises, whatever it is. A long text is work for a thread."""
    import nh3  # as the parser: a daemon that nobody looks at does without

    cleaned = plain(text, TEXT_LIMIT)
    try:
        made = _parser().render(cleaned)
    except Exception:  # noqa: BLE001 - a fault of the parser must not hide what the text says
        return Markup("<pre>{}</pre>").format(cleaned)
    return Markup(  # noqa: S704 - the sanitizer made it
        nh3.clean(
            made,
            tags=ELEMENTS,
            attributes=ATTRIBUTES,
            url_schemes=set(SCHEMES),
            link_rel="noopener noreferrer nofollow",
            strip_comments=True,
        )
    )


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING})
    parser.enable(["table", "strikethrough"])
    parser.validateLink = is_link  # type: ignore[method-assign,assignment]  # the parser's own way to say which
    parser.add_render_rule("image", _image_as_link)
    return parser


def is_link(address: str) -> bool:
    """Say whether an address may be a link: one with a scheme that only leads somewhere."""
    scheme, colon, _ = address.strip().partition(":")
    return bool(colon) and scheme.lower() in SCHEMES


def _image_as_link(
    renderer: "RendererHTML", tokens: "Sequence[Token]", index: int, options: "OptionsDict", env: "EnvType"
) -> str:
    token: Any = tokens[index]
    words = renderer.renderInlineAsText(token.children, options, env) or str(token.attrs.get("src", ""))
    return str(Markup('<a href="{}">{}</a>').format(token.attrs.get("src", ""), escape(words)))
