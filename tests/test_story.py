"""How the demo delivers its flights, and in which folder it works; its story is in test_readme.py."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import pytest

from plumbline.connect.kafka import create_topics, end_offsets
from plumbline.contract.errors import IncompleteError, UnreachableError
from plumbline.contract.loader import load
from plumbline.demo import feed, folder
from plumbline.demo.flights import loader
from plumbline.stream_job.ledger import Epoch, Ledger

FLIGHTS = load(folder.example_contract())


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
    follower = feed.Follower(Ledger(tmp_path, tmp_path), threading.Event())
    told: list[int] = []
    with pytest.raises(IncompleteError, match="the stream did not reach"):
        feed.deliver(flights, contract, kafka, [follower], threading.Event(), told.append)
    first = next(loader.parts(flights))
    assert sum(end_offsets(kafka, names["departures"]).values()) == first.departures.num_rows
    assert told == []
    ended = threading.Event()
    ended.set()
    assert feed.deliver(flights, contract, kafka, [follower], ended, told.append) == 0


def test_the_demo_takes_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    from plumbline.contract.errors import UsageError

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="has files in it and is not an earlier demo"):
        folder.prepare(tmp_path / "mine", tmp_path / "jars")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    home, contract_path, numbers_path = folder.prepare(tmp_path / "demo", tmp_path / "jars")
    (home.root / "left over").write_text("")
    folder.prepare(tmp_path / "demo", tmp_path / "jars")
    assert sorted(path.name for path in home.root.iterdir()) == [folder.MARK, "carriers.yaml", "flights.yaml", "jars"]
    assert load(contract_path).fingerprint() == FLIGHTS.fingerprint()
    assert load(numbers_path, aggregates=True).sources == FLIGHTS.sources, (
        "the second job reads the first one's archives"
    )


def test_two_demos_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with folder.alone(tmp_path / "demo"):
        with pytest.raises(UnreachableError, match="a demo already works in"), folder.alone(tmp_path / "demo"):
            pass
        with folder.alone(tmp_path / "another"):
            pass
