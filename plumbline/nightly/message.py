"""A nightly's message, in the form of Slack's incoming webhooks. Pure; nothing but escaped values gets into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_TEXT = 2_800
"""Slack refuses a text block of more than 3,000 characters."""

MOST_VALUE = 200
MOST_NIGHTS = 20
Night = Mapping[str, Any]


def message(
    contract: str, nights: Sequence[Night], left: int = 0, failure: str | None = None, alerts_only: bool = False
) -> dict[str, Any]:
    """The body: a headline, then a block for each night (the newest MOST_NIGHTS), what failed, what is left.

    Texts are `plain_text`: no markup, no mentions, no emoji codes; `text`, which is shown in notifications, likewise.
    """
    headline = headline_of(contract, nights, failure, alerts_only)
    blocks = [_block("header", headline, 150)]
    blocks += [_block("section", escaped(line_of(night), MOST_TEXT)) for night in nights[-MOST_NIGHTS:]]
    if len(nights) > MOST_NIGHTS:
        blocks.append(_block("section", f"and {len(nights) - MOST_NIGHTS} earlier days"))
    if failure is not None:
        blocks.append(_block("section", f"ended early: {escaped(failure, MOST_TEXT - 20)}"))
    if left:
        blocks.append(_block("section", f"{left} further days are due"))
    return {"text": headline, "mrkdwn": False, "blocks": blocks}


def headline_of(contract: str, nights: Sequence[Night], failure: str | None, alerts_only: bool = False) -> str:
    """One line: the contract, which days, how they stand."""
    days = f"{len(nights)} days to {nights[-1]['day']}" if len(nights) > 1 else nights[0]["day"] if nights else "no day"
    wrong = sum(severity(night, alerts_only) > 0 for night in nights)
    stands = "failed" if failure is not None else f"{wrong} need a look" if wrong else "all well"
    return f"plumbline nightly {escaped(contract)}: {days}, {stands}"


def line_of(night: Night) -> str:
    """One night in one line; not escaped."""
    counts, failed = night["counts"], night["failed"]
    causes = ", ".join(f"{name} {count:,}" for name, count in night["causes"].items())
    holds = night["expectations"] - len(failed)
    what = night.get("of", "rows")
    parts = [
        f"{night['day']} {night['verdict']}: {counts['match']:,} of {counts['batch']:,} batch {what} match",
        *([causes] if causes else []),
        f"{holds} of {night['expectations']} expectations hold",
        *(f"{one['on']}: {one['why']} ({one['column']})" for one in failed),
        f"report {night['report']}",
    ]
    return "; ".join(parts)


def severity(night: Night, alerts_only: bool = False) -> int:
    """The exit code that a night asks for: 0 clean, 1 drift or an expectation that fails, 3 incomplete."""
    if night["verdict"] == "incomplete":
        return 3
    drift = night["verdict"] == "drift" and not alerts_only
    return int(bool(drift or night["alerts"] or night["failed"]))


def escaped(value: object, most: int = MOST_VALUE) -> str:
    """A value as text for Slack: one line, no control or invisible characters, at most `most` characters, and the
    three characters that Slack reads as markup in every text object as entities."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    cut = plain if len(plain) <= most else plain[: most - 1] + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _block(kind: str, text: str, most: int = 3_000) -> dict[str, Any]:
    return {"type": kind, "text": {"type": "plain_text", "text": text[:most], "emoji": False}}
