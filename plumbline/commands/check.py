"""`plumbline check`: what a contract promises, or which line is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from plumbline import online
from plumbline.checked_aggregate import described, lines
from plumbline.connect.home import Home
from plumbline.contract.errors import SetupError
from plumbline.contract.formats import FORMATS
from plumbline.options import contract_argument, home_option, json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.contract.model import Contract
    from plumbline.contract.output_column import OutputColumn
    from plumbline.document_types import AcceptedChanges, CheckedSql


@click.command(short_help="Read a contract and say what it promises, or which line is wrong.")
@contract_argument
@click.option("--online", "ask", is_flag=True, help="Also ask broker, registry, catalog and warehouse.")
@home_option
@json_option
def check(contract_path: Path, ask: bool, home: Home, as_json: bool) -> None:
    """Read a contract and say what it promises, or which line is wrong (exit code 2).

    Spark's own analyser checks the SQL in it (where, compute, output columns, a reference query), which takes some
    seconds. If Spark or Java is missing, the command says so and checks the rest.

    If the home has a checkpoint or tables of this contract, it also shows which changes of the contract they accept;
    other changes are refused (exit code 2).

    With --online also: whether the broker has the topics and lets this user read them, the registry the schemas,
    which of the tables are there, and whether a small file can be written, read, listed and deleted beside them. What
    is missing or not permitted is exit code 3, with what needs it.

    \b
    Examples:
      plumbline check flights.yaml
      plumbline check flights.yaml --online --json
    """
    from plumbline.contract.loader import load

    contract = load(contract_path, aggregates=True, upserts=True, reduced=True)
    refuse_wrong_doors(contract)
    taken, row_types = sql(contract, home)
    document = understood(contract, row_types)
    document |= {"sql": taken, "changes": changes(contract, home, online=ask)}
    if ask:
        document["online"] = online.found(contract, home)
    emit(document, as_json, lambda console: show(document, console))


def understood(contract: Contract, row_types: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the contract promises, as plain values; durations and types in the contract's own words.

    `row_types`: those of the joined rows below an aggregate, as far as Spark told them.
    """
    body = contract.model_dump(mode="json", include={"contract", "sources", "join", "output", "stream"})
    if contract.output.aggregate is not None:
        body["output"] |= described(contract, row_types or {})
    else:
        columns = [{"name": column.name, "from": origin(column)} for column in contract.output_columns]
        body["output"]["columns"] = columns
    return {**body, "fingerprint": contract.fingerprint()}


def refuse_wrong_doors(contract: Contract) -> None:
    """Raise UsageError for a Kafka property that is not allowed and for a catalog block that cannot be opened."""
    from plumbline.connect.catalog_block import checked
    from plumbline.connect.kafka_config import client_config
    from plumbline.connect.registry import checked as checked_registry

    if contract.kafka is not None:
        client_config(contract.kafka)
    if contract.catalog is not None:
        checked(contract.catalog)
    if contract.schema_registry is not None:
        checked_registry(contract.schema_registry)


def sql(contract: Contract, home: Home) -> tuple[CheckedSql, dict[str, str]]:
    """How many SQL expressions Spark took: `{"expressions": n, "unchecked": why or None}`.

    Also the types of the joined rows below an aggregate, as far as Spark was asked. Raises ContractError for a wrong
    expression. Spark works in a folder of its own for it: nothing is made in the home.
    """
    from plumbline.contract.expressions import expressions

    count = len(expressions(contract.rows)) + (contract.batch is not None)
    if count == 0:
        return {"expressions": 0, "unchecked": None}, {}
    try:
        with TemporaryDirectory(prefix="plumbline-check-") as folder:
            row_types = _ask_spark(contract, Home(Path(folder), home.jars))
    except SetupError as error:
        return {"expressions": count, "unchecked": str(error)}, {}
    return {"expressions": count, "unchecked": None}, row_types


def _ask_spark(contract: Contract, scratch: Home) -> dict[str, str]:
    from plumbline.batch_reference import run as batch
    from plumbline.connect.lake import Lake
    from plumbline.connect.spark import session
    from plumbline.stream_job import join

    say("check: asking Spark about the SQL of the contract")
    spark = session(scratch, Lake.open(scratch), app=f"plumbline-check-{contract.contract}")
    join.refuse_wrong_sql(spark, contract)
    return batch.refuse_wrong_sql(spark, contract)


def changes(contract: Contract, home: Home, *, online: bool) -> AcceptedChanges:
    """What the checkpoint of this home and the existing tables take, in words; UsageError for what they do not take.

    Tables in a catalog of the team's own are asked for with `online` only.
    """
    from plumbline.stream_job import compatibility

    taken: AcceptedChanges = {"checkpoint": compatibility.with_checkpoint(contract, home), "tables": []}
    embedded = contract.catalog is None
    if (home.lake / "catalog.db").exists() if embedded else online:
        from plumbline.connect.lake import Lake

        taken["tables"] = compatibility.with_tables(contract, Lake.open(home, contract.catalog))
    return taken


def origin(column: OutputColumn) -> str:
    """Where an output column comes from: `source.field`, or its SQL."""
    return column.sql or f"{column.source}.{column.field}"


def one_line(sql: str) -> str:
    """SQL as it fits on a page: line breaks of a YAML block become spaces."""
    return " ".join(sql.split())


def show(document: dict[str, Any], console: Console) -> None:
    """The understood contract as a readable page."""
    join, output = document["join"], document["output"]
    console.print(f"contract {document['contract']} is right (fingerprint {document['fingerprint']})\n")
    _show_sources(document["sources"], console)
    _show_join(join, document["sources"], console)
    console.print(f"output (key {', '.join(output['key'])}; a partition for each {output['partition_by']})")
    if output.get("mode") == "upsert":
        console.print("  the newest row of each key and left event time, in the place of older ones")
    plain = (f"  {column['name']:<24} {one_line(column['from'])}" for column in output["columns"])
    for line in lines(output) if "aggregate" in output else plain:
        console.print(line)
    console.print("tables")
    console.print(f"  {output['stream_table']}, by the stream")
    console.print(f"  {output['batch_table']}, by the batch reference")
    if document["sql"]["unchecked"]:
        console.print(f"SQL: not checked, {document['sql']['unchecked']}")
    elif document["sql"]["expressions"]:
        console.print(f"SQL: Spark takes all of it ({document['sql']['expressions']} expressions)")
    for change in document["changes"]["checkpoint"]:
        console.print(f"the checkpoint accepts: {change}")
    for change in document["changes"]["tables"]:
        console.print(f"a table grows: {change}")
    if "online" in document:
        online.show(document["online"], console)


def _show_sources(sources: Mapping[str, Any], console: Console) -> None:
    console.print("sources")
    for name, source in sources.items():
        console.print(f"  {name}: topic {source['topic']} ({source['format']}), archived in {source['archive']}")
        console.print(f"    event time {source['event_time']}, watermark {source['watermark']}")
        if rule := source.get("reduce"):
            each = " and ".join((rule["every"], *rule["by"]))
            console.print(f"    of each {each} the {rule['take']} event alone, at the end of the {rule['every']}")
        console.print("    fields " + ", ".join(f"{field} {kind}" for field, kind in source["fields"].items()))
        if notice := _notice(source):
            console.print(f"    {notice}")
        for column, sql in source["compute"].items():
            console.print(f"    computes {column} as {one_line(sql)}")
        if source["where"] is not None:
            console.print(f"    only where {one_line(source['where'])}")


def _notice(source: Mapping[str, Any]) -> str:
    """What is said of every source of its encoding."""
    held, rule = FORMATS[source["format"]], source.get("reduce")
    if held.notice and rule and rule["take"] == "last":
        return held.state_notice
    again = "" if source["event_id"] else ", and without event_id a row counts again when a snapshot repeats it"
    return held.notice and f"{held.notice}{again}"


def _show_join(join: Mapping[str, Any], sources: Mapping[str, Any], console: Console) -> None:
    on = join["on"].items() if isinstance(join["on"], dict) else ((field, field) for field in join["on"])
    same = " and ".join(f"{join['left']}.{left} = {join['right']}.{right}" for left, right in on)
    console.print(f"join ({join['kind'].replace('_', ' ')})")
    console.print(f"  {same}")
    right, left = (f"{name}.{sources[name]['event_time']}" for name in (join["right"], join["left"]))
    if rule := sources[join["right"]].get("reduce"):
        right = f"end of the {rule['every']} of {join['right']}"
    console.print(f"  {right} - {left} from {join['within'][0]} to {join['within'][1]}")
