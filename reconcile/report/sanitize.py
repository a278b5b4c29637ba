"""HTML from a notebook's output with what can only be looked at left in it: text, tables, plots, pictures. Pure.

Our own outputs escape their values. This holds for what anybody's notebook may show, and for what a library adds.
"""

from __future__ import annotations

import re

import nh3

from plumbline.contract.safe_text import escape, shown

_ELEMENTS = """
    div p span b i em strong code pre br hr h1 h2 h3 h4 ul ol li dl dt dd table caption thead tbody tfoot tr th td
    figure figcaption details summary svg g rect line path circle polyline title text img a
"""
_ATTRIBUTES = """
    class style scope colspan rowspan role aria-label aria-hidden alt open viewBox preserveAspectRatio x y x1 x2 y1 y2
    cx cy r width height d points fill stroke stroke-width stroke-linejoin
"""
_WITH_THEIR_TEXT = "script style iframe object template noscript math textarea select"
ELEMENTS, ATTRIBUTES = frozenset(_ELEMENTS.split()), frozenset(_ATTRIBUTES.split())

STYLE = re.compile(r"[\w\s:;,.%#()-]*")
SURROGATE = re.compile("[\ud800-\udfff]")
PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")


def inert(html: str) -> str:
    """`html` with its elements balanced, and only ELEMENTS and ATTRIBUTES left of them; a picture only as data."""
    clean = nh3.clean(
        SURROGATE.sub(lambda half: escape(half[0]), html),
        tags=set(ELEMENTS),
        clean_content_tags=set(_WITH_THEIR_TEXT.split()),
        attributes={"*": set(ATTRIBUTES), "img": {"src"}},
        attribute_filter=_value,
        url_schemes={"data"},
        link_rel=None,
    )
    return "\n".join(map(shown, clean.replace("&nbsp;", "\xa0").split("\n")))


def _value(tag: str, name: str, value: str) -> str | None:
    """The attribute's value as it stays, None where the attribute goes."""
    if name == "src":
        return value if PICTURE.fullmatch(value) else None
    if name == "style":
        return value if STYLE.fullmatch(value) and "url" not in value.lower() else None
    return value
