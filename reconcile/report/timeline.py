"""What happened, in steps: stream, batch, drift, replays, and the comparison after them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile import document as reading
from plumbline.reconcile import format
from plumbline.reconcile.document import CLASSES, Document
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.repaired import Repaired


def chapters(documents: Sequence[Document], facts: Facts) -> list[dict[str, str]]:
    """The story in steps: stream, batch, drift, each replay and its publish, the verdict after."""
    first, last = documents[0], documents[-1]
    counts = first["counts"]
    late_rows = sum(first["causes"].get(cause, 0) for cause in ("late_left", "late_right"))
    told = [
        _chapter("Stream", f"{format.count(counts['stream'])} rows", _epochs(first)),
        _chapter("Batch", f"{format.count(counts['batch'])} rows", "the reference, from the archive"),
        _chapter(
            "Drift", f"{format.counted(reading.drift(first), 'difference')}", f"{format.count(late_rows)} by lateness"
        ),
    ]
    for replay in facts.replays:
        rows = "" if replay.rows is None else f"{format.counted(replay.rows, 'row')}"
        door = f", from {replay.source}" if replay.source else ""
        told.append(_chapter("Replay", rows or replay.replay_id, f"{format.range_days(replay.time_range)}{door}"))
        if replay.snapshot_id is not None:
            told.append(_chapter("Publish", "one commit", f"snapshot {replay.snapshot_id}"))
    if len(documents) > 1:
        left = reading.drift(last)
        what = "clean" if last["verdict"] == "clean" else format.counted(left, "difference")
        told.append(_chapter("Reconcile again", what, format.range_days(reading.range_of(last)), last["verdict"]))
    return told


def repair_table(documents: Sequence[Document], facts: Facts) -> dict[str, Any] | None:
    """The last document's range before and after: what a row counts, and both rows; None for a single document."""
    if len(documents) < 2:
        return None
    first, last = documents[0], documents[-1]
    before, after = reading.within(first, reading.range_of(last)), last["counts"]
    names = ["batch", "stream", "match", *(name for name in CLASSES if before[name] or after[name])]
    note, rows = _note(first, reading.range_of(last), facts), [("before", before), ("after", after)]
    return {"span": reading.covered(last), "names": names, "rows": rows, "note": note}


def _note(document: Document, compared: TimeRange, facts: Facts) -> str:
    """That replays of less than the compared range were enough for it; nothing when that is not so."""
    ranges = [replay.time_range for replay in facts.replays]
    again, replayed = Repaired((compared,)), Repaired(tuple(ranges))
    drifted = [day for day in reading.windows(document) if day.drift and again.holds(day.start, day.end)]
    if not drifted or compared in ranges or not all(replayed.holds(day.start, day.end) for day in drifted):
        return ""
    return f"all its differences lay in what was replayed, {', '.join(map(format.range_days, ranges))}"


def _epochs(document: Document) -> str:
    epoch = (document.get("stream") or {}).get("last_epoch")
    return "no epoch ledger" if epoch is None else f"{format.counted(epoch + 1, 'epoch')}, in the ledger"


def _chapter(name: str, number: str, note: str, state: str = "") -> dict[str, str]:
    return {"name": name, "number": number, "note": note, "state": state}
