"""HTML from a notebook's output with what can only be looked at left in it: text, tables, plots, pictures. Pure.

Our own outputs escape their values. This holds for what anybody's notebook may show, and for what a library adds.
"""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

from plumbline.contract.safe_text import shown

_ELEMENTS = """
    div p span b i em strong code pre br hr h1 h2 h3 h4 ul ol li dl dt dd table caption thead tbody tfoot tr th td
    figure figcaption details summary svg g rect line path circle polyline title text img a
"""
_ATTRIBUTES = """
    class style scope colspan rowspan role aria-label aria-hidden alt open viewbox preserveaspectratio x y x1 x2 y1 y2
    cx cy r width height d points fill stroke stroke-width stroke-linejoin
"""
ELEMENTS, ATTRIBUTES = frozenset(_ELEMENTS.split()), frozenset(_ATTRIBUTES.split())
VOID = frozenset(("br", "hr", "img"))
SILENT = frozenset(("script", "style", "iframe", "object", "template", "noscript", "math", "textarea", "select"))
"""Left out with all they hold."""

STYLE = re.compile(r"[\w\s:;,.%#()-]*")
PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")


def inert(html: str) -> str:
    """`html` with its elements balanced, and only ELEMENTS and ATTRIBUTES left of them; a picture only as data."""
    parser = _Inert()
    parser.feed(html)
    parser.close()
    return "".join(parser.parts) + "".join(f"</{tag}>" for tag in reversed(parser.open))


class _Inert(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self.silent.append(tag)
        if self.silent or tag not in ELEMENTS:
            return
        kept = [f' {name}="{escape(shown(value or ""))}"' for name, value in attrs if _kept(tag, name, value or "")]
        self.parts.append(f"<{tag}{''.join(kept)}>")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in SILENT:
            self.handle_starttag(tag, attrs)
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.silent:
            if self.silent[-1] == tag:
                self.silent.pop()
        elif tag in self.open:
            while True:
                last = self.open.pop()
                self.parts.append(f"</{last}>")
                if last == tag:
                    return

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append("\n".join(escape(shown(line), quote=False) for line in data.split("\n")))


def _kept(tag: str, name: str, value: str) -> bool:
    if tag == "img" and name == "src":
        return PICTURE.fullmatch(value) is not None
    if name == "style":
        return STYLE.fullmatch(value) is not None and "url" not in value.lower()
    return name in ATTRIBUTES
