"""The demo's aggregate: the same flights as numbers per carrier and day, compared, with a page of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.home import Home
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.demo.document_types import NumbersDocument, NumbersHold
    from plumbline.reconcile.aggregates.document_types import AggregateDocument

PAGE = "carriers.html"
JANUARY = TimeRange(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC))
"""The stream of the numbers sees ten days more, see `streams.PARTS`: all windows of the month are closed then."""


def compare(
    contract: Contract, contract_path: Path, home: Home, spark: SparkSession, say: Callable[[str], None]
) -> NumbersDocument:
    """Run the batch reference of the month that the stream has seen whole, reconcile, and write the page."""
    from plumbline.batch_reference.run import run
    from plumbline.commands.report import make as report
    from plumbline.reconcile.aggregates.run import reconcile_aggregate
    from plumbline.reconcile.aggregates.terminal import headline, key_of, sums_of

    made = run(contract, home, JANUARY, spark=spark)
    say(f"     {made['rows']:,} lines in {made['table']}")
    january = reconcile_aggregate(contract, home, JANUARY).document
    say(f"     {headline(january)}")
    line = next(iter(january["findings"]), None)  # of those that lack most rows
    if line is not None:
        say(f"     such as {key_of(line)}: {sums_of(line)}")
    page = report(contract_path, home, [january["run_id"]], home.root / PAGE)
    return {"january": january, "line": line, "report": page["file"], "holds": holds(january)}


def holds(january: AggregateDocument) -> NumbersHold:
    """What the demo promises of its numbers, one by one."""
    return {
        "every differing number explained": january["unexplained"] == 0,
        "books of numbers balance": january["balanced"],
        "numbers as the ledger says": january["agrees"],
        "some numbers differ": bool(january["causes"]),
    }
