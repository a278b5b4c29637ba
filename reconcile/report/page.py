"""The drift report: one HTML file that needs no network and runs no script. Every value goes through autoescape."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import SetupError
from contract.ranges import TimeRange, parse_time, spell_time
from reconcile.report import checks, plots, reading, spell, stories
from reconcile.report import lateness as late
from reconcile.report.reading import CLASSES, Document, Window

if TYPE_CHECKING:
    from jinja2 import Environment

    from contract.model import Contract

MOST_ROWS = 10


@dataclass(frozen=True)
class Replay:
    """One repair to show between two documents: the range, what was read, what was written."""

    replay_id: str
    time_range: TimeRange
    source: str | None = None
    rows: int | None = None
    snapshot_id: int | None = None
    published_at: datetime | None = None


@dataclass(frozen=True)
class Facts:
    """What the page may tell beyond the documents; each part is left out when it is not known."""

    contract: Contract | None = None
    contract_path: str = "CONTRACT"
    home_option: str = ""
    lateness: Sequence[late.Lateness] = ()
    replays: Sequence[Replay] = ()
    checks: Sequence[Mapping[str, Any]] = ()
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))


def render(documents: Sequence[Document], findings: Iterable[stories.Finding], facts: Facts | None = None) -> str:
    """The page for one document, or for several of one contract in order: the drift first, then what repaired it.

    `findings` are rows of plumbline.findings of the first document's run, all or those that recorded.findings picks.
    """
    facts = facts or Facts()
    page = environment().get_template("page.html")
    return page.render(context(documents, list(findings), facts))


def write(path: str | Path, html: str) -> int:
    """Write the page so that a reader sees the old one or the new one, never a part; its size in bytes.

    Raises SetupError when the file cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    body = html.encode()
    try:
        part.write_bytes(body)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        step = "name a file in a folder that exists and can be written"
        raise SetupError(f"the page cannot be written: {error.strerror}", where=str(target), next_step=step) from None
    return len(body)


@cache
def environment() -> Environment:
    """Jinja with autoescape for every template, undefined names refused, and the spellings as filters."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("reconcile.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"n": spell.count, "moment": spell.moment, "delay": spell.delay, "shade": spell.shade}
    return made


def context(documents: Sequence[Document], findings: Sequence[stories.Finding], facts: Facts) -> dict[str, Any]:
    """Everything that page.html shows, as plain values."""
    first = documents[0]
    bars, unit = reading.merged(reading.windows(first))
    replayed = [replay.time_range for replay in facts.replays]
    return {
        "document": first,
        "contract": facts.contract,
        "verdicts": [verdict(document, facts.contract) for document in documents],
        "span": _covered(first),
        "closed": _closed(first),
        "made_at": facts.made_at,
        "books": reading.book_lines(first),
        "records": reading.record_lines(first),
        "causes": [_cause(line, first, facts.contract) for line in reading.cause_lines(first)],
        "classes": [name for name in CLASSES if any(page[name] for page in first["ledger"])] or ["missing", "mismatch"],
        "drift_chart": plots.drift_per_window(bars, unit, replayed) if bars else None,
        "unit": unit,
        "worst_windows": _worst_windows(bars),
        "untimed": next((w for w in reading.windows(first) if w.start is None), None),
        "chapters": chapters(documents, facts) if len(documents) > 1 or facts.replays else [],
        "repair": repair_table(documents),
        "lateness": facts.lateness,
        "lateness_chart": plots.lateness_curve(facts.lateness) if any(c.behind for c in facts.lateness) else None,
        "lateness_rows": late.choices(facts.lateness),
        "stories": stories.worst(findings, MOST_ROWS, facts.contract),
        "found": reading.drift(first),
        "predicted": predicted_table(first),
        "checks": checks.shown(facts.checks, first["snapshots"]),
        "columns": sorted(first["columns"].items(), key=lambda item: -item[1]),
        "snapshots": [(d["run_id"], d["snapshots"]) for d in documents],
        "commands": commands(documents, facts, reading.worst(bars)),
        "explain": "plumbline explain ",
        "explain_options": f" --contract {shlex.quote(facts.contract_path)}{facts.home_option}",
        "quote": shlex.quote,
    }


def verdict(document: Document, contract: Contract | None) -> dict[str, str]:
    """Verdict, its sentence and the days it is about."""
    return {
        "word": document["verdict"],
        "sentence": reading.verdict_sentence(document, contract),
        "span": _covered(document),
    }


def predicted_table(document: Document) -> list[tuple[str, int, int]]:
    """`(what, predicted, found)`: what the exact rules say of archive and ledger against what the tables hold."""
    predicted, counts = document.get("predicted"), document["counts"]
    if not predicted:
        return []
    found = {
        "stream_rows": counts["stream"],
        "late_left": document["causes"].get("late_left", 0),
        "late_right": document["causes"].get("late_right", 0),
        "pending": counts["pending"],
    }
    return [(name, number, found[name]) for name, number in predicted.items() if name in found]


def chapters(documents: Sequence[Document], facts: Facts) -> list[dict[str, str]]:
    """The story in steps: stream, batch, drift, each replay and its publish, the verdict after."""
    first, last = documents[0], documents[-1]
    counts = first["counts"]
    late_rows = sum(first["causes"].get(cause, 0) for cause in ("late_left", "late_right"))
    told = [
        _chapter("Stream", f"{spell.count(counts['stream'])} rows", _epochs(first)),
        _chapter("Batch", f"{spell.count(counts['batch'])} rows", "the reference, from the archive"),
        _chapter(
            "Drift", f"{spell.counted(reading.drift(first), 'difference')}", f"{spell.count(late_rows)} by lateness"
        ),
    ]
    for replay in facts.replays:
        rows = "" if replay.rows is None else f"{spell.counted(replay.rows, 'row')}"
        door = f", from {replay.source}" if replay.source else ""
        told.append(_chapter("Replay", rows or replay.replay_id, f"{_days(replay.time_range)}{door}"))
        if replay.snapshot_id is not None:
            told.append(_chapter("Publish", "one commit", f"snapshot {replay.snapshot_id}"))
    if len(documents) > 1:
        left = reading.drift(last)
        what = "clean" if last["verdict"] == "clean" else spell.counted(left, "difference")
        told.append(_chapter("Reconcile again", what, _days(reading.range_of(last)), last["verdict"]))
    return told


def repair_table(documents: Sequence[Document]) -> dict[str, Any] | None:
    """The last document's range before and after: what a row counts, and both rows; None for a single document."""
    if len(documents) < 2:
        return None
    first, last = documents[0], documents[-1]
    before, after = reading.within(first, reading.range_of(last)), last["counts"]
    names = ["batch", "stream", "match", *(name for name in CLASSES if before[name] or after[name])]
    return {"span": _covered(last), "names": names, "rows": [("before", before), ("after", after)]}


def commands(documents: Sequence[Document], facts: Facts, worst: Window | None) -> list[tuple[str, str]]:
    """`(what for, command)`: repeat the comparison, repair what drifted most, look again."""
    path, first = shlex.quote(facts.contract_path) + facts.home_option, documents[0]
    ranged = _options(reading.range_of(first))
    lines = [("Compare again", f"plumbline reconcile {path}{ranged}")]
    if worst is not None and worst.start and worst.end:
        repair = _options(TimeRange(worst.start, worst.end))
        lines += [
            ("Recompute the reference", f"plumbline batch run {path}{repair}"),
            ("Plan the repair of the worst stretch", f"plumbline replay plan {path}{repair}"),
            ("Run it, look at it, publish it", f"plumbline replay run REPLAY_ID{facts.home_option} --execute"),
            ("", f"plumbline replay audit REPLAY_ID{facts.home_option}"),
            ("", f"plumbline replay publish REPLAY_ID{facts.home_option} --execute"),
            ("Compare that stretch", f"plumbline reconcile {path}{repair}"),
        ]
    return [*lines, ("This page", f"plumbline report {path} --run {shlex.quote(str(first['run_id']))}")]


def _cause(line: reading.CauseLine, document: Document, contract: Contract | None) -> dict[str, Any]:
    most = max(other.findings for other in reading.cause_lines(document))
    return {
        "name": line.name,
        "title": spell.cause_title(line.name, contract),
        "classes": line.classes,
        "findings": line.findings,
        "width": round(100 * line.findings / most, 2),
        "share": spell.share(line.findings, document["counts"]["batch"]),
    }


def _worst_windows(bars: Sequence[Window]) -> list[dict[str, Any]]:
    ranked = sorted((bar for bar in bars if bar.drift), key=lambda bar: -bar.drift)[:5]
    return [
        {"days": _days(TimeRange(bar.start, bar.end)), "bar": bar, "share": spell.share(bar.drift, bar.batch)}
        for bar in ranked
    ]


def _covered(document: Document) -> str:
    """The document's range; an open one as the days in which it found rows."""
    time_range = reading.range_of(document)
    timed = [window for window in reading.windows(document) if window.start]
    if time_range.is_open and timed:
        return f"{_days(TimeRange(timed[0].start, timed[-1].end))} (everything)"
    return _days(time_range)


def _closed(document: Document) -> str:
    """How far the stream has closed its windows; the ledger counts in whole ms, both ends included."""
    until = (document.get("stream") or {}).get("closed_until")
    if document["settled"]:
        return "all closed"
    if until is None:
        return "not known, no epoch ledger"
    return f"closed before {spell.moment(parse_time(until) + timedelta(milliseconds=1))}"


def _epochs(document: Document) -> str:
    epoch = (document.get("stream") or {}).get("last_epoch")
    return "no epoch ledger" if epoch is None else f"{spell.counted(epoch + 1, 'epoch')}, in the ledger"


def _days(time_range: TimeRange) -> str:
    """Whole days as `14–20 Jan 2013`, anything else as a half-open range."""
    start, end = time_range.start, time_range.end
    if start and end and start.time() == end.time() == datetime.min.time():
        return plots.days(start, end)
    return spell.span(time_range.as_json())


def _options(time_range: TimeRange) -> str:
    ends = (("--from", time_range.start), ("--to", time_range.end))
    return "".join(f" {option} {spell_time(end)}" for option, end in ends if end)


def _chapter(name: str, number: str, note: str, state: str = "") -> dict[str, str]:
    return {"name": name, "number": number, "note": note, "state": state}


def fragment(chart: plots.Chart) -> str:
    """One plot with its style, as HTML to display in a notebook."""
    module: Mapping[str, Any] = {"chart": chart}
    return environment().get_template("fragment.html").render(module)
