"""A comparison of aggregates on a terminal: the verdict, the books, the sums that explain what differs, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from plumbline.reconcile import format
from plumbline.reconcile.aggregates.books import net
from plumbline.reconcile.aggregates.newer_rows import NEW
from plumbline.reconcile.aggregates.spelling import both, spelled
from plumbline.reconcile.causes import named
from plumbline.reconcile.format import figures_table
from plumbline.reconcile.judge.books import CLASSES, PENDING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from plumbline.contract.document_types import Range
    from plumbline.reconcile.aggregates.document_types import AggregateDocument, LineFinding, RowBooks, Sum

COLUMNS = ("batch", "stream", "match", *CLASSES, PENDING)
EXAMPLES = 3
"""Of each cause."""


def show(document: AggregateDocument, contract_path: str, console: Console) -> None:
    """Print the document as a readable page."""
    console.print(headline(document))
    console.print(f"{_scope(document)}\n")
    console.print(_books(document))
    if document["causes"]:
        console.print(_causes(document))
    for line in facts(document):
        console.print(line, markup=False)
    for line in examples(document):
        console.print(line, markup=False)
    for line in next_steps(document, contract_path):
        console.print(line, markup=False)


def headline(document: AggregateDocument) -> str:
    """The verdict in a sentence."""
    counts = document["counts"]
    number = sum(document["causes"].values())
    differ = f"{format.counted(number, 'line')} {'differs' if number == 1 else 'differ'}"
    said = {
        "clean": f"clean: {counts['match']:,} lines of closed windows are in the stream with the same values"
        if counts["match"]
        else "clean: no line of a closed window differs",
        "drift": f"drift: {differ}, {document['unexplained']:,} unexplained",
        "incomplete": f"incomplete: {differ}, {document['unexplained']:,} unexplained",
    }[document["verdict"]]
    if not document["balanced"]:
        return f"{said}; the books do not balance, which is a defect of Plumbline"
    return f"{said}, {counts['pending']:,} pending" if counts["pending"] else said


def facts(document: AggregateDocument) -> Iterator[str]:
    """What is to be known beside the books, a line each."""
    if document["rows"] is not None:
        yield f"joined rows below closed windows, by the ledger: {sum_of_rows(document['rows'])}"
    if document["rounding"]:
        many = "line is" if document["rounding"] == 1 else "lines are"
        yield f"{document['rounding']:,} {many} equal within the error of floating-point sums in any order"
    if document["columns"]:
        yield "values that differ: " + ", ".join(f"{name} {count:,}" for name, count in document["columns"].items())
    for found in document["schema"]:
        yield f"schema: column {found['column']}: {found['finding']} ({found['left']}, {found['right']})"
    if document["agrees"] is False:
        yield "some lines match although the ledger says that the stream dropped records of them"
    if document["apart"]:
        yield f"{document['apart']:,} batch lines are not what the joined rows below them come to"
    if document["stale"]:
        yield f"{document['stale']:,} lines cannot be told: the stream has read records that the batch run has not"
    for source, number in document.get("unarchived", {}).items():
        offsets = format.counted(number, "offset")
        yield f"the archive lacks {offsets} of {source} that the stream has read: a record there is in no batch line"
    if document["untold"] is not None:
        yield document["untold"]
    for alert in document["alerts"]:
        yield f"alert: {alert['name']} {alert['limit']}: {alert['count']:,} of {alert['of']:,} batch lines"


def examples(document: AggregateDocument) -> Iterator[str]:
    """Some findings of each cause, each with its sums."""
    shown: dict[str, int] = {}
    for finding in document["findings"]:
        shown[finding["cause"]] = shown.get(finding["cause"], 0) + 1
        if shown[finding["cause"]] <= EXAMPLES:
            yield f"{finding['cause']}: {key_of(finding)}: {sums_of(finding)}"


def key_of(finding: LineFinding) -> str:
    """`window_start 2024-03-01T00:30:00Z, genre b`."""
    return ", ".join(f"{name} {spelled(value)}" for name, value in finding["key"].items())


def sums_of(finding: LineFinding) -> str:
    """`shown 812 = 803 + late_right 7 + quarantined 2`, of each value that differs; the batch's number comes first."""
    if finding["kind"] in ("extra", "duplicate"):
        return {"extra": "in the stream only", "duplicate": "several lines with this key"}[finding["kind"]]
    return "; ".join(sum_of(name, one) for name, one in finding["values"].items() if one["batch"] != one["stream"])


def sum_of(name: str, one: Sum) -> str:
    """`shown 812 = 803 + late_right 7` of one value."""
    batch, stream = both(one["batch"], one["stream"])
    if one["batch"] == one["stream"]:
        return f"{name} {batch} in both"
    if "causes" in one:
        return f"{name} {batch} = {stream}{_plus(one['causes'])}"
    return f"{name} {batch}, in the stream {stream}"


def next_steps(document: AggregateDocument, contract_path: str) -> Iterable[str]:
    """What to do, where something is to be done."""
    bounds = (("from", document["range"]["from"]), ("to", document["range"]["to"]))
    command = " ".join(["plumbline batch run", contract_path, *(f"--{name} {at}" for name, at in bounds if at)])
    if document["stale"] or document["apart"] or NEW in document["causes"]:
        return ("\nnext: run the batch again over the range, then compare again", f"  {command}")
    if document.get("unarchived"):
        steps = (f"archive fill {contract_path} --execute", command.removeprefix("plumbline "))
        what = "\nnext: archive the records that the topics still hold, run the batch again, then compare again"
        return (what, *(f"  plumbline {step}" for step in steps))
    if document["unexplained"]:
        return (
            "\nnext: no late, quarantined or unread record explains these lines: look at what wrote the stream table",
        )
    return ()


def sum_of_rows(rows: RowBooks) -> str:
    """`batch 812 = stream 803 + late_right 7`."""
    if rows["stream"] is None:
        return f"{rows['batch']:,} in batch; an epoch is missing in the ledger, so the stream's are not known"
    taken = {cause: net(lost) for cause, lost in rows["lost"].items()}
    return f"batch {rows['batch']:,} = stream {rows['stream']:,}{_plus(taken)}"


def _plus(taken: Mapping[str, Any]) -> str:
    return "".join(f" + {cause} {spelled(amount)}" for cause, amount in taken.items())


def _scope(document: AggregateDocument) -> str:
    wanted: Range = document["range"]
    state = "settled" if document["settled"] else "not settled"
    closed = document["closed_until"]
    until = f": the windows that end up to {closed} are closed" if closed else ""
    return f"run {document['run_id']} of {document['contract']}, {format.span(wanted)}, {state}{until}"


def _books(document: AggregateDocument) -> Table:
    table = figures_table("day", *COLUMNS)
    for page in document["ledger"]:
        table.add_row((page["window"] or "")[:10], *_figures(page))
    table.add_section()
    table.add_row("total", *_figures(document["counts"]))
    return table


def _figures(page: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{page[name]:,}" for name in COLUMNS)


def _causes(document: AggregateDocument) -> Table:
    table = figures_table("cause", "lines", "rows gone", "rows more")
    table.add_column("what it means", justify="left")
    lost = document["rows"]["lost"] if document["rows"] is not None else {}
    for cause, lines in document["causes"].items():
        rows = lost.get(cause)
        figures = (f"{rows['gone']:,}", f"{rows['gone'] - net(rows):,}") if rows is not None else ("", "")
        table.add_row(cause, f"{lines:,}", *figures, named(cause).title)
    return table
