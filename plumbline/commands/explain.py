"""`plumbline explain`: what happened to one key."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.next_steps import note_contract
from plumbline.options import home_option, json_option, memory_option
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.contract.model import Contract
    from plumbline.reconcile.explain.story import Story

CONTRACT_VARIABLE = "PLUMBLINE_CONTRACT"


@click.command(short_help="Show the story of one key: offsets, epochs, watermarks, commits, cause.")
@click.argument("key", metavar="KEY", required=False)
@click.option("--key", "parts", multiple=True, metavar="NAME=VALUE", help="One column of a composite key. Repeatable.")
@click.option("--null", "nulls", multiple=True, metavar="NAME", help="A key column that is NULL. Repeatable.")
@click.option(
    "--contract",
    "contract_path",
    type=click.Path(path_type=Path),
    callback=note_contract,
    help=f"The contract (default: ${CONTRACT_VARIABLE}, else the only one that was reconciled in this home).",
)
@memory_option
@home_option
@json_option
def explain(
    key: str | None,
    parts: tuple[str, ...],
    nulls: tuple[str, ...],
    contract_path: Path | None,
    memory: str,
    home: Home,
    as_json: bool,
) -> None:
    """Show what happened to one output key, in order of time, whether or not it differs.

    Each record that was delivered for it, with topic, partition and offset; the epoch that read it, the watermark, and
    by how much it was late; the commits that archived it and wrote its row, and what the batch run made of it. For
    several key columns, give the values with commas in the key's order, or --key for each. NULL is --null NAME; the
    value NULL means the text NULL.

    Of tables with the newest row per key (output.mode: upsert) all rows that the batch joined for it are shown, and
    which of them stands in its table.

    Of a contract with output.aggregate the key is the start of a window and the group: the line in both tables, the sum
    that explains each value, the joined rows that the stream did not make with their records, and what each statement
    rests on.

    \b
    Examples:
      plumbline explain 2013-02-19/DL2319/LGA --contract demo/flights.yaml --home demo
      plumbline explain 2013-02-19/DL2319/LGA --contract demo/flights.yaml --home demo --json
      plumbline explain --key user_id=7 --key event_id=42 --contract clicks.yaml
      plumbline explain --key user_id=7 --null event_id --contract clicks.yaml
      plumbline explain 2024-03-01T10:00Z,spring,se --contract takes.yaml
    """
    from plumbline.reconcile.explain.keys import read_key

    asked, contract = _key(key, parts, nulls), _contract(contract_path, home)
    wanted = read_key(contract, asked)  # a wrong key is refused before anything is opened

    if contract.output.aggregate is not None:
        _of_line(contract, home, wanted, memory, as_json)
        return
    from plumbline.reconcile.explain.explain import explain as told

    story = told(contract, home, wanted, memory=memory)
    emit(story.document, as_json, lambda console: show(story, console))


def _of_line(contract: Contract, home: Home, wanted: dict[str, str | None], memory: str, as_json: bool) -> None:
    from plumbline.reconcile.aggregates.explain.explain import explain_line
    from plumbline.reconcile.aggregates.explain.terminal import show as show_line

    line = explain_line(contract, home, wanted, memory=memory)
    emit(line.document, as_json, lambda console: show_line(line, console))


def show(story: Story, console: Console) -> None:
    """The story as a page: verdict, one line for each moment, then each finding in a sentence."""
    from plumbline.reconcile import format

    console.print(f"{format.key(story.key)}: {_headline(story)}\n")
    for moment in story.moments:
        when = format.moment(moment.at) if moment.at else ""
        console.print(f"  {when:<28}{moment.what:<15}{moment.text}")
    for finding in story.findings:
        console.print(f"\n  {finding['class']}, {finding['cause']}: {finding['sentence']}")


def _headline(story: Story) -> str:
    causes = ", ".join(dict.fromkeys(f"{finding['class']} by {finding['cause']}" for finding in story.findings))
    return {
        "match": "the stream and the batch table hold the same",
        "absent": "in neither table",
        "pending": "pending, its window is still open",
    }.get(story.verdict, f"drift, {causes}")


def _key(key: str | None, parts: tuple[str, ...], nulls: tuple[str, ...]) -> str | dict[str, str | None]:
    if (key is None) == (not parts and not nulls):
        step = "`plumbline explain KEY`, or for each column --key NAME=VALUE, or --null NAME"
        raise UsageError("give the key once", next_step=step)
    if key is not None:
        return key
    pairs: dict[str, str | None] = dict.fromkeys(nulls)
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"--key {part!r} is not NAME=VALUE", next_step="write --key user_id=7")
        if name in pairs:
            raise UsageError(f"key column {name!r} is given twice", next_step="give each column once")
        pairs[name] = value
    return pairs


def _contract(path: Path | None, home: Home) -> Contract:
    from plumbline.contract.loader import load

    named = path or os.environ.get(CONTRACT_VARIABLE)
    return load(named, aggregates=True, upserts=True) if named else _recorded(home)


def _recorded(home: Home) -> Contract:
    """The contract of this home's recorded runs, when they are all of one."""
    from plumbline.connect.lake import Lake
    from plumbline.connect.onto import ORDER, columns_of, in_order
    from plumbline.contract.identity import identity_of
    from plumbline.contract.model import Contract
    from plumbline.reconcile.judge.store import RUNS

    step = f"give --contract FILE, or set {CONTRACT_VARIABLE}"
    lake = Lake.open(home) if home.lake.exists() else None
    if lake is None or not lake.exists(RUNS):
        raise UsageError(
            "no contract is named, and none was reconciled in this home", where=str(home.root), next_step=step
        )
    table = lake.load(RUNS)
    fields = columns_of(table, "contract", "definition", "recorded_at", ORDER)
    latest: dict[str | None, dict[str, Any]] = {}
    for row in sorted(table.scan(selected_fields=fields).to_arrow().to_pylist(), key=in_order):
        latest[identity_of(json.loads(row["definition"]))] = row
    if len(latest) != 1:
        known = ", ".join(sorted(row["contract"] for row in latest.values()))
        raise UsageError(f"this home knows {len(latest)} contracts: {known}", where=str(home.root), next_step=step)
    return Contract.model_validate_json(next(iter(latest.values()))["definition"])
