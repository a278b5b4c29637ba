"""`plumbline audit`: Kafka offsets that an Iceberg table holds twice or lacks, and the commits that did it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.next_steps import note_contract
from plumbline.options import home_option, json_option, memory_option
from plumbline.output import emit, say
from plumbline.properties import resolved_properties
from plumbline.sections import Sectioned

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

SECTIONS = {
    "What is audited": ("snapshot", "at_time", "since", "partition", "offset", "topic_column"),
    "What it is held against": ("topics", "archive"),
    "Where it is": ("contract_path", "catalog", "kafka", "home"),
    "What comes out": ("samples", "out", "as_json"),
}


@click.command(
    short_help="Find Kafka offsets that an Iceberg table holds twice or lacks.", cls=Sectioned, sections=SECTIONS
)
@click.argument("table")
@click.option("--snapshot", metavar="ID", help="Audit this snapshot, by id, tag or branch. Default: the current one.")
@click.option("--at", "at_time", metavar="TIME", help="Audit the snapshot that was current then: 2026-01-15T00:00Z.")
@click.option("--since", metavar="ID", help="Leave out what an earlier snapshot had already.")
@click.option("--partition-column", "partition", metavar="NAME", help="Column of the Kafka partition; struct.field.")
@click.option("--offset-column", "offset", metavar="NAME", help="Column of the Kafka offset.")
@click.option(
    "--topic-column", "topic_column", metavar="NAME", help="Column of the topic, where a table holds several."
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help="Ask this topic what missing offsets are. Of a table with a topic column audit its rows only. Repeatable.",
)
@click.option("--archive", metavar="TABLE", help="Another table of the same records, with what the topic has lost.")
@click.option(
    "--contract",
    "contract_path",
    metavar="CONTRACT",
    type=click.Path(path_type=Path),
    callback=note_contract,
    help="Take its catalog: and kafka: blocks, and the topic if TABLE is one of its archives.",
)
@click.option(
    "--catalog",
    multiple=True,
    metavar="NAME=VALUE",
    callback=resolved_properties,
    help="Property of the catalog: type=rest, uri=https://… ${NAME} is read from the environment. Repeatable.",
)
@click.option(
    "--kafka",
    multiple=True,
    metavar="NAME=VALUE",
    callback=resolved_properties,
    help="Property of the Kafka client: bootstrap.servers=host:9092. Repeatable.",
)
@click.option("--samples", type=click.IntRange(0), default=20, metavar="N", help="Stretches of each kind to show: 20.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write all stretches as Parquet.")
@memory_option
@home_option
@json_option
def audit(
    table: str,
    snapshot: str | None,
    at_time: str | None,
    since: str | None,
    topics: tuple[str, ...],
    topic_column: str | None,
    contract_path: Path | None,
    catalog: dict[str, str],
    kafka: dict[str, str],
    out: Path | None,
    home: Home,
    as_json: bool,
    **options: Any,
) -> int:
    """Find Kafka offsets that an Iceberg table holds more than once, lacks, or cannot have from its topic, and name the
    commits that did it. Any table with columns for partition and offset will do, whoever writes it.

    With --topic each missing offset is classified: a record that the topic still holds, a transaction marker, a record
    of an aborted transaction, or older than the topic's beginning. Exit code 0 when all is well, 1 for doubled or lost
    offsets, 3 when missing offsets may be lost records and nothing can tell.

    \b
    Examples:
      plumbline audit raw.clicks
      plumbline audit raw.clicks --topic clicks --kafka bootstrap.servers=kafka:9092
      plumbline audit ns.events --catalog type=rest --catalog uri=https://catalog:8181 --json
      plumbline audit ns.events --partition-column meta.part --offset-column meta.off --since 5213641288901923
    """
    from plumbline.connect.lake import Lake
    from plumbline.contract.loader import load
    from plumbline.reconcile.audit.audit import Request
    from plumbline.reconcile.audit.audit import audit as audited
    from plumbline.reconcile.audit.snapshots import named
    from plumbline.reconcile.audit.terminal import show

    if snapshot is not None and at_time is not None:
        raise UsageError("both --snapshot and --at are given", next_step="name the snapshot, or the time")
    contract = load(contract_path, aggregates=True) if contract_path else None
    lake = Lake.open(home, catalog or (contract.catalog if contract else None)).held()
    topics = topics or _of_archive(contract, table)
    request = Request(
        table,
        topics,
        _snapshot(lake, table, snapshot, at_time),
        named(lake.load(table), table, since),
        topic=topic_column,
        kafka=_brokers(kafka, contract, home) if topics else None,
        **options,
    )
    result = audited(lake, request, out, say)
    emit(result.document, as_json, lambda console: show(result.document, out, console))
    return result.exit_code


def _of_archive(contract: Contract | None, table: str) -> tuple[str, ...]:
    sources = contract.sources.values() if contract else ()
    return tuple(dict.fromkeys(source.topic for source in sources if source.archive == table))


def _snapshot(lake: Lake, table: str, snapshot: str | None, at_time: str | None) -> int | None:
    from plumbline.contract.ranges import parse_time
    from plumbline.reconcile.audit.snapshots import at, named

    if at_time is not None:
        return at(lake.load(table), table, parse_time(at_time))
    return named(lake.load(table), table, snapshot)


def _brokers(kafka: Mapping[str, str], contract: Contract | None, home: Home) -> dict[str, str]:
    """The brokers that are named, those of the contract, or the local one if it runs."""
    from plumbline.connect import broker
    from plumbline.connect.embedded import kafka_properties

    if kafka:
        return dict(kafka)
    if contract is not None:
        return kafka_properties(contract.kafka, home, say)
    running = broker.status(home)
    if running is None:
        raise UsageError(
            "--topic needs brokers: none are named, and no local broker runs",
            next_step="add --kafka bootstrap.servers=HOST:PORT, or --contract CONTRACT with a kafka: block",
        )
    return {"bootstrap.servers": running.bootstrap_servers}
