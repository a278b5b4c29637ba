"""`plumbline stream adopt-topic`: going on with a topic that was deleted and recreated under its name."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.stream_job.document_types import AdoptTopicDocument


@click.command("adopt-topic", short_help="Continue with a topic that was deleted and recreated under its name.")
@contract_argument
@click.option("--execute", is_flag=True, help="Do it. Without this, show what would be done and stop.")
@click.option(
    "--source",
    "sources",
    metavar="NAME",
    multiple=True,
    help="Treat this source's topic as recreated, where the broker does not report topic ids (before Kafka 2.8).",
)
@home_option
@json_option
def adopt_topic(contract_path: Path, execute: bool, sources: tuple[str, ...], home: Home, as_json: bool) -> None:
    """Let stream and archive continue with recreated topics, from their beginning.

    The job refuses to start on a topic whose id differs from the one that it has read. This command records the new
    topics in the archive and sets the join's checkpoint to their first offset. Nothing is removed: the archive keeps
    the old topic's records, the join its state. Partitions of the new topic are numbered from 1,000,000 on in archive,
    ledger and lineage. After a kill, run it again.

    \b
    Examples:
      plumbline stream adopt-topic flights.yaml
      plumbline stream adopt-topic flights.yaml --execute
    """
    from plumbline.contract.loader import load
    from plumbline.stream_job.adopt import adopt

    result = adopt(load(contract_path, aggregates=True), home, execute=execute, named=sources)
    chosen = "".join(f" --source {shlex.quote(name)}" for name in sources)
    emit(result, as_json, lambda console: _show(result, contract_path, chosen, home, console))


def _show(result: AdoptTopicDocument, contract_path: Path, chosen: str, home: Home, console: Console) -> None:
    """`chosen`: the options that the command which does it needs as well."""
    for name, source in result["sources"].items():
        was = source["was"] or "not known"
        console.print(f"{name}: topic {source['topic']} was recreated: its id was {was}, is {source['is']}")
        for partition, first in source["begins_at"].items():
            read, kept = (source[told].get(partition, 0) for told in ("read_until", "archived_until"))
            console.print(f"  partition {partition}: read up to {read:,}, archived up to {kept:,}; begins at {first:,}")
        for partition, (start, end) in source["archived_and_never_read"].items():
            console.print(
                f"  offsets {start:,} to {end - 1:,} of the old partition {partition} are archived and were never "
                "joined: replay their time range afterwards"
            )
        for partition, (start, end) in source["read_and_never_archived"].items():
            console.print(
                f"  offsets {start:,} to {end - 1:,} of the old partition {partition} were joined and never archived: "
                "no batch will see them"
            )
    option = home.option
    if not result["executed"]:
        console.print(f"next: plumbline stream adopt-topic {shlex.quote(str(contract_path))}{option}{chosen} --execute")
    elif result["left"]:
        console.print("the last epoch was cut short: the checkpoint must be rebuilt")
        console.print(f"next: plumbline stream recover {shlex.quote(str(contract_path))}{option} --force --execute")
    else:
        console.print(f"next: plumbline stream run {shlex.quote(str(contract_path))}{option}")
