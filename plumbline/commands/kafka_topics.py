"""`plumbline kafka topics` and `plumbline kafka produce`: from a contract to topics with events in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.connect.home import Home
from plumbline.contract.errors import SetupError, UsageError
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.connect.kafka import Record
    from plumbline.contract.model import Contract
    from plumbline.document_types import ProducedDocument, TopicDocument, TopicsDocument


@click.command(short_help="Show the topics of a contract, or create them on the local broker.")
@contract_argument
@click.option("--create", is_flag=True, help="Create the missing topics on the local broker.")
@click.option(
    "--partitions", type=click.IntRange(1, 1000), default=2, show_default=True, help="Partitions of a created topic."
)
@home_option
@json_option
def topics(contract_path: Path, create: bool, partitions: int, home: Home, as_json: bool) -> None:
    """Show the topics that a contract names: where the broker is, and how many records each topic has.

    Without a kafka: block it is the local broker of the home, which is started for this command if it does not run.

    \b
    Examples:
      plumbline kafka topics first.yaml --create
      plumbline kafka topics first.yaml --json
    """
    from plumbline.connect.kafka import create_topics
    from plumbline.contract.loader import load

    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    if create and contract.kafka:
        raise UsageError(
            "--create is for the local broker; this contract has a kafka: block",
            where=contract.place(("kafka",)),
            next_step="let the owner of those brokers create them, with partitions and retention as needed",
        )
    properties, kept = _broker(contract, home)
    if create:
        there = _ends(properties, contract)
        wanted = {source.topic: partitions for source in contract.sources.values()}
        create_topics(properties, {topic: count for topic, count in wanted.items() if there[topic] is None})
    document: TopicsDocument = {
        "bootstrap_servers": properties["bootstrap.servers"],
        "topics": _ends(properties, contract),
    }
    emit(document, as_json, lambda console: show(document, kept, console))


@click.command(short_help="Send events to the topics of a contract: lines of a file, or made-up ones.")
@contract_argument
@click.option(
    "--sample", type=click.IntRange(1, 1_000_000), metavar="N", help="Generate N left events and their partners."
)
@click.option("--source", metavar="NAME", help="The source whose events the lines are.")
@click.option("--file", "path", metavar="FILE", help="JSON, one event per line; - is stdin.")
@home_option
@json_option
def produce(
    contract_path: Path, sample: int | None, source: str | None, path: str | None, home: Home, as_json: bool
) -> None:
    """Send events to the topics that a contract names, to try a join before the real producers exist.

    --sample generates events from the contract's fields: every fifth left event has no partner. --source and --file
    send your own.

    \b
    Examples:
      plumbline kafka produce first.yaml --sample 200
      plumbline kafka produce first.yaml --source plays --file plays.jsonl
    """
    from plumbline.connect.kafka import produce as send
    from plumbline.connect.kafka import topic_partitions
    from plumbline.contract import formats
    from plumbline.contract.loader import load

    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    if (sample is None) == (source is None or path is None):
        raise UsageError(
            "give --sample N, or --source NAME with --file FILE", next_step="see `plumbline kafka produce -h`"
        )
    for name, spec in contract.sources.items():
        if formats.of(spec).document is None and source in (None, name):
            raise UsageError(
                f"source {name!r} is {spec.format}; only JSON can be written here",
                where=contract.place(("sources", name, "format")),
                next_step="send its events by a client of your schema registry",
            )
    records = list(_records(contract, sample, source, path))
    properties, _ = _broker(contract, home)
    for topic in {record.topic for record in records}:
        topic_partitions(properties, topic)
    sent = send(properties, records)
    counts = {topic: sum(record.topic == topic for record in records) for topic in {r.topic for r in records}}
    document: ProducedDocument = {"bootstrap_servers": properties["bootstrap.servers"], "sent": sent, "topics": counts}
    line = f"sent {sent:,} records: " + ", ".join(f"{topic} {count:,}" for topic, count in sorted(counts.items()))
    emit(document, as_json, lambda console: console.print(line))


def _records(contract: Contract, sample: int | None, source: str | None, path: str | None) -> Iterator[Record]:
    from datetime import UTC, datetime

    from plumbline.sample import from_lines, made_up

    now = datetime.now(UTC).replace(microsecond=0)
    if sample is not None:
        yield from made_up(contract, sample, now)
        return
    if source not in contract.sources:
        known = ", ".join(contract.sources)
        raise UsageError(f"no source {source!r} in this contract", next_step=f"its sources are {known}")
    try:
        text = sys.stdin.read() if path == "-" else Path(str(path)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read {path!r}: {error}", next_step="give a file of UTF-8 text, or - for stdin"
        ) from None
    yield from from_lines(contract, str(source), text.splitlines(), now, "stdin" if path == "-" else str(path))


def _broker(contract: Contract, home: Home) -> tuple[dict[str, str], bool]:
    """The client properties, and whether the broker goes on when this command ends."""
    from plumbline.connect import broker
    from plumbline.connect.embedded import kafka_properties

    kept = bool(contract.kafka) or broker.status(home) is not None
    return kafka_properties(contract.kafka, home, say), kept


def _ends(properties: dict[str, str], contract: Contract) -> dict[str, TopicDocument | None]:
    """Topic to `{"partitions", "records"}`, or None where it is not there."""
    from plumbline.connect.kafka import earliest_offsets, end_offsets

    found: dict[str, TopicDocument | None] = {}
    for topic in {source.topic for source in contract.sources.values()}:
        try:
            ends, firsts = end_offsets(properties, topic), earliest_offsets(properties, topic)
        except SetupError as error:
            if "does not exist" not in error.what:
                raise
            found[topic] = None
        else:
            found[topic] = {"partitions": len(ends), "records": sum(ends.values()) - sum(firsts.values())}
    return found


def show(document: TopicsDocument, kept: bool, console: Console) -> None:
    """The broker's address and a line for each topic."""
    more = "" if kept else " (for this command; `plumbline kafka start` keeps it up)"
    console.print(f"bootstrap.servers={document['bootstrap_servers']}{more}")
    for topic, found in sorted(document["topics"].items()):
        counts = f"{found['partitions']} partitions, {found['records']:,} records" if found else "not there"
        console.print(f"topic {topic}: {counts}")
