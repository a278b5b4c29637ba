"""The keys worth a look: data loss and the unexplained first, then the latest of the late, each with its story."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.generations import spelled
from plumbline.reconcile import format
from plumbline.reconcile.report.answers import GRAVEST

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

Finding = Mapping[str, Any]
"""One row of plumbline.findings."""

PER_CAUSE = 6
HELD_TITLE = "held back behind the join, or lost"
HELD = "the join has written this row, or the unmatched one in its place, and {held_by} behind it may hold it back"


@dataclass(frozen=True)
class Story:
    """One finding for readers: what happened in a sentence, and the evidence to check it by, as (name, value).

    `parts` are the key's (column, value) for a command, each character itself, None for NULL; all else is
    spelled for the eye.
    """

    key: str
    parts: tuple[tuple[str, str | None], ...]
    kind: str
    cause: str
    sentence: str
    late_by_ms: int | None
    evidence: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    batch_row: str | None
    stream_row: str | None
    window: datetime | None


def worst(findings: Iterable[Finding], most: int = 12, contract: Contract | None = None) -> tuple[Story, ...]:
    """At most `most` stories, of one cause more than PER_CAUSE only where others are few."""
    ranked = sorted((f for f in findings if f["cause"] != "pending"), key=_rank)
    taken: dict[str, int] = {}
    chosen, rest = list[Finding](), list[Finding]()
    for finding in ranked:
        taken[finding["cause"]] = taken.get(finding["cause"], 0) + 1
        (chosen if taken[finding["cause"]] <= PER_CAUSE else rest).append(finding)
    both = sorted([*chosen[:most], *rest[: max(0, most - len(chosen))]], key=_rank)
    return tuple(tell(finding, contract) for finding in both)


def of_each_cause(findings: Iterable[Finding], contract: Contract | None = None) -> tuple[Story, ...]:
    """The worst story of each cause: a command that looks at one key may need any of them."""
    first: dict[str, Finding] = {}
    for finding in sorted(findings, key=_rank):
        first.setdefault(finding["cause"], finding)
    return tuple(tell(finding, contract) for finding in first.values())


def tell(finding: Finding, contract: Contract | None = None) -> Story:
    """The story of one finding, from its evidence."""
    evidence = _evidence(finding)
    names = format.cause(finding["cause"]).evidence or tuple(evidence)
    known = {name: evidence[name] for name in names if evidence.get(name) is not None}
    shown = tuple((_label(name), _value(name, value)) for name, value in known.items())
    return Story(
        key=format.key(finding["key"]),
        parts=format.key_parts(finding["key"]),
        kind=str(finding["class"]),
        cause=str(finding["cause"]),
        sentence=_sentence(finding, evidence, contract),
        late_by_ms=late_by(finding),
        evidence=shown,
        columns=tuple(finding.get("columns") or ()),
        batch_row=_row(finding.get("left_row")),
        stream_row=_row(finding.get("right_row")),
        window=finding.get("window"),
    )


def late_by(finding: Finding) -> int | None:
    """By how many ms the finding's record was late; None when it was not lateness."""
    sides = {"late_left": ("left",), "late_right": ("right",), "watermark_poisoned": ("left", "right")}
    evidence = _evidence(finding)
    numbers = (evidence.get(f"{side}_late_by_ms") for side in sides.get(finding["cause"], ()))
    return next((int(number) for number in numbers if number is not None), None)


def _rank(finding: Finding) -> tuple[int, int, str]:
    cause = finding["cause"]
    grave = GRAVEST.index(cause) if cause in GRAVEST else len(GRAVEST)
    return grave, -(late_by(finding) or 0), format.key(finding["key"])


def _evidence(finding: Finding) -> dict[str, Any]:
    evidence = finding.get("evidence") or {}
    return json.loads(evidence) if isinstance(evidence, str) else dict(evidence)


def _sentence(finding: Finding, evidence: Mapping[str, Any], contract: Contract | None) -> str:
    """The cause's title and its own sentence with the evidence in its places; the title when a piece is not known."""
    held = finding["cause"] == "pending" and evidence.get("held_by") is not None
    title = HELD_TITLE if held else format.cause_title(str(finding["cause"]), contract)
    title = title[:1].upper() + title[1:]
    known = {
        name: _value(name, value)
        for name, value in {**evidence, "columns": finding.get("columns")}.items()
        if value is not None
    }
    for name in ("left_late_by", "right_late_by", "stamp_ahead_by"):
        if f"{name}_ms" in known:
            known[name] = known[f"{name}_ms"]
    known["gap_until"] = _archive_ends(known)
    try:
        story = HELD if held else format.cause(finding["cause"]).story
        story = story.format_map(known)
    except (KeyError, IndexError, ValueError):
        story = ""
    return f"{title}: {story}{_also(finding, known, contract)}." if story else f"{title}."


def _archive_ends(known: Mapping[str, str]) -> str:
    """Where the archive goes on after a record that it lacks, or ends before it."""
    if "gap_before" in known:
        return f"continues at offset {known['gap_before']}"
    return f"ends at offset {known['gap_after']}" if "gap_after" in known else "holds nothing of this partition"


def _also(finding: Finding, known: Mapping[str, str], contract: Contract | None) -> str:
    """That the partner of a late left record was late too, so that no longer wait for one of them saves the row; and
    that the stream's row does not name its records, where that is so."""
    if known.get("implied_by") == "recomputation":
        return (
            "; the stream's rows do not name their records: the batch's rows of this event, computed again without "
            "what the ledger says was dropped or not read, are exactly these"
        )
    if "implied_by" in known:
        return "; the stream's row does not name its records: they are implied, as no other archived ones can make it"
    if finding["cause"] != "late_left" or "right_late_by" not in known:
        return ""
    partner = contract.join.right if contract else "right"
    return f"; its {partner} record was late too, by {known['right_late_by']}"


def _label(name: str) -> str:
    return name.removesuffix("_ms").replace("_", " ")


def _value(name: str, value: object) -> str:
    if name.endswith("_partition") and isinstance(value, int):
        return spelled(value)
    if name.endswith("_by_ms") and isinstance(value, int):
        return format.delay(value)
    if name.endswith("_watermark_ms") and isinstance(value, int):
        from plumbline.contract.ranges import from_micros

        return format.moment(from_micros(value * 1000))
    if isinstance(value, str) and name.endswith(("_time", "_watermark", "_until")):
        try:
            return format.moment(value)
        except ValueError:
            return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(format.plain(part) for part in value)
    return format.plain(value)


def _row(row: object) -> str | None:
    """A row as `name=value, …`; JSON text or a mapping."""
    if row is None:
        return None
    parsed = json.loads(row) if isinstance(row, str) else row
    if not isinstance(parsed, Mapping):
        return format.plain(parsed)
    return ", ".join(f"{name}={format.plain(value)}" for name, value in parsed.items())
