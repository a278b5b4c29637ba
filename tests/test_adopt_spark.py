"""A plain Spark job that is not ours, beside which Plumbline is put: docs/adopt-spark.md does what it says, and every
differing row has its true cause."""

from __future__ import annotations

import json
import random
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.connect.table_names import EPOCHS
from plumbline.stream_job.observe.observer import observe
from tests.support import foreign_job
from tests.support.model import Event
from tests.support.scenario import Scenario, until
from tests.test_readme import ROOT, commands

PAGE = ROOT / "docs" / "adopt-spark.md"
LATE_EVERY = 97


def traffic(first: int, last: int, seed: int) -> tuple[list[Event], list[Event]]:
    """Orders `first` to `last`, one every 6 s, four in five paid within the hour. One in 97 of each side comes hours
    late: the order itself, or its payment."""
    draw = random.Random(seed)
    orders, payments = [], []
    for n in range(first, last):
        minute = n / 10
        orders.append((minute + 300 * (n % LATE_EVERY == 5), Event(f"o{n}", minute, partition=n % 2)))
        if draw.random() < 0.8:
            paid = minute + draw.uniform(0, 59)
            came = paid + 300 * (n % LATE_EVERY == 17)
            payments.append((came, Event(f"o{n}", paid, f"p{n}", partition=draw.randrange(2))))
    return [e for _, e in sorted(orders, key=_came)], [e for _, e in sorted(payments, key=_came)]


def _came(one: tuple[float, Event]) -> float:
    return one[0]


@pytest.fixture
def adopted(new_scenario: Callable[..., Scenario], tmp_path: Path) -> tuple[Scenario, Path]:
    """A scenario whose job is a team's own, and the folder of its checkpoint."""
    checkpoint = tmp_path / "jobs" / "take" / "checkpoint"
    job = {"kind": "spark", "checkpoint": str(checkpoint), "event_time": "at", "lineage": foreign_job.LINEAGE}
    return new_scenario(job=job), checkpoint


def run_job(s: Scenario, checkpoint: Path, at_once: int) -> None:
    query = foreign_job.start_plain_join(s.spark, s, checkpoint, at_once=at_once)
    assert query.awaitTermination(300)


def held(s: Scenario) -> Counter[tuple[Any, Any]]:
    """The rows of the job's table as (order, payment)."""
    rows = s.lake.load(s.contract.output.stream_table).scan().to_arrow().to_pylist()
    places = (((r["order_p"], r["order_o"]), (r["pay_p"], r["pay_o"])) for r in rows)
    return Counter((left, None if right == (None, None) else right) for left, right in places)


def told(s: Scenario) -> dict[tuple[str, Any, Any], str]:
    """The recorded findings as (class, order, payment) to their cause; an extra row is one without payment."""
    found = {}
    for row in s.lake.load("plumbline.findings").scan().to_arrow().to_pylist():
        if row["cause"] == "pending":
            continue
        evidence = json.loads(row["evidence"])
        left, right = (
            (evidence.get(f"{side}_partition"), evidence.get(f"{side}_offset")) for side in ("left", "right")
        )
        key = json.loads(row["key"])
        found[row["class"], left, None if key["payment"] is None else right] = row["cause"]
    return found


@pytest.mark.spark
@pytest.mark.kafka
@pytest.mark.slow
def test_each_differing_row_of_a_plain_job_has_its_true_cause(
    adopted: tuple[Scenario, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    s, checkpoint = adopted
    half, rest = traffic(0, 7_000, 1), traffic(7_000, 13_000, 2)
    assert sum(map(len, (*half, *rest))) > 20_000
    foreign_job.deliver(s, *half)
    run_job(s, checkpoint, 900)
    restart = len(foreign_job.batches(checkpoint, ()))
    foreign_job.deliver(s, *rest)
    query = foreign_job.start_plain_join(s.spark, s, checkpoint, at_once=900)
    until(lambda: len(foreign_job.batches(checkpoint, ())) > restart + 2, "the second run has not begun")
    assert observe(s.contract, s.home, once=True)["last_epoch"] >= restart
    assert query.awaitTermination(300)
    before = foreign_job.digest(checkpoint), s.lake.load(s.contract.output.stream_table).metadata_location
    documents = follow_the_page(s, monkeypatch, capsys)
    assert foreign_job.digest(checkpoint) == before[0]
    assert s.lake.load(s.contract.output.stream_table).metadata_location == before[1]
    topics = [s.contract.left.topic, s.contract.right.topic]
    played = foreign_job.play(s, foreign_job.batches(checkpoint, topics), [restart])
    rows, causes = foreign_job.expected(s, played)
    assert held(s) == Counter(rows)
    assert len(causes) > 200
    assert told(s) == causes
    late = s.late_rows()
    assert late == sorted((side, *place) for side, places in played.late.items() for place in places)
    named = {(f"late_{side}", *place) for side, *place in late}
    assert named >= lost_to_late_records(s)
    assert documents["late"]["known"]["waiting"] == {}
    assert {source["side"]: source["records"] for source in documents["late"]["sources"].values()} == {
        side: len(places) for side, places in played.late.items()
    }
    document = documents["reconcile"]
    assert (document["unexplained"], document["balanced"], document["agrees"]) == (0, True, True)
    assert document["predicted"]["stream_rows"] == len(rows)
    runs = s.lake.load(EPOCHS).scan().to_arrow().to_pylist()
    assert {row["epoch"] for row in runs} == set(range(len(foreign_job.batches(checkpoint, ()))))


def lost_to_late_records(s: Scenario) -> set[tuple[str, int, int]]:
    """The records that the recorded findings name as late, as (cause, partition, offset)."""
    found = set()
    for row in s.lake.load("plumbline.findings").scan().to_arrow().to_pylist():
        if row["cause"] in ("late_left", "late_right"):
            side, evidence = row["cause"].removeprefix("late_"), json.loads(row["evidence"])
            found.add((row["cause"], evidence[f"{side}_partition"], evidence[f"{side}_offset"]))
    return found


def follow_the_page(
    s: Scenario, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, dict[str, Any]]:
    """Run the page's commands beside the contract; what they print with --json, by command."""
    folder = s.contract_path.parent
    (folder / "take.yaml").write_text(s.contract_path.read_text())
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PLUMBLINE_HOME", str(s.home.root))
    found = {}
    wrong = {"reconcile": 1}
    for command in commands(PAGE.read_text()):
        words = shlex.split(command)[1:]
        capsys.readouterr()
        code = run([*words, "--json"])
        shown = capsys.readouterr()
        assert code == wrong.get(words[0], 0), f"{command}\n{shown.out[-2000:]}\n{shown.err[-2000:]}"
        found[words[0]] = json.loads(shown.out)
    return found
