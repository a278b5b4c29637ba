"""`plumbline diff`: compare any two tables, files or folders by key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connect.home import Home
from plumbline.options import home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from reconcile.difference import Diff

SHOWN = 10


def _names(_ctx: click.Context, _option: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


@click.command(short_help="Compare any two tables, files or folders by key.")
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@click.option("--key", "-k", required=True, callback=_names, metavar="K1,K2", help="Columns that identify a row.")
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="COLUMN=RULE",
    help="abs:1e-9, rel:1e-6, both with a comma, or round_to:'1 ms' for timestamps. Repeatable.",
)
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Leave this column out. Repeatable.")
@click.option("--columns", callback=_names, metavar="A,B", help="Compare these columns only.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the differing keys as Parquet.")
@click.option("--memory", default="512MB", show_default=True, metavar="SIZE", help="Bound of this process.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "duckdb", "spark"]),
    default="duckdb",
    show_default=True,
    help="auto chooses by size, and says why.",
)
@home_option
@json_option
def diff(
    left: str,
    right: str,
    key: list[str],
    tolerances: tuple[str, ...],
    ignore: tuple[str, ...],
    columns: list[str] | None,
    out: Path | None,
    memory: str,
    engine: str,
    home: Home,
    as_json: bool,
) -> int:
    """Compare A, the reference, with B by key. Exit code 0 when they agree, 1 when they differ.

    A and B are Parquet or CSV files, folders or globs of them, or Iceberg tables as namespace.table@snapshot.
    Classes: missing is only in A, extra only in B, mismatch has other values, duplicate another number of rows.

    \b
    Examples:
      plumbline diff batch.parquet stream.parquet --key user_id,event_id
      plumbline diff joined.flights_batch joined.flights_stream@live --key flight_id --json
      plumbline diff joined.batch joined.stream --key id --engine spark
      plumbline diff a.csv b.parquet --key id --tolerance price=abs:0.005 --ignore note
      plumbline diff 'old/*.parquet' new/ --key id --columns amount,currency --out drift.parquet
    """
    from reconcile.difference import diff as compared
    from reconcile.tolerance import parse_tolerances

    found = compared(
        left, right, key,
        tolerances=parse_tolerances(tolerances), ignore=ignore, columns=columns, memory=memory, home=home,
        engine=engine,
    )  # fmt: skip
    if engine == "auto":
        say(f"engine: {found.engine.name}: {found.engine.why}")
    if out is not None:
        found.write(out)
    emit(found.summary, as_json, lambda console: show(found, out, console))
    return 0 if found.clean else 1


def show(found: Diff, out: Path | None, console: Console) -> None:
    """Counts, schema findings and the first differing keys, as a readable page."""
    figures, counts = found.comparison, found.comparison.counts
    console.print("clean" if found.clean else "the two sides differ")
    console.print(f"  A {figures.left_rows:>14,} rows")
    console.print(f"  B {figures.right_rows:>14,} rows")
    for name, what in _CLASSES.items():
        console.print(f"  {name:<10} {counts[name]:>10,}  {what}")
    if figures.repeated_keys:
        console.print(f"  note: {figures.repeated_keys:,} keys occur more than once on a side")
    for finding in figures.schema:
        console.print(f"  schema: {_spelled(finding)}")
    for name, count in figures.columns.items():
        console.print(f"  column {name}: {count:,} keys differ")
    _show_rows(found, console)
    if out is not None:
        console.print(f"differing keys written to {out}")


_CLASSES = {
    "match": "rows of A that B has too",
    "mismatch": "keys with other values",
    "missing": "keys only in A",
    "extra": "keys only in B",
    "duplicate": "keys that occur another number of times",
}
_FINDINGS = {
    "only_left": "is only in A ({left})",
    "only_right": "is only in B ({right})",
    "incomparable": "was not compared: {left} in A, {right} in B",
    "time_zone": "has a time zone on one side only, taken as UTC: {left} in A, {right} in B",
    "decimal_scale": "has another scale, compared by value: {left} in A, {right} in B",
    "type": "has another type, compared by value: {left} in A, {right} in B",
}


def _spelled(finding: dict[str, str | None]) -> str:
    return f"{finding['column']} " + _FINDINGS[str(finding["finding"])].format_map(finding)


def _show_rows(found: Diff, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from reconcile.difference_html import shown_values

    rows = found.drift(SHOWN).to_pylist()
    if not rows:
        return
    key = found.comparison.key
    table = Table(title="first differing keys", title_justify="left")
    for name in ("class", *key, "A", "B"):
        table.add_column(Text(printable(name)))
    for row in rows:
        cells: list[Any] = [row["class"], *(row[name] for name in key)]
        cells += [shown_values(row, "left"), shown_values(row, "right")]
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)


def printable(value: Any) -> str:
    """A value without characters that would steer the terminal, shortened."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
    return shown if len(shown) <= 120 else shown[:119] + "…"
