"""`plumbline observe`: what the checkpoints of a team's own job tell, copied into the ledger."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.stream_job.document_types import ObserveDocument


@click.command(short_help="Copy what your own Spark or Flink job has read into the ledger, from its checkpoint.")
@contract_argument
@click.option("--once", is_flag=True, help="Copy what the checkpoint holds now, and stop.")
@home_option
@json_option
def observe(contract_path: Path, once: bool, home: Home, as_json: bool) -> None:
    """Read the checkpoint of the Spark job that the contract names (job.checkpoint) and keep what each micro-batch read
    and which watermarks were in force: with that, `reconcile` names the cause of late and pending rows.

    Of a Flink job: where each committed checkpoint stood in Kafka becomes a row of job.progress, so that what it has
    not read yet is pending. What it dropped as late no checkpoint tells.

    The checkpoint is only read. Spark keeps about a hundred batches: let the command run beside the job, or call it
    with --once more often than that many batches take. What was purged unseen is said, and stays unknown.

    \b
    Examples:
      plumbline observe flights.yaml
      plumbline observe flights.yaml --once --json
    """
    from plumbline.contract.loader import load
    from plumbline.stream_job.observe.observer import observe as run

    contract = load(contract_path)
    result, show = run(contract, home, once=once, say=say), _show
    if contract.job is not None and contract.job.kind == "flink":
        show = _show_flink
    emit(result, as_json, lambda console: show(result, contract_path, home, console))


def _show_flink(result: ObserveDocument, contract_path: Path, home: Home, console: Console) -> None:
    if result["last_epoch"] < 0:
        console.print("no checkpoint is known yet whose rows are in the stream table")
        return
    new = "new" if result["published"] else "as before"
    console.print(
        f"job {result['query_id']}: the newest checkpoint in the stream table is {result['last_epoch']}, {new}"
    )


def _show(result: ObserveDocument, contract_path: Path, home: Home, console: Console) -> None:
    from plumbline.contract.ranges import from_micros, spell_time

    if result["last_epoch"] < 0:
        console.print(f"query {result['query_id']}: no epoch is known yet")
        return
    watermark = spell_time(from_micros((result["evict_watermark_ms"] or 0) * 1000))
    console.print(
        f"query {result['query_id']}: {result['epochs']:,} epochs, the newest is {result['last_epoch']}, "
        f"watermark {watermark}"
    )
    console.print(f"  {result['published']:,} of them new in plumbline.epochs")
    console.print(f"  {result['late']:,} late rows new in plumbline.late")
    for first, last in result["gaps"]:
        console.print(f"  epochs {first} to {last} were purged unseen: what they read stays unknown")
    if result["operators"] and len(result["operators"]) > 1:
        console.print(f"  stateful operators, from sink to sources: {', '.join(result['operators'])}")
    console.print(f"next: plumbline reconcile {shlex.quote(str(contract_path))}{home.option}")
