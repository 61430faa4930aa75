"""The pages' colours can be read: contrast as WCAG 2 defines it, level AA, light and dark."""

import re

import pytest

from symphony.web.assets import FOLDER

TEXT, GROUND = ("fg", "muted", "accent", "good", "warn", "bad"), ("bg", "raised")
READABLE, VISIBLE = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11


def themes() -> dict[str, dict[str, str]]:
    """Return the colours of both themes by name."""
    light, dark = re.findall(r":root \{(.*?)\}", (FOLDER / "base.css").read_text(), re.DOTALL)[:2]
    first = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return {"light": first, "dark": {**first, **dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))}}


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_on_every_ground(theme: str) -> None:
    colours = themes()[theme]
    low = [(text, ground) for text in TEXT for ground in GROUND
           if contrast(colours[text], colours[ground]) < READABLE]  # fmt: skip
    assert low == []
    assert contrast(colours["on-accent"], colours["accent"]) >= READABLE


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_focus_and_the_edges_of_fields_can_be_seen(theme: str) -> None:
    colours = themes()[theme]
    assert all(contrast(colours[name], colours["bg"]) >= VISIBLE for name in ("focus", "muted"))


def test_black_on_white_is_the_most_there_is() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
