"""The demo's story on some weeks of flights, with the functions that the command calls, and how it delivers them."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plumbline.connect.home import Home
from plumbline.connect.kafka import create_topics, end_offsets
from plumbline.connect.lake import Lake
from plumbline.contract.errors import IncompleteError, UnreachableError
from plumbline.contract.loader import load
from plumbline.demo import feed, folder
from plumbline.demo.flights import loader
from plumbline.demo.story import TOPIC_PARTITIONS, Stage, holds, tell
from plumbline.stream_job.ledger import Epoch, Ledger

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FLIGHTS = load(folder.example_contract())
WEEKS = (date(2013, 7, 1), date(2013, 7, 24))
"""Thunderstorms: by the plain rule 69 departures and 50 arrivals are late."""


def epoch(left: dict[str, int], right: dict[str, int], watermark_ms: int) -> Epoch:
    return Epoch(0, "q", "r", 0, 0, watermark_ms, ({}, {}), (left, right))


@pytest.mark.parametrize(
    ("last", "reached"),
    [
        pytest.param(epoch({"0": 5, "1": 2}, {"0": 3}, 900), True, id="both topics read, watermark there"),
        pytest.param(epoch({"0": 5, "1": 2}, {"0": 3}, 899), False, id="watermark behind"),
        pytest.param(epoch({"0": 5, "1": 1}, {"0": 3}, 900), False, id="one partition behind"),
        pytest.param(epoch({"0": 5, "1": 2}, {}, 900), False, id="one topic not begun"),
    ],
)
def test_a_stream_has_caught_up(last: Epoch, reached: bool) -> None:
    assert feed.caught_up(last, ({0: 5, 1: 2}, {0: 3, 1: 0}), 900) is reached


def test_the_watermark_follows_the_slower_side() -> None:
    hour = 3_600_000
    assert feed.watermark_after(FLIGHTS, (10 * hour, 7 * hour)) == 6 * hour
    assert feed.watermark_after(FLIGHTS, (2 * hour, 7 * hour)) == hour


@pytest.mark.kafka
def test_delivery_waits_for_the_stream_and_gives_up_when_it_does_not_come(
    kafka: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"departures": "waiting.departures", "arrivals": "waiting.arrivals"}
    for name, topic in names.items():
        monkeypatch.setattr(loader, name.upper(), topic)
    sources = {name: FLIGHTS.sources[name].model_copy(update={"topic": topic}) for name, topic in names.items()}
    contract = FLIGHTS.model_copy(update={"sources": sources})
    create_topics(kafka, dict.fromkeys(names.values(), 2))
    flights = loader.load((date(2013, 2, 1), date(2013, 2, 25)))
    monkeypatch.setattr(feed, "PATIENCE_SECONDS", 0.5)
    told: list[int] = []
    with pytest.raises(IncompleteError, match="the stream did not reach"):
        feed.deliver(flights, contract, kafka, Ledger(tmp_path, tmp_path), threading.Event(), told.append)
    first = next(loader.parts(flights))
    assert sum(end_offsets(kafka, names["departures"]).values()) == first.departures.num_rows
    assert told == []
    ended = threading.Event()
    ended.set()
    assert feed.deliver(flights, contract, kafka, Ledger(tmp_path, tmp_path), ended, told.append) == 0


def test_the_demo_takes_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    from plumbline.contract.errors import UsageError

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="has files in it and is not an earlier demo"):
        folder.prepare(tmp_path / "mine", tmp_path / "jars")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    home, contract_path = folder.prepare(tmp_path / "demo", tmp_path / "jars")
    (home.root / "left over").write_text("")
    folder.prepare(tmp_path / "demo", tmp_path / "jars")
    assert sorted(path.name for path in home.root.iterdir()) == [folder.MARK, "flights.yaml", "jars"]
    assert load(contract_path).fingerprint() == FLIGHTS.fingerprint()


def test_two_demos_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with folder.alone(tmp_path / "demo"):
        with pytest.raises(UnreachableError, match="a demo already works in"), folder.alone(tmp_path / "demo"):
            pass
        with folder.alone(tmp_path / "another"):
            pass


@pytest.mark.kafka
@pytest.mark.spark
@pytest.mark.slow
def test_the_story_holds_on_some_weeks(kafka: dict[str, str], spark: SparkSession, tmp_path: Path) -> None:
    from plumbline.connect.spark import session

    home = Home.resolve(tmp_path / "demo")
    home.root.mkdir()
    path = home.root / "flights.yaml"
    servers = kafka["bootstrap.servers"]
    path.write_text(f"{folder.example_contract().read_text()}\nkafka: {{bootstrap.servers: {servers}}}\n")
    contract = load(path)
    create_topics(kafka, {source.topic: TOPIC_PARTITIONS for source in contract.sources.values()})
    own = session(home, Lake.open(home), app="story")
    own.sql("SHOW NAMESPACES IN lake").collect()
    flights = loader.load(WEEKS)
    said: list[str] = []
    told = tell(Stage(home, contract, path, own, said.append), flights, kafka)
    assert {name: held for name, held in told["holds"].items() if not held} == {}
    year = told["year"]
    assert year["counts"]["batch"] == flights.departures.num_rows
    assert told["holds"] == holds(year, told["before"], told["after"])
    assert 0 < told["replay"]["rows"] <= told["after"]["counts"]["batch"]
    assert Path(told["report"]).read_text().startswith("<!DOCTYPE html>")
    assert [line[:3] for line in said if line[1:3] == "/7"] == ["2/7", "3/7", "4/7", "5/7", "6/7", "7/7"]
