"""`plumbline demo`: the whole story on a year of real flights."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plumbline.options import json_option
from plumbline.output import emit, say

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.demo.document_types import DemoDocument


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

    Then replay the week with the most late rows, publish it, and compare again. Tables and report stay in the folder.

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
        home, contract_path = prepare(folder, jars.jars)
        contract = load(contract_path)
        say("1/7  set-up: a local Kafka broker, a year of flights, Spark")
        try:
            properties = kafka_properties(contract.kafka, home, say)
            kafka.create_topics(properties, {source.topic: TOPIC_PARTITIONS for source in contract.sources.values()})
            flights = loader.load()
            spark = session(home, Lake.open(home, contract.catalog), app="plumbline-demo")
            result = tell(Stage(home, contract, contract_path, spark, say), flights, properties)
        finally:
            broker.stop(home)
    emit(result, as_json, lambda console: show(result, folder, console))
    if not all(result["holds"].values()):
        raise SystemExit(1)


def show(result: DemoDocument, folder: Path, console: Console) -> None:
    """Print what the demo found, and what to run next."""
    year, contract = result["year"], folder / "flights.yaml"
    counts = year["counts"]
    console.print(f"\nA year of flights: {counts['batch']:,} rows in batch, {counts['stream']:,} in the stream")
    found = sorted(year["causes"].items())
    for name, number in (("match", counts["match"]), *found, ("unexplained", year["causes"].get("unexplained", 0))):
        console.print(f"  {name:<12} {number:>9,}")
    for promise, held in result["holds"].items():
        if not held:
            console.print(f"  NO  {promise}")
    console.print(_outcome(result))
    week, worst = result["week"], result["worst_key"]
    console.print(f"\nReport: {result['report']}")
    console.print("To look further:")
    path, home = (shlex.quote(str(one)) for one in (contract, folder))
    for command, why in (
        (f"explain {shlex.quote(worst)} --contract {path} --home {home}", "why this flight differs"),
        (f"reconcile {path} --home {home} --from {week['from']} --to {week['to']}", "the repaired week again"),
        (f"expect {path} --home {home}", "what both tables promise"),
        (f"lake --home {home} --json", "how other tools open them"),
        (f"replay plan {path} --home {home} --from-drift {year['run_id']}", "plans that repair the rest"),
    ):
        console.print(f"  plumbline {command}  # {why}")


def _outcome(result: DemoDocument) -> str:
    """What was found, what of it was repaired, what is left."""
    found = sum(result["year"]["causes"].values())
    repaired = sum(result["before"]["causes"].values()) - sum(result["after"]["causes"].values())
    return (
        f"\n{found:,} differences, {result['year']['unexplained']:,} of them unexplained: "
        f"{repaired:,} repaired by replay {result['replay']['replay_id']}, {found - repaired:,} left"
    )
