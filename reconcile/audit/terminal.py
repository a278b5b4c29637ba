"""An audit on a terminal: the verdict, rows by partition, each kind of finding with the commits behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.reconcile.audit.marks import DRIFT, HARMLESS, KINDS, UNKNOWN

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.reconcile.audit.document_types import AuditDocument, FindingDocument

MOST_PARTITIONS = 30
_VERDICTS = {
    "clean": "clean: every offset between a partition's first and last is there once",
    "drift": "drift: offsets are doubled, lost, or not of this topic",
    "incomplete": "incomplete: what is missing may be lost records, and nothing tells",
}


def show(document: AuditDocument, out: Path | None, console: Console) -> None:
    """The audit as a readable page."""
    columns = document["columns"]
    console.print(_verdict(document))
    at = f" of {document['snapshot_at']:%Y-%m-%d %H:%M:%S} UTC" if document["snapshot_at"] else ""
    console.print(f"  {document['table']} at snapshot {document['snapshot_id'] or 'none'}{at}")
    named = [name for name in (columns["topic"], columns["partition"], columns["offset"]) if name]
    console.print(f"  {document['rows']:,} rows by {', '.join(named)}")
    for line in _unplaced(document):
        console.print(f"  {line}")
    _show_partitions(document, console)
    for group in (DRIFT, UNKNOWN, HARMLESS):
        for kind in group:
            if kind in document["counts"]:
                _show_kind(kind, document, console)
    if document["history_whole"] is False:
        console.print(
            "  note: earlier snapshots have expired, or files of them are gone; (?) marks what they could change"
        )
    if out is not None:
        console.print(f"all stretches written to {out}")


def _verdict(document: AuditDocument) -> str:
    whole = _VERDICTS[document["verdict"]]
    unplaced = document["not_placed"]["null"] + document["not_placed"]["impossible"]
    if document["verdict"] == "incomplete" and not document["counts"].keys() & UNKNOWN.keys() and unplaced:
        return "incomplete: rows without coordinates may be anything"
    return whole


def _unplaced(document: AuditDocument) -> list[str]:
    unplaced, lines = document["not_placed"], []
    if unplaced["null"]:
        lines.append(f"{unplaced['null']:,} rows have a NULL coordinate: which records they are is not known")
    if unplaced["impossible"]:
        lines.append(f"{unplaced['impossible']:,} rows have a coordinate that Kafka never gives, such as -1")
    for topic, rows in sorted(document["other_topics"].items()):
        lines.append(f"{rows:,} rows of topic {topic} were not audited")
    for path in document["files_listed_twice"]:
        lines.append(f"the table lists this file more than once, so that every reader reads it as often: {path}")
    return lines


def _show_partitions(document: AuditDocument, console: Console) -> None:
    found = document["partitions"]
    for one in found[:MOST_PARTITIONS]:
        name = f"{one['topic'] or 'partition'} {one['partition']}"
        span = (
            "no rows" if one["first"] is None else f"{one['rows']:,} rows, offsets {one['first']:,} to {one['last']:,}"
        )
        ends = ""
        if one["topic_end"] is not None:
            span += f"; the topic has {one['topic_earliest']:,} to {one['topic_end'] - 1:,}"
            ends = f", {one['behind']:,} of them later" if one["behind"] else ""
        console.print(f"  {name}: {span}{ends}")
    if len(found) > MOST_PARTITIONS:
        console.print(f"  and {len(found) - MOST_PARTITIONS:,} more partitions")


def _show_kind(kind: str, document: AuditDocument, console: Console) -> None:
    count = document["counts"][kind]  # type: ignore[index]
    copies = f" ({count['copies']:,} rows too many)" if count["copies"] else ""
    console.print(f"{kind}: {count['offsets']:,} offsets {KINDS[kind]}{copies}")
    shown = [one for one in document["findings"] if one["kind"] == kind]
    for one in shown:
        console.print(f"  {_stretch(one)}{_by(one, document['commits'])}")
    if count["stretches"] > len(shown):
        console.print(f"  and {count['stretches'] - len(shown):,} more stretches (--samples, --out)")


def _stretch(one: FindingDocument) -> str:
    name = f"{one['topic'] or 'partition'} {one['partition']}"
    last = one["end"] - 1
    span = f"{one['start']:,}" if last == one["start"] else f"{one['start']:,} to {last:,}"
    return f"{name}, {span}" + (f", {one['copies']} times" if one["copies"] else "")


def _by(one: FindingDocument, commits: Mapping[str, Any]) -> str:
    doubt = "" if one["sure"] else " (?)"
    if one["deleted_by"]:
        return f": deleted by {_commits([one['deleted_by']], commits)}{doubt}"
    if one["written_by"]:
        return f": written by {_commits(one['written_by'], commits)}{doubt}"
    if one["passed_by"]:
        return f": never written; {_commits(one['passed_by'], commits)} wrote what follows{doubt}"
    return doubt


def _commits(ids: Sequence[str], commits: Mapping[str, Any]) -> str:
    told = []
    for number in ids:
        one = commits.get(number, {"expired": True})
        told.append(
            f"{number} (expired)" if one["expired"] else f"{number} ({one['operation']} {one['at']:%Y-%m-%d %H:%M:%S})"
        )
    return " and ".join(told)
