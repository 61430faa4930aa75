"""One element of a live page: made from a value, and made again only when that differs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from symphony.web.site import Site

SLOT: Final = "<!--children-->"  # where an element's children go

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One element of a page.

    Attributes:
        id: the element's id.
        group: which pages it is on.
        html: the whole element, which has the id as its first attribute.
        value: what it was made from; an equal value makes an equal element.
        children: the parts that stand where the element has its slot.
    """

    id: str
    group: str
    html: str
    value: object
    children: tuple[str, ...] = ()


def make_part(
    site: Site,
    known: Mapping[str, Part],
    element: str,
    group: str,
    template: str,
    value: object,
    *,
    children: tuple[str, ...] = (),
    **values: object,
) -> Part:
    """Return the part as it is known if it was made from an equal value, else made from a template.

    One that cannot be made says so: the rest of its page is still true.
    """
    same = known.get(element)
    if same is not None and same.value == value and same.children == children:
        return same
    try:
        html = site.fragment(template, element=element, **values)
    except Exception:
        log.exception("web.part_broke", part=element)
        html = site.fragment("broken.html", element=element)
    return Part(element, group, html, value, children)
