"""A team's own Spark join with another stateful operator before it: its watermark is not always the one that is logged.

Each order n comes at minute 10 n and is paid 5 minutes later; ten of each are read in a batch. Among what batch 7 reads
an order and a payment are hours late. Payment LOST comes behind the logged watermark, but not behind that of a join
after one of two hours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.cli import run
from plumbline.connect.kafka import Record, create_topics, produce
from tests.support import foreign_job
from tests.support.model import START, Event
from tests.support.scenario import Scenario

ORDERS = 90
PLAN = "symmetricHashJoin, symmetricHashJoin"
NewScenario = Callable[..., Scenario]
Ask = Callable[..., Any]

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


def played(new_scenario: NewScenario, folder: Path, job: str, stocked: int = 1, **more: Any) -> Scenario:
    """The job has read all; with how it says which records its rows were made from. Each `stocked`-th order has stock;
    `more` is what the contract says of the job."""
    checkpoint = folder / "checkpoint"
    says = {"kind": "spark", "checkpoint": str(checkpoint), "event_time": "at", "lineage": foreign_job.LINEAGE} | more
    s = new_scenario(job=says)
    orders = [Event(f"o{n}", 10 * n) for n in range(ORDERS)]
    payments = [Event(f"o{n}", 10 * n + 5, f"p{n}") for n in range(ORDERS) if n not in (3, 30)]
    payments.insert(52, Event("o30", 305, foreign_job.LOST))
    orders.insert(72, Event("z", 1))
    payments[72:72] = [Event("o3", 35, "p3")]
    payments.insert(0, Event("z", 6, "pz"))
    stocks = orders[::stocked]
    if job == "held":
        orders[70:70] = [Event(name, 700 - ms / 60_000) for name, ms in (("out", 2), ("in", 1))]
    foreign_job.deliver(s, orders, payments)
    topic = foreign_job.stock_of(s)
    create_topics(s.kafka, {topic: 1})
    stock = [{"item": order.id, "stocked_at": (order.at or START).isoformat()} for order in stocks]
    produce(s.kafka, [Record(topic, b"", json.dumps(one).encode(), 0, partition=0) for one in stock])
    assert foreign_job.start_plain_join(s.spark, s, checkpoint, at_once=10, job=job).awaitTermination(300)
    return s


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(s: Scenario, *words: str, code: int = 0) -> Any:
        capsys.readouterr()
        told = run([*words, str(s.contract_path), "--home", str(s.home.root), "--json"])
        shown = capsys.readouterr()
        assert told == code, f"{words}\n{shown.out[-2000:]}\n{shown.err[-2000:]}"
        return json.loads(shown.out) if shown.out else shown.err

    return asked


def findings(s: Scenario, run_id: str) -> dict[tuple[str, str, str | None], str]:
    """(class, order, payment) to cause of a run."""
    rows = s.lake.load("plumbline.findings").scan(f"run_id == '{run_id}'").to_arrow().to_pylist()
    keys = ((row, json.loads(row["key"])) for row in rows if row["cause"] != "pending")
    return {(row["class"], key["id"], key["payment"]): row["cause"] for row, key in keys}


def pending(s: Scenario, run_id: str) -> set[str]:
    """The orders of its pending rows, each missing."""
    rows = s.lake.load("plumbline.findings").scan(f"run_id == '{run_id}' and cause == 'pending'").to_arrow().to_pylist()
    assert {row["class"] for row in rows} <= {"missing"}
    return {json.loads(row["key"])["id"] for row in rows}


HELD = {"in", "o71", *(f"o{n}" for n in range(72, 90, 2))}
"""Without stock, and newer than the watermark less an hour and two, and a millisecond for each join."""
LATE = {("missing", "z", "pz"): "late_left", ("missing", "o3", "p3"): "late_right", ("extra", "o3", None): "late_right"}
LOST = [("missing", "o30", foreign_job.LOST), ("extra", "o30", None)]


def test_behind_a_join_no_row_is_called_late(new_scenario: NewScenario, ask: Ask, tmp_path: Path) -> None:
    """Nor is one predicted, listed, told or counted; else the lost one would be called late."""
    s = played(new_scenario, tmp_path, "behind")
    ask(s, "archive", "run", "--once")
    seen = ask(s, "observe", "--once")
    ask(s, "batch", "run")
    document = ask(s, "reconcile", code=1)
    assert findings(s, document["run_id"]) == dict.fromkeys([*LOST, *LATE], "unexplained")
    assert (seen["operators"], seen["unproven_plan"], seen["late"]) == (PLAN.split(", "), True, 0)
    assert document["unproven_spark"] == [f"{s.spark.version} with the stateful operators {PLAN}"]
    assert (document["predicted"], document["settled"], document["balanced"]) == (None, False, True)
    assert "rule" in document["unknown"]["lacking"]
    assert {"late_left", "late_right"} <= set(document["unknown"]["causes"])
    late = ask(s, "late", code=3)
    assert (late["newest"], late["known"]["unproven_spark"]) == ([], document["unproven_spark"])
    assert "a join behind another one drops by an earlier watermark" in ask(s, "lateness", code=3)
    story = ask(s, "explain", "--key", "id=o30", "--key", f"payment={foreign_job.LOST}", "--contract")
    assert {record["fate"] for record in story["records"]} == {"read"}


def test_behind_a_deduplication_late_rows_are_called_late(new_scenario: NewScenario, ask: Ask, tmp_path: Path) -> None:
    """It hands on the watermark and every row at once."""
    s = played(new_scenario, tmp_path, "deduplicated")
    ask(s, "archive", "run", "--once")
    seen = ask(s, "observe", "--once")
    assert (seen["operators"], seen["unproven_plan"]) == (["symmetricHashJoin", "dedupeWithinWatermark"], False)
    ask(s, "batch", "run")
    document = ask(s, "reconcile", code=1)
    assert findings(s, document["run_id"]) == LATE | dict.fromkeys(LOST, "late_right")
    assert (document["unproven_spark"], document["agrees"], document["unexplained"]) == ([], True, 0)


def test_a_row_that_may_be_held_back_behind_the_join_is_not_called_lost(
    new_scenario: NewScenario, ask: Ask, tmp_path: Path
) -> None:
    """Nor is the job called right while one may be: until the contract says how long the last join waits for stock."""
    s = played(new_scenario, tmp_path, "held", stocked=2, join_first=True)
    ask(s, "archive", "run", "--once")
    assert ask(s, "observe", "--once")["held_back"]
    ask(s, "batch", "run")
    document = ask(s, "reconcile", code=1)
    assert findings(s, document["run_id"]) == LATE | dict.fromkeys(LOST, "late_right")
    assert pending(s, document["run_id"]) == {foreign_job.ASTRAY, *HELD}
    assert document["held_back"] == {"by": ["symmetricHashJoin"], "rows": 12}
    assert (document["predicted"], document["settled"], document["balanced"]) == (None, False, True)
    assert "closing" in document["unknown"]["lacking"]
    hours = ("--from", "2024-03-01T01:00Z", "--to", "2024-03-01T04:00Z")
    astray = ask(s, "reconcile", *hours, code=3)
    assert (astray["verdict"], astray["counts"]["pending"], astray["held_back"]["rows"]) == ("incomplete", 1, 1)
    assert ask(s, "reconcile", "--from", hours[3], "--to", "2024-03-01T05:00Z")["verdict"] == "clean"
    assert {row["side"] for row in ask(s, "late")["newest"]} == {"left", "right"}
    assert "may hold rows back" in ask(s, "replay", "plan", *hours, code=3)
    story = ask(s, "explain", "--key", "id=o71", "--key", "payment=p71", "--contract")
    assert story["verdict"] == "pending"

    said = yaml.safe_load(s.contract_path.read_text())
    lineage = said["job"].pop("lineage")
    s.contract_path.write_text(yaml.safe_dump(said))
    document = ask(s, "reconcile", code=1)
    assert findings(s, document["run_id"]) == LATE | dict.fromkeys(LOST, "late_right")
    assert pending(s, document["run_id"]) == {foreign_job.ASTRAY, *HELD}

    said["job"] |= {"lineage": lineage, "held_back": "2 hours"}
    s.contract_path.write_text(yaml.safe_dump(said))
    document = ask(s, "reconcile", code=1)
    lost = {("missing", foreign_job.ASTRAY, "p10"): "unexplained"}
    assert findings(s, document["run_id"]) == LATE | dict.fromkeys(LOST, "late_right") | lost
    assert pending(s, document["run_id"]) == HELD
    assert (document["stream"]["closed_until"], document["predicted"]) == ("2024-03-01T11:39:59.998000Z", None)
    settled = ask(s, "reconcile", "--from", hours[3], "--to", "2024-03-01T11:35Z", code=1)
    assert (settled["settled"], settled["agrees"], settled["held_back"]["rows"]) == (True, True, 0)
