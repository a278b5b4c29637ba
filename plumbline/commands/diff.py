"""`plumbline diff`: compare any two tables, files or folders by key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from plumbline.contract.errors import UsageError
from plumbline.options import engine_option, home_option, json_option, memory_option, threads_option
from plumbline.output import emit, say
from plumbline.sections import Sectioned

SECTIONS = {
    "What is compared": (
        "key", "no_key", "columns", "ignore", "where", "where_left", "where_right", "names", "compute_left",
        "compute_right",
    ),
    "When values are equal": ("tolerances",),
    "What comes out": ("fail_if", "samples", "hide", "hashed", "out", "repair_sql", "repair_table",
                       "repair_dialect", "as_json"),
}  # fmt: skip


def _names(_ctx: click.Context, _option: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


def _several(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> list[str]:
    """Names of a repeatable option, each of which may list some with commas."""
    return [name for value in values for name in _names(_ctx, _option, value) or ()]


def _pairs(form: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, str]]:
    """NAME=VALUE, repeatable, as a mapping."""

    def read(_ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
        pairs: dict[str, str] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not (equals and name.strip() and value.strip()):
                raise UsageError(f"{option.opts[0]} {text!r} is not {form}", next_step=f"write {option.opts[0]} {form}")
            if name.strip() in pairs:
                raise UsageError(f"{option.opts[0]} names {name.strip()!r} twice", next_step="name it once")
            pairs[name.strip()] = value.strip()
        return pairs

    return read


def _check_apart(written: Path, *read: str) -> None:
    """What is read must not be overwritten, nor become a part of the next comparison."""
    from plumbline.reconcile.diff.engine.paths import takes_in

    for side in read:
        if takes_in(side, written):
            raise UsageError(f"{str(written)!r} is or would be a part of {side!r}", next_step="name another file")


@click.command(short_help="Compare any two tables, files or folders by key.", cls=Sectioned, sections=SECTIONS)
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@click.option("--key", "-k", callback=_names, metavar="K1,K2", help="Columns that identify a row.")
@click.option("--no-key", is_flag=True, help="Compare whole rows, each as often as it occurs.")
@click.option("--columns", callback=_names, metavar="C1,C2", help="Compare these columns only.")
@click.option("--ignore", multiple=True, callback=_several, metavar="C1,C2", help="Leave these columns out.")
@click.option("--where", metavar="SQL", help="Compare these rows only: day >= '2026-01-01'.")
@click.option("--where-left", metavar="SQL", help="The same for A only.")
@click.option("--where-right", metavar="SQL", help="The same for B only.")
@click.option(
    "--map",
    "names",
    multiple=True,
    metavar="A=B",
    callback=_pairs("A=B"),
    help="Column A of A is named B in B. SQL and output use A's names. Repeatable.",
)
@click.option(
    "--left",
    "compute_left",
    multiple=True,
    metavar="COLUMN=SQL",
    callback=_pairs("COLUMN=SQL"),
    help="Take this SQL over A's columns as the column. Repeatable.",
)
@click.option(
    "--right",
    "compute_right",
    multiple=True,
    metavar="COLUMN=SQL",
    callback=_pairs("COLUMN=SQL"),
    help="The same for B. Repeatable.",
)
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="COLUMN=RULE",
    help="Numbers: abs:1e-9 or rel:1e-6, both with a comma. Timestamps: round_to:'1 ms'. Text: case, space (blanks), "
    "nfc (accents). Lists: order. Your own rule: sql:abs(a - b) < 1 over the two values. Repeatable.",
)
@click.option(
    "--fail-if",
    multiple=True,
    metavar="LIMIT",
    help="Exit 1 only beyond this limit: 'mismatch > 1%', 'drift >= 10', 'price > 0', 'schema > 0'. Repeatable.",
)
@click.option("--samples", type=click.IntRange(0), default=10, metavar="N", help="Keys of each class to show: 10.")
@click.option(
    "--hide", multiple=True, callback=_several, metavar="C1,C2", help="Compare them, show none of their values."
)
@click.option(
    "--hash", "hashed", multiple=True, callback=_several, metavar="C1,C2", help="Show salted hashes of them only."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the differing keys as Parquet.")
@click.option("--repair-sql", type=click.Path(path_type=Path, dir_okay=False), help="Write SQL that makes B like A.")
@click.option("--repair-table", metavar="NAME", help="B's name in that SQL, if B is not a table itself.")
@click.option(
    "--repair-dialect",
    default="spark",
    metavar="SQL",
    help="The SQL's dialect: spark, or ansi (DuckDB, Trino, PostgreSQL).",
)
@memory_option
@threads_option
@engine_option
@home_option
@json_option
def diff(
    left: str,
    right: str,
    key: list[str] | None,
    no_key: bool,
    tolerances: tuple[str, ...],
    samples: int,
    out: Path | None,
    repair_sql: Path | None,
    repair_table: str | None,
    repair_dialect: str,
    engine: str,
    as_json: bool,
    **options: Any,
) -> int:
    """Compare A, the reference, with B by key. Exit code 0 when they agree, 1 when they differ.

    A and B are Parquet or CSV files, folders or globs of them, or Iceberg tables as namespace.table@snapshot. Classes:
    missing is only in A, extra is only in B, mismatch has different values, duplicate has several rows that are not the
    same on both sides.

    \b
    Examples:
      plumbline diff batch.parquet stream.parquet --key user_id,event_id
      plumbline diff joined.flights_batch joined.flights_stream@live --key flight_id --json
      plumbline diff a.csv b.parquet --key id --tolerance price=abs:0.005 --tolerance city=case,space
      plumbline diff joined.batch joined.stream --key id --engine spark
      plumbline diff 'old/*.parquet' new/ --key id --columns amount,currency --out drift.parquet
      plumbline diff a.parquet b.parquet --key id --map cost=price --where "day > '2026-01-01'"
      plumbline diff a.parquet b.parquet --no-key --fail-if 'drift > 0.1%'
    """
    from plumbline.reconcile.diff.diff import diff as compared
    from plumbline.reconcile.diff.terminal import show
    from plumbline.reconcile.diff.tolerances import parse_tolerances

    if (key is None) != no_key:
        raise UsageError(
            "both --key and --no-key are given" if no_key else "no key is named",
            next_step="name the columns that identify a row with --key, or compare whole rows with --no-key",
        )
    if repair_sql is not None and repair_table is None and Path(right).exists():
        raise UsageError(f"{right!r} is a file, not a table", next_step="name the table with --repair-table")
    for written in filter(None, (out, repair_sql)):
        _check_apart(written, left, right)
    found = compared(left, right, key, tolerances=parse_tolerances(tolerances), engine=engine, **options)
    if engine == "auto":
        say(f"engine: {found.engine.name}: {found.engine.why}")
    if out is not None:
        found.write(out)
    if repair_sql is not None:
        found.write_repair(repair_sql, repair_table or right.partition("@")[0], repair_dialect)
    rows = found.samples(samples)
    emit(found.summary | {"samples": rows}, as_json, lambda console: show(found, rows, out, console))
    return 1 if found.failed else 0
