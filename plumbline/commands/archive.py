"""`plumbline archive`: the archivers alone, what the archives lack, and filling it from the topics."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from plumbline.connect.home import Home
from plumbline.contract.generations import spelled
from plumbline.options import (
    contract_argument,
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
    from plumbline.replay.document_types import FillDocument
    from plumbline.stream_job.document_types import ArchiveRunDocument

SHOWN = 10
"""Stretches of one kind that are shown; the document has all."""


@click.group(short_help="Archive the topics, show what the archives lack, and fill it.")
def archive() -> None:
    """Archive the topics of a contract without its join, show what the archives lack, and fill it from the topics.

    \b
    Examples:
      plumbline archive run flights.yaml
      plumbline archive fill flights.yaml
      plumbline archive fill flights.yaml --execute
    """


@archive.command(short_help="Archive both topics until Ctrl-C or SIGTERM, or to their end with --once.")
@contract_argument
@once_option
@retry_option
@metrics_option
@home_option
@json_option
def run(
    contract_path: Path,
    once: bool,
    retry_for: timedelta | None,
    metrics_port: int | None,
    home: Home,
    as_json: bool,
) -> None:
    """Archive both topics, and start no join: beside a streaming job of your own (`job:` in the contract).

    Every record is kept as it arrived, with its place in Kafka; what cannot enter the join is copied to
    plumbline.quarantine. It stops and continues as `stream run` does, which archives by itself: with a contract whose
    join Plumbline runs only one of the two can work at a time.

    \b
    Examples:
      plumbline archive run flights.yaml --metrics-port 9464
      plumbline archive run flights.yaml --once --json
    """
    from plumbline.contract.loader import load
    from plumbline.stream_job import run as job
    from plumbline.stream_job.service import Life

    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    life = Life(retry_for=retrying(retry_for, once=once), metrics_port=metrics_port)
    result = job.archive(contract, home, once=once, say=say, life=life)
    emit(result, as_json, lambda console: _show_archives(contract, result, console))


def _show_archives(contract: Contract, result: ArchiveRunDocument, console: Console) -> None:
    for name, snapshot in result["archives"].items():
        console.print(f"{name}: {contract.sources[name].archive}, snapshot {snapshot or 'none yet'}")


@archive.command(short_help="Archive records that the archive lacks and the topic still holds.")
@contract_argument
@click.option("--execute", is_flag=True, help="Do it. Without this, show what is missing and stop.")
@home_option
@json_option
def fill(contract_path: Path, execute: bool, home: Home, as_json: bool) -> None:
    """Archive the records that an archive lacks although it holds later ones, while the topic still holds them.

    Each archive is filled in one commit; a repeated fill adds nothing. Offsets that never held a record (transaction
    markers, compaction) are not holes. Records after an archive's newest offset are left to `plumbline stream run`, or
    `plumbline archive run`. The stream must not run meanwhile. Exit 0, whatever is missing.

    \b
    Examples:
      plumbline archive fill flights.yaml
      plumbline archive fill flights.yaml --execute
    """
    from plumbline.contract.loader import load
    from plumbline.replay.fill import fill as run

    result = run(load(contract_path, aggregates=True, upserts=True), home, execute=execute, say=say)
    emit(result, as_json, lambda console: _show(result, contract_path, home, console))


def _show(result: FillDocument, contract_path: Path, home: Home, console: Console) -> None:
    told: dict[Literal["holes", "gone", "doubled"], str] = {
        "holes": "are lacking, and topic {topic} may hold them",
        "gone": "are lacking, and gone from topic {topic}: nothing brings them back",
        "doubled": "are there more than once: remove the copies, or roll the table back to a snapshot before them",
    }
    for name, source in result["sources"].items():
        clean = not any(source[kind] for kind in told)
        console.print(
            f"{name}: {source['archive']} " + ("lacks nothing before its newest offset" if clean else "is not whole:")
        )
        for kind, words in told.items():
            for partition, start, end in source[kind][:SHOWN]:
                place = f"offsets {start:,} to {end - 1:,} of partition {spelled(partition)}"
                console.print(f"  {place} {words.format(topic=source['topic'])}")
            if len(source[kind]) > SHOWN:
                console.print(f"  and {len(source[kind]) - SHOWN:,} more such stretches")
        if source["filled"] is not None:
            console.print(f"  {source['filled']:,} records archived")
    option = home.option
    if result["executed"]:
        console.print(f"next: plumbline batch run {shlex.quote(str(contract_path))}{option}")
    elif any(source["holes"] for source in result["sources"].values()):
        console.print(f"next: plumbline archive fill {shlex.quote(str(contract_path))}{option} --execute")
