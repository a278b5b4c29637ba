"""`plumbline stream`: the streaming join and the archiver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.commands.adopt_topic import adopt_topic
from plumbline.commands.recover import recover
from plumbline.commands.take_archive import take_archive
from plumbline.connect.home import Home
from plumbline.options import (
    contract_argument,
    duration_value,
    home_option,
    json_option,
    metrics_option,
    once_option,
    retry_option,
    retrying,
)
from plumbline.output import emit, say

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import Console

    from plumbline.contract.model import Contract
    from plumbline.stream_job.document_types import StreamRunDocument
    from plumbline.stream_job.status import Status


@click.group(short_help="Run the streaming join and the archiver of a contract.")
def stream() -> None:
    """Run the streaming join and the archiver of a contract: Kafka in, Iceberg out, exactly once.

    \b
    Examples:
      plumbline stream run flights.yaml
      plumbline stream run flights.yaml --once
      plumbline stream status flights.yaml
      plumbline stream recover flights.yaml
      plumbline stream adopt-topic flights.yaml
    """


stream.add_command(recover)
stream.add_command(adopt_topic)
stream.add_command(take_archive)


@stream.command(short_help="Run until Ctrl-C or SIGTERM, or to the end of the topics with --once.")
@contract_argument
@once_option
@retry_option
@click.option(
    "--idle-after",
    metavar="DURATION",
    default="1 minute",
    show_default=True,
    callback=duration_value,
    help="Warn of a source without new events for this time while the other one continues.",
)
@metrics_option
@home_option
@json_option
def run(
    contract_path: Path,
    once: bool,
    retry_for: timedelta | None,
    idle_after: timedelta,
    metrics_port: int | None,
    home: Home,
    as_json: bool,
) -> None:
    """Run the join and archive both topics until Ctrl-C or SIGTERM, or with --once to the end of the topics.

    It stops after the running epoch; a second signal stops it at once. A later run continues where this one stopped,
    also after a kill. Transient failures (no broker, a locked catalog) are retried after 1 s to 60 s. Spark's own log
    is spark.log in the home folder.

    \b
    Examples:
      plumbline stream run flights.yaml --metrics-port 9464
      plumbline stream run flights.yaml --once --json
    """
    from plumbline.contract.loader import load
    from plumbline.stream_job import run as job
    from plumbline.stream_job.service import Life

    life = Life(retry_for=retrying(retry_for, once=once), idle_after=idle_after, metrics_port=metrics_port)
    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    result = job.run(contract, home, once=once, say=say, life=life)
    emit(result, as_json, lambda console: _show(contract, result, console))


@stream.command(short_help="Show the state of the job, whether it runs or not.")
@contract_argument
@home_option
@json_option
def status(contract_path: Path, home: Home, as_json: bool) -> None:
    """Show the state of a contract's streaming job: lag, watermarks, late rows, state, quarantine, last commit.

    Exit 0: healthy. 1: something needs attention, such as a source gone quiet, or events that wait while the job does
    not run. 3: something cannot be determined, such as the lag when no broker answers. docs/operations.md explains each
    line.

    \b
    Examples:
      plumbline stream status flights.yaml
      plumbline stream status flights.yaml --json
    """
    from plumbline.contract.loader import load
    from plumbline.stream_job.status import look

    found = look(load(contract_path, aggregates=True, upserts=True, reduced=True), home)
    emit(found.as_json(), as_json, lambda console: _show_status(found, console))
    if found.exit_code:
        raise SystemExit(found.exit_code)


def _show(contract: Contract, result: StreamRunDocument, console: Console) -> None:
    final = _final(contract, result["evict_watermark_ms"])
    console.print(f"{result['table']}: {result['epochs']:,} epochs, {final}")
    console.print(f"  snapshot {result['snapshot_id'] or 'none yet'}")
    for source, snapshot in result["archives"].items():
        console.print(f"  archive of {source}: snapshot {snapshot or 'none yet'}")


def _final(contract: Contract, evict_ms: int | None) -> str:
    """Up to which event time no row will come any more: the watermark less what `within` may still bring."""
    from importlib.metadata import version

    from plumbline.contract.durations import milliseconds
    from plumbline.contract.lateness import PROVEN, settled_until_us
    from plumbline.contract.ranges import from_micros, spell_time

    if not evict_ms:
        return "no watermark yet"
    low, high = map(milliseconds, contract.join.within)
    until = settled_until_us(evict_ms, low, high, keeps_right=contract.join.keeps_right)
    final, watermark = (spell_time(from_micros(us)) for us in (until, evict_ms * 1000))
    spark = version("pyspark")
    if spark not in PROVEN:
        return f"the watermark is {watermark}; which rows are final is not known of Spark {spark}, not proven here"
    return f"rows are final up to {final}, the watermark is {watermark}"


def _show_status(found: Status, console: Console) -> None:
    from plumbline.stream_job.status_text import status_lines

    for line in status_lines(found.as_json()):
        console.print(line)
