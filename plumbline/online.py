"""`plumbline check --online`: what is there of a contract, and whether its servers let this user do what jobs do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.document_types import Online, Right, Service, TriedRight

DESCRIBE_FOR = "`stream run`, `check`, `stream status` and whatever reads the topic"
READ_FOR = "`stream run`, `archive run`, `replay plan` and `stream recover`"
CONFIGS_FOR = "`replay plan`, `stream recover` and `audit`, to know whether the topic is compacted"
SCHEMAS_FOR, CATALOG_FOR = "reading Avro events whose schema is not kept yet", "every job"


def found(contract: Contract, home: Home) -> Online:
    """What is there, and the rights that were tried.

    Raises SetupError for a missing topic and for a right that is not given, UsageError for a table that is another
    contract's or of another source.
    """
    from plumbline.connect import owners
    from plumbline.connect.archives import refuse_unfit
    from plumbline.connect.kafka import partitions_of
    from plumbline.connect.lake import Lake
    from plumbline.connect.registry import versions

    kafka = _kafka(contract, home)
    topics = partitions_of(contract, kafka)
    rights = [_right("broker", "describe", topic, DESCRIBE_FOR) for topic in topics] + _readable(kafka, topics)
    rights += _configured(kafka, topics)
    schemas = versions(contract)
    rights += [_right("registry", "read", subject, SCHEMAS_FOR) for subject in schemas]
    lake = Lake.open(home, contract.catalog)
    archives = [source.archive for source in contract.sources.values()]
    names = [*archives, contract.output.stream_table, contract.output.batch_table]
    owners.refuse_taken(lake, contract)
    refuse_unfit(lake, contract)
    shared = {s.archive: owners.archive_owner(lake, contract, name) for name, s in contract.sources.items()}
    tables = {name: lake.exists(name) for name in names}
    rights += [_right("catalog", "read", lake.place, CATALOG_FOR), *_writable(lake, _ours(contract))]
    return {
        "topics": topics,
        "schemas": schemas,
        "tables": tables,
        "shared": {archive: owner for archive, owner in shared.items() if owner is not None},
        "rights": rights,
    }


def show(online: Online, console: Console) -> None:
    """What was found, as lines."""
    for topic, partitions in online["topics"].items():
        console.print(f"topic {topic}: {partitions} partitions")
    for subject, count in online["schemas"].items():
        console.print(f"schemas of {subject}: {count or 'none yet'}")
    for table, exists in online["tables"].items():
        owner = online["shared"].get(table)
        written = f", written by contract {owner}" if owner else ""
        console.print(f"table {table}: {'is there' if exists else 'not yet'}{written}")
    console.print("rights that were tried and are given")
    for right in online["rights"]:
        console.print(
            f"  {right['service']}: {right['right'].replace('_', ' ')} {right['on']}, for {right['needed_for']}",
            soft_wrap=True,
        )
    if not any(right["service"] == "warehouse" for right in online["rights"]):
        console.print("  warehouse: not tried, since only the catalog knows where a first table would lie")


def _kafka(contract: Contract, home: Home) -> Mapping[str, str]:
    from plumbline.connect import broker

    local = None if contract.kafka else broker.status(home)
    if contract.kafka:
        return contract.kafka
    if local is None:
        raise SetupError(
            "no local broker runs",
            where=str(home.root),
            next_step=f"`plumbline kafka start{home.option}`, or a kafka: block",
        )
    return {"bootstrap.servers": local.bootstrap_servers}


def _readable(kafka: Mapping[str, str], topics: Mapping[str, int]) -> list[TriedRight]:
    """Read what follows the end of a partition of each topic: nothing, where this user may."""
    from plumbline.connect.kafka import end_offsets
    from plumbline.connect.kafka_read import Reader

    with Reader(kafka) as reader:
        for topic in topics:
            end = end_offsets(kafka, topic)[0]
            reader.shows(topic, 0, end, end + 1)
    return [_right("broker", "read", topic, READ_FOR) for topic in topics]


def _configured(kafka: Mapping[str, str], topics: Mapping[str, int]) -> list[TriedRight]:
    from plumbline.connect.kafka import compacted

    for topic in topics:
        compacted(kafka, topic)
    return [_right("broker", "describe_configs", topic, CONFIGS_FOR) for topic in topics]


def _writable(lake: Lake, tables: list[str]) -> list[TriedRight]:
    from plumbline.connect import warehouse

    place = warehouse.place_of(lake, tables)
    if place is None:
        return []
    given = warehouse.probe(place)
    return [_right("warehouse", cast("Right", right), place.location, warehouse.NEEDED_FOR[right]) for right in given]


def _ours(contract: Contract) -> list[str]:
    """Tables that Plumbline writes for this contract, whoever runs the jobs: no file is put beside another tool's."""
    from plumbline.connect.table_names import EPOCHS

    archives = [source.archive for source in contract.sources.values() if source.archive_columns is None]
    return [EPOCHS, *(archives if contract.job else [contract.output.stream_table, *archives])]


def _right(service: Service, right: Right, on: str, needed_for: str) -> TriedRight:
    return {"service": service, "right": right, "on": on, "needed_for": needed_for}
