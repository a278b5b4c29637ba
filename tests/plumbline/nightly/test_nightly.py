"""Nights of a real job: what is due is done once, whatever comes between."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from plumbline.contract.errors import IncompleteError, UnreachableError
from plumbline.contract.ranges import TimeRange
from plumbline.nightly.folder import NightFolder
from plumbline.nightly.night import Job
from plumbline.nightly.run import Options, nightly
from tests.support.killing import command, kill_nightly
from tests.support.model import START, Event, joined
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

DAY = 1440
FIRST = START.date()


def days(*numbers: int) -> list[str]:
    return [(FIRST + timedelta(days=number)).isoformat() for number in numbers]


def feed(shop: Scenario, *numbers: int) -> None:
    """Two orders a day, one of them paid, and the stream to their end."""
    lefts = [Event(f"{name}{n}", n * DAY + minute) for n in numbers for name, minute in (("a", 60), ("b", 1300))]
    shop.feed(lefts, [Event(f"a{n}", n * DAY + 90, f"pa{n}") for n in numbers]).epoch()


def job_of(shop: Scenario, say: Callable[[str], None] = lambda line: None) -> Job:
    return Job(shop.contract, shop.contract_path, shop.home, shop.lake, say, shop.spark)


def recorded(shop: Scenario, table: str, column: str) -> list[str]:
    """The days in a table of records, sorted."""
    rows = shop.lake.load(table).scan().to_arrow().to_pylist()
    found = [row[column] for row in rows]
    return sorted((day if type(day) is date else day.date()).isoformat() for day in found)


@pytest.fixture(scope="module")
def shop(new_scenario: Callable[..., Scenario]) -> Scenario:
    """Six days of orders; the stream has settled the first five. On the second a payment came a day too late."""
    shop = new_scenario()
    feed(shop, 0, 1, 2)
    shop.feed((), [Event("b1", DAY + 1310, "late")])
    feed(shop, 3, 4, 5)
    return shop


def test_nights_are_spent_once_whatever_comes_between(shop: Scenario) -> None:
    first = nightly(job_of(shop), Options(since=FIRST, at_most=2))
    assert [night["day"] for night in first["nights"]] == days(0, 1)
    assert [night["verdict"] for night in first["nights"]] == ["clean", "drift"]
    assert first["nights"][1]["causes"] == {"late_right": 2}
    assert (first["left"], first["exit_code"]) == (3, 3)

    with pytest.raises(KeyboardInterrupt):
        nightly(job_of(shop, interrupted_at("reconcile: ")), Options())
    shop.reconcile(TimeRange(START + timedelta(days=2), START + timedelta(days=3)))
    feed(shop, 6)  # a live stream goes on while the night lies dead after its reconcile
    rest = nightly(job_of(shop), Options())
    assert [night["day"] for night in rest["nights"]] == days(2, 3, 4, 5)
    assert (rest["left"], rest["exit_code"]) == (0, 0)

    for day, code in ((None, 0), (FIRST, 0), (FIRST + timedelta(days=1), 1)):
        repeated = nightly(job_of(shop), Options(day=day))
        assert (repeated["nights"], repeated["exit_code"]) == ([], code), "as it stands"
        assert repeated["last"]["day"] == (day.isoformat() if day else days(5)[0])
    assert recorded(shop, "plumbline.nights", "day") == days(0, 1, 2, 3, 4, 5)
    assert recorded(shop, "plumbline.runs", "range_from") == days(0, 1, 2, 3, 4, 5)
    until = START + timedelta(days=6)
    wanted = [row for row in joined(shop.contract, shop.placed["left"], shop.placed["right"], None) if row.at < until]
    assert shop.rows("joined.batch") == wanted
    for folder in NightFolder.all(shop.home, shop.contract):
        assert folder.announced
        assert folder.read("night")["run_id"] in folder.report.read_text()


def interrupted_at(start: str) -> Callable[[str], None]:
    """Ctrl-C at the first line of progress that starts so."""

    def say(line: str) -> None:
        if line.startswith(start):
            raise KeyboardInterrupt

    return say


def test_a_day_can_be_done_again(shop: Scenario) -> None:
    again = nightly(job_of(shop), Options(day=FIRST, again=True))
    assert [night["day"] for night in again["nights"]] == days(0)
    assert recorded(shop, "plumbline.nights", "day").count(days(0)[0]) == 2


def test_a_day_that_is_not_settled_is_refused_and_nothing_is_done(shop: Scenario) -> None:
    with pytest.raises(IncompleteError, match="the newest day that the stream has settled is 2024-03-06"):
        nightly(job_of(shop), Options(day=FIRST + timedelta(days=6)))
    assert days(6)[0] not in recorded(shop, "plumbline.nights", "day")


def test_old_files_go_and_the_rows_stay(shop: Scenario) -> None:
    old, kept = NightFolder.all(shop.home, shop.contract)[:2]
    long_ago = START.timestamp()
    os.utime(old.root / "night.json", (long_ago, long_ago))
    scratch = shop.home.runs / "reconcile-killed"
    scratch.mkdir(parents=True)
    os.utime(scratch, (long_ago, long_ago))
    assert nightly(job_of(shop), Options())["removed"] == 1
    assert (old.root.exists(), kept.root.exists(), scratch.exists()) == (False, True, False)
    assert old.root.name in recorded(shop, "plumbline.nights", "day")


def test_another_nightly_is_not_waited_for(shop: Scenario) -> None:
    def at_work(line: str) -> None:
        with pytest.raises(
            UnreachableError, match=f"another `plumbline nightly` of {shop.contract.contract} is running"
        ):
            nightly(job_of(shop), Options())

    nightly(job_of(shop, at_work), Options(day=FIRST, again=True))


@pytest.mark.slow
def test_killed_by_the_system_and_repeated(shop: Scenario) -> None:
    """The short form of benchmarks/nightly/kills.py."""
    feed(shop, 7)
    dice = random.Random(7)
    assert kill_nightly(shop.contract_path, shop.home, dice) is not None
    done = subprocess.run(command(shop.contract_path, shop.home, "--json"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["left"] == 0
    nights = recorded(shop, "plumbline.nights", "day")
    assert nights.count(days(6)[0]) == 1
    assert recorded(shop, "plumbline.runs", "range_from").count(days(6)[0]) == 1
