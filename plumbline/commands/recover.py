"""`plumbline stream recover`: a lost checkpoint of the join rebuilt, with nothing lost and nothing twice."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from plumbline.connect.home import Home
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.contract.model import Contract
    from plumbline.replay.recover.document_types import ProofDocument, ReadSource, RecoverDocument, StateDocument


@click.command(short_help="Rebuild a lost checkpoint of the join, with no row lost and none written twice.")
@contract_argument
@click.option("--execute", is_flag=True, help="Do it. Without this, show what would be done and stop.")
@click.option(
    "--source",
    type=click.Choice(["auto", "kafka", "archive"]),
    default="auto",
    show_default=True,
    help="Where old records come from. auto: the topics if they still have them, else the archive.",
)
@click.option(
    "--force", is_flag=True, help="Abandon a checkpoint that looks sound, for example after a change of the contract."
)
@click.option("--accept-gaps", is_flag=True, help="Continue although needed offsets are gone from topic and archive.")
@click.option(
    "--accept-differences",
    is_flag=True,
    help="Continue although the stream table is not what the ledger says, or another Spark than a proven one wrote it.",
)
@home_option
@json_option
def recover(
    contract_path: Path,
    execute: bool,
    source: str,
    force: bool,
    accept_gaps: bool,
    accept_differences: bool,
    home: Home,
    as_json: bool,
) -> None:
    """Rebuild the join's checkpoint from the epoch ledger, the topics and the archive; `stream run` then continues.

    The stream table is not written to. What is left of the old checkpoint is moved to the folder given-up. After a
    kill, run it again.

    \b
    Examples:
      plumbline stream recover flights.yaml
      plumbline stream recover flights.yaml --execute
      plumbline stream recover flights.yaml --source archive --execute --json
    """
    from plumbline.contract.loader import load
    from plumbline.replay.recover.run import Wanted
    from plumbline.replay.recover.run import recover as rebuild

    wanted = Wanted(source, execute, force, accept_gaps, accept_differences)
    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    result = rebuild(contract, home, wanted, say=say)
    chosen = f" --source {source}" if source != "auto" else ""
    given = {"--force": force, "--accept-gaps": accept_gaps, "--accept-differences": accept_differences}
    chosen += "".join(f" {option}" for option, is_given in given.items() if is_given)
    emit(result, as_json, lambda console: _show(result, contract_path, chosen, home, console, _told(contract)))


class Told(NamedTuple):
    """The words for what a table holds: rows, lines of an aggregate, or the newest row per key."""

    matched: str
    rows: str = "rows"
    wait: str = "rows wait unmatched"
    unrecorded: str = "known by the rows' lineage"


ROWS = Told("matched")
LINES = Told("lines of the last closed window", "lines", "lines of open windows")
REDUCED = Told("matched", wait="rows wait unmatched, or for the end of a window of reduce")
NEWEST = Told("keys with a row in open windows", unrecorded="whose records are read again")


def _told(contract: Contract) -> Told:
    if contract.output.aggregate is not None:
        return LINES
    if contract.reduces:
        return REDUCED
    return NEWEST if contract.output.is_upsert else ROWS


def _show(result: RecoverDocument, contract_path: Path, chosen: str, home: Home, console: Console, told: Told) -> None:
    """`chosen`: the options that the command which does it needs as well."""
    ledger, border = result["ledger"], result["border"]
    console.print(f"{result['contract']}: {result['reason']}")
    for change in result["changed"]:
        console.print(f"  contract: {change}")
    console.print(f"  ledger ends at epoch {ledger['last_epoch']}, watermark {ledger['watermark']}")
    console.print(f"    read from {', '.join(ledger['from']) or 'nothing'}")
    if border["unrecorded_epochs"]:
        console.print(f"  {border['unrecorded_epochs']} more epoch(s) are in the table, {told.unrecorded}")
        if not border["certain"]:
            console.print("    which of their rows were late follows from what the table lacks")
    for name, source in result["sources"].items():
        _show_source(name, source, result["goes_on_at"][name], console)
    if result["proof"] and result["state"]:
        _show_proof(result["proof"], result["state"], console, told)
    option = home.option
    if result["executed"]:
        console.print(f"done; what there was is in {result['given_up']}")
        console.print(f"next: plumbline stream run {shlex.quote(str(contract_path))}{option}")
    else:
        console.print(f"next: plumbline stream recover {shlex.quote(str(contract_path))}{option}{chosen} --execute")


def _show_source(name: str, source: ReadSource, begin: dict[str, int], console: Console) -> None:
    rows = f"{source['offsets']:,} offsets" if source["rows"] is None else f"{source['rows']:,} rows"
    late = "" if source["left_out"] is None else f", {source['left_out']:,} of them were late and are left out"
    console.print(f"  {name}: {rows} since {source['since']}{late}")
    for piece in source["pieces"]:
        place = source["topic"] if piece["door"] == "kafka" else source["archive"]
        console.print(
            f"    partition {piece['partition']}: offsets {piece['start']:,}..{piece['end'] - 1:,} of {place}"
        )
    goes_on = ", ".join(f"{partition} at {offset:,}" for partition, offset in sorted(begin.items()))
    console.print(
        f"    continues with partition {goes_on}" if goes_on else "    continues at the beginning of the topic"
    )


def _show_proof(proof: ProofDocument, state: StateDocument, console: Console, told: Told) -> None:
    unmatched = f" and {proof['unmatched']:,} unmatched rows" if told in (ROWS, REDUCED) else ""
    console.print(f"  proof: the rules give {proof['matched']:,} {told.matched}{unmatched}")
    wrong = f"{proof['missing']:,} missing, {proof['extra']:,} too many"
    console.print(f"    the table holds {proof['found']:,} of that time: {wrong}")
    console.print(f"    {proof['duplicates']:,} of all {proof['table_rows']:,} {told.rows} come twice")
    console.print(f"  state: {proof['open']:,} {told.wait}, {state['rows'] or 0:,} rows in all")
