"""`plumbline expect`: the contract's own suite of Great Expectations on both outputs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connect.home import Home
from contract.errors import UsageError
from contract.ranges import TimeRange
from plumbline.options import contract_argument, home_option, json_option, range_options
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

BOTH = ("stream", "batch")
WORDS = {
    "expect_table_columns_to_match_ordered_list": "columns",
    "expect_column_values_to_be_in_type_list": "type",
    "expect_column_values_to_not_be_null": "not null",
    "expect_column_values_to_be_between": "between",
    "expect_column_values_to_be_in_set": "in set",
    "expect_column_pair_values_to_be_equal": "equal",
    "expect_compound_columns_to_be_unique": "unique",
    "expect_table_row_count_to_be_between": "rows",
    "unexpected_rows_expectation": "no such rows",
}


@click.command(short_help="Check both outputs against what the contract implies.")
@contract_argument
@click.option("--on", type=click.Choice([*BOTH, "both"]), default="both", show_default=True, help="Which output.")
@range_options
@click.option("--suite", "suite_path", metavar="FILE", type=click.Path(path_type=Path), help="Write the suite as JSON.")
@click.option(
    "--results", "results_path", metavar="FILE", type=click.Path(path_type=Path), help="Write GX's results as JSON."
)
@home_option
@json_option
def expect(
    contract_path: Path,
    on: str,
    time_range: TimeRange,
    suite_path: Path | None,
    results_path: Path | None,
    home: Home,
    as_json: bool,
) -> int:
    """Check the stream's and the batch's table, each alone, against what the contract implies.

    Columns, types, keys, lineage, event times, and the contract's `expectations:` block, as one Great Expectations
    suite. Without a range: all rows. Exit code 1 when an expectation fails.

    \b
    Examples:
      plumbline expect flights.yaml
      plumbline expect flights.yaml --on stream --date 2013-01-15 --json
      plumbline expect flights.yaml --suite suite.json --results results.json
    """
    import expectations
    from contract.loader import load

    sides = BOTH if on == "both" else (on,)
    outcome = expectations.run(load(contract_path), home, time_range, on=sides, say=say)
    if suite_path:
        _write(suite_path, outcome.suite.to_json_dict())
    if results_path:
        _write(results_path, {side: result.to_json_dict() for side, result in outcome.validations.items()})
    emit(outcome.document, as_json, lambda console: _show(outcome.document, console))
    return 0 if outcome.success else 1


def _write(path: Path, document: Mapping[str, Any]) -> None:
    try:
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write {str(path)!r}: {error.strerror}", next_step="name a file in a folder that you may write to"
        ) from None


def _show(document: Mapping[str, Any], console: Console) -> None:
    for side, table in document["tables"].items():
        listed = table["expectations"]
        good = sum(one["success"] for one in listed)
        console.print(
            f"{side}: {table['table']}, {table['rows']:,} rows, snapshot {table['snapshot_id'] or 'none yet'}"
        )
        console.print(_lines(listed))
        for one in listed:
            _show_failure(one, console)
        console.print(f"  {good} of {len(listed)} expectations hold\n")


def _lines(listed: Iterable[Mapping[str, Any]]) -> Any:
    """One line for each expectation; the types that hold share one."""
    from rich.table import Table
    from rich.text import Text

    lines = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    typed = [one for one in listed if WORDS[one["expectation"]] == "type" and one["success"]]
    for one in listed:
        if one in typed[1:]:
            continue
        word, what, why = WORDS[one["expectation"]], one["column"] or "", one["why"]
        if one in typed[:1]:
            what, why = f"{len(typed)} columns", "as the contract declares them"
        mark = Text("  ok", "green") if one["success"] else Text("  FAILED", "bold red")
        unexpected = f"{one['unexpected']:,}" if one["unexpected"] else ""
        lines.add_row(mark, word, what, unexpected, why)
    return lines


def _show_failure(one: Mapping[str, Any], console: Console) -> None:
    if one["success"]:
        return
    count = f"{one['unexpected']:,} unexpected" if one["unexpected"] is not None else "not met"
    observed = "" if one["observed"] is None else f"; observed: {_spelled(one['observed'])}"
    console.print(f"  {WORDS[one['expectation']]} {one['column'] or ''}: {count}{observed}")
    for row in one["sample"]:
        console.print("    " + ", ".join(f"{name}={_spelled(value)}" for name, value in row.items()))


def _spelled(value: object) -> str:
    from datetime import datetime

    from contract.ranges import spell_time

    if isinstance(value, list):
        return ", ".join(map(_spelled, value))
    if isinstance(value, datetime) and value.tzinfo:
        return spell_time(value)
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
