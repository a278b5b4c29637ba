"""`plumbline expect`: the contract's own suites of Great Expectations on its tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.options import contract_argument, home_option, json_option, range_options
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.expectations import Outcome

ON = {
    "outputs": ("stream", "batch"),
    "stream": ("stream",),
    "batch": ("batch",),
    "sources": ("sources",),
    "staging": (),
}
WORDS = {
    "expect_table_columns_to_match_set": "columns",
    "expect_column_values_to_be_in_type_list": "type",
    "expect_column_values_to_not_be_null": "not null",
    "expect_column_values_to_be_between": "between",
    "expect_column_values_to_be_in_set": "in set",
    "expect_column_pair_values_to_be_equal": "equal",
    "expect_compound_columns_to_be_unique": "unique",
    "expect_table_row_count_to_be_between": "rows",
    "unexpected_rows_expectation": "no such rows",
    "expect_column_values_to_be_null": "null",
    "expect_column_max_to_be_between": "newest",
}


@click.command(short_help="Check sources, outputs or a replay's rows against what the contract implies.")
@contract_argument
@click.option(
    "--on",
    multiple=True,
    type=click.Choice([*ON]),
    default=("outputs",),
    show_default="outputs",
    help="Which tables; may be given several times.",
)
@range_options
@click.option("--replay", "replay_id", metavar="REPLAY", help="With --on staging: the replay's id, or latest.")
@click.option("--suite", "suite_path", metavar="FILE", type=click.Path(path_type=Path), help="Write the suite as JSON.")
@click.option(
    "--results", "results_path", metavar="FILE", type=click.Path(path_type=Path), help="Write GX's results as JSON."
)
@click.option("--page", "page_path", metavar="FILE", type=click.Path(path_type=Path), help="Write an HTML page.")
@home_option
@json_option
def expect(
    contract_path: Path,
    on: tuple[str, ...],
    time_range: TimeRange,
    replay_id: str | None,
    suite_path: Path | None,
    results_path: Path | None,
    page_path: Path | None,
    home: Home,
    as_json: bool,
) -> int:
    """Check tables one by one against what the contract implies: both outputs, or what --on names.

    Outputs: columns, types, keys, lineage, event times. Sources: each record archived once, event times, quarantine.
    Staging: the rows of a replay, as its audit checks them. The contract's `expectations:` block is checked too.
    Of the newest row per key: that each key has one. Of an aggregate: windows, keys, counts and what they say of each
    other.

    Without a range: all rows. The results are stored in plumbline.expectations. Exit code 1 when an expectation fails.

    \b
    Examples:
      plumbline expect flights.yaml
      plumbline expect flights.yaml --on sources --on outputs --date 2013-01-15 --json
      plumbline expect flights.yaml --on staging --replay latest
      plumbline expect flights.yaml --suite suite.json --results results.json --page expectations.html
    """
    from plumbline import expectations
    from plumbline.contract.loader import load

    contract = load(contract_path, aggregates=True, upserts=True)
    if "staging" in on:
        outcome = _of_replay(on, replay_id, home)
    else:
        if replay_id:
            raise UsageError("--replay needs --on staging", next_step="add it, or leave --replay out")
        chosen = [name for group in dict.fromkeys(on) for name in ON[group]]
        outcome = expectations.run(contract, home, time_range, on=[*dict.fromkeys(chosen)], record=True, say=say)
    _write_files(outcome, suite_path, results_path, page_path)
    emit(outcome.document, as_json, lambda console: _show(outcome.document, console))
    return 0 if outcome.success else 1


def _of_replay(on: tuple[str, ...], replay_id: str | None, home: Home) -> Outcome:
    """The staging table of a replay, over the replay's range and by the contract that it was planned with."""
    from plumbline import expectations
    from plumbline.replay.steps import open_replay

    if set(on) != {"staging"} or not replay_id:
        raise UsageError(
            "--on staging cannot be combined and needs a replay",
            next_step="--on staging --replay latest, without a range",
        )
    replay = open_replay(home, replay_id)
    plan = replay.plan
    return expectations.run(
        replay.contract, home, plan.time_range, on=["staging"], staging=plan.staging_table, record=True, say=say
    )


def _write_files(outcome: Outcome, suite: Path | None, results: Path | None, page: Path | None) -> None:
    """Write those files that were asked for."""
    if suite:
        _write(suite, _suites(outcome))
    if results:
        _write(results, {side: result.to_json_dict() for side, result in outcome.validations.items()})
    if page:
        from plumbline.reconcile.report.checks import render
        from plumbline.reconcile.report.page import write

        write(page, render(outcome.document))


def _suites(outcome: Outcome) -> Mapping[str, Any]:
    """One suite where all tables share it, else one for each table."""
    made = {name: suite.to_json_dict() for name, suite in outcome.suites.items()}
    first = next(iter(made.values()))
    return first if all(suite == first for suite in made.values()) else made


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

    from plumbline.contract.ranges import spell_time

    if isinstance(value, list):
        return ", ".join(map(_spelled, value))
    if isinstance(value, datetime) and value.tzinfo:
        return spell_time(value)
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
