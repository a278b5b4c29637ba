"""How every template of a page is read: escaped, with the same filters."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from plumbline.contract.safe_text import shown
from plumbline.reconcile import format
from plumbline.reconcile.report.next_commands import pieces


@cache
def environment() -> Environment:
    """Jinja with autoescape for every template, undefined names refused, and the spellings as filters.

    What a reader could not see of a text is spelled out in each place where a template shows one.
    """
    made = Environment(
        loader=PackageLoader("plumbline.reconcile.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if type(value) is str else value,
    )
    made.filters |= {"n": format.count, "moment": format.moment, "clock": format.clock, "delay": format.delay}
    made.filters |= {"exactly": format.exactly, "in_contract": format.in_contract}
    made.filters |= {"shade": format.shade, "pieces": pieces}
    return made
