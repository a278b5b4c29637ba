"""`plumbline demo`: the whole story on a year of real flights."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.options import json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.demo.document_types import DemoDocument
    from plumbline.reconcile.aggregates.document_types import AggregateDocument, LineFinding
    from plumbline.reconcile.judge.document_types import ReconcileDocument, TotalCounts


@click.command(short_help="The whole story with a year of real flights: stream, batch, drift, replay, report.")
@click.option(
    "--home",
    "folder",
    default="demo",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the demo; an earlier demo in it is removed.",
)
@json_option
def demo(folder: Path, as_json: bool) -> None:
    """Deliver a year of New York flights to a local Kafka broker, join them as a stream and in batch, compare.

    A second job beside the first joins them to numbers per carrier and day, which are compared too. Then replay the
    week with the most late rows, publish it, and compare again. Tables and reports stay in the folder.

    \b
    Examples:
      plumbline demo
      plumbline demo --home somewhere --json
    """
    from plumbline.connect import broker, kafka
    from plumbline.connect.embedded import kafka_properties
    from plumbline.connect.home import Home
    from plumbline.connect.jars import ensure_jars
    from plumbline.connect.java import find_java
    from plumbline.connect.lake import Lake
    from plumbline.connect.spark import session
    from plumbline.contract.loader import load
    from plumbline.demo.flights import loader
    from plumbline.demo.folder import alone, prepare
    from plumbline.demo.story import TOPIC_PARTITIONS, Stage, tell

    find_java()  # before an earlier demo is removed
    jars = Home.resolve()
    ensure_jars(jars, say)
    with alone(folder):
        home, contract_path, numbers_path = prepare(folder, jars.jars)
        contract, numbers = load(contract_path), load(numbers_path, aggregates=True)
        say("1/7  set-up: a local Kafka broker, a year of flights, Spark")
        try:
            properties = kafka_properties(contract.kafka, home, say)
            kafka.create_topics(properties, {source.topic: TOPIC_PARTITIONS for source in contract.sources.values()})
            flights = loader.load()
            spark = session(home, Lake.open(home, contract.catalog), app="plumbline-demo")
            stage = Stage(home, contract, contract_path, numbers, numbers_path, spark, say)
            result = tell(stage, flights, properties)
        finally:
            broker.stop(home)
    emit(result, as_json, lambda console: show(result, folder, console))
    if not all((*result["holds"].values(), *result["numbers"]["holds"].values())):
        raise SystemExit(1)


def show(result: DemoDocument, folder: Path, console: Console) -> None:
    """Print what the demo found, and what to run next."""
    from plumbline.reconcile.aggregates.terminal import sums_of

    year, numbers = result["year"], result["numbers"]
    _books(f"A year of flights: {_both(year['counts'], 'rows')}", year, console)
    _books(
        f"January per carrier and day: {_both(numbers['january']['counts'], 'lines')}",
        numbers["january"],
        console,
    )
    if numbers["line"] is not None:
        console.print(f"  such as {_key(numbers['line'])}: {sums_of(numbers['line'])}")
    for promise, held in (*result["holds"].items(), *numbers["holds"].items()):
        if not held:
            console.print(f"  NO  {promise}")
    console.print(_outcome(result))
    console.print(f"\nReport: {result['report']}")
    console.print(f"Report of the numbers: {numbers['report']}")
    console.print("To look further:")
    for command, why in _further(result, folder):
        console.print(f"  plumbline {command}  # {why}")


def _both(counts: TotalCounts, what: str) -> str:
    return f"{counts['batch']:,} {what} in batch, {counts['stream']:,} in the stream"


def _books(title: str, document: ReconcileDocument | AggregateDocument, console: Console) -> None:
    """How the batch's rows or lines are told, in figures."""
    counts = document["counts"]
    causes = {str(name): number for name, number in sorted(document["causes"].items())}
    told = {"match": counts["match"], **causes, "unexplained": document["unexplained"]}
    if counts["pending"]:
        told["pending"] = counts["pending"]
    console.print(f"\n{title}")
    for name, number in told.items():
        console.print(f"  {name:<12} {number:>9,}")


def _key(line: LineFinding) -> str:
    return ", ".join(str(value)[:10] for value in line["key"].values())


def _further(result: DemoDocument, folder: Path) -> Iterator[tuple[str, str]]:
    """Commands, each with what it shows."""
    path, numbers, home = (shlex.quote(str(one)) for one in (folder / "flights.yaml", folder / "carriers.yaml", folder))
    week, line = result["week"], result["numbers"]["line"]
    yield f"explain {shlex.quote(result['worst_key'])} --contract {path} --home {home}", "why this flight differs"
    if line is not None:
        key = shlex.quote(",".join(str(value) for value in line["key"].values()))
        yield f"explain {key} --contract {numbers} --home {home}", "which flights these numbers lack"
    yield f"reconcile {path} --home {home} --from {week['from']} --to {week['to']}", "the repaired week again"
    yield f"expect {path} --home {home}", "what both tables promise"
    yield f"lake --home {home} --json", "how other tools open them"
    run = result["year"]["run_id"]
    yield f"replay plan {path} --home {home} --from-drift {run}", "plans that repair the rest"


def _outcome(result: DemoDocument) -> str:
    """What was found, what of it was repaired, what is left."""
    found = sum(result["year"]["causes"].values())
    repaired = sum(result["before"]["causes"].values()) - sum(result["after"]["causes"].values())
    return (
        f"\n{found:,} differences, {result['year']['unexplained']:,} of them unexplained: "
        f"{repaired:,} repaired by replay {result['replay']['replay_id']}, {found - repaired:,} left"
    )
