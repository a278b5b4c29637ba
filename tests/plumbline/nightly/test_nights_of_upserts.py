"""Nights of a real job that updates its rows: a day is judged by what both tables hold of it on the night."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from datetime import timedelta

import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.nightly.folder import NightFolder
from plumbline.nightly.message import line_of
from plumbline.nightly.run import Options, nightly
from tests.plumbline.nightly.test_nightly import DAY, FIRST, days, interrupted_at, job_of, recorded
from tests.support.killing import command, kill_nightly
from tests.support.model import START, Event
from tests.support.scenario import Scenario
from tests.support.upserts import CHANGES

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

STREAM = "joined.stream"
FIRST_DAY = TimeRange(START, START + timedelta(days=1))


def feed(shop: Scenario, *numbers: int) -> None:
    """Three orders a day, one of them paid twice. On the first two days an epoch lies between: its row is updated."""
    for n in numbers:
        start = n * DAY
        shop.feed([Event(f"a{n}", start + 60), Event(f"b{n}", start + 61)], [Event(f"a{n}", start + 65, f"p{n}")])
        if n < 2:
            shop.epoch()
        shop.feed([Event(f"c{n}", start + 1300)], [Event(f"a{n}", start + 70, f"q{n}")]).epoch()


def test_nights_of_a_job_that_updates_its_rows(new_scenario: Callable[..., Scenario]) -> None:
    shop = new_scenario(**CHANGES)
    feed(shop, 0, 1, 2)
    shop.feed((), [Event("c1", DAY + 1310, "late")])
    feed(shop, 4, 5)  # nothing on the fourth day
    shop.batch(FIRST_DAY)
    assert shop.reconcile(FIRST_DAY)["verdict"] == "clean"
    shop.spark.sql(f"DELETE FROM lake.{STREAM} WHERE id = 'a0'")
    with pytest.raises(KeyboardInterrupt):
        nightly(job_of(shop, interrupted_at("reconcile: ")), Options(since=FIRST))
    told = nightly(job_of(shop), Options(since=FIRST))
    nights = told["nights"]
    assert [night["day"] for night in nights] == days(0, 1, 2, 3)
    assert [night["verdict"] for night in nights] == ["drift", "drift", "clean", "clean"]
    assert sum(nights[0]["causes"].values()) == 2, "both payments of the row that somebody deleted"
    assert (nights[1]["causes"], told["exit_code"]) == ({"late_right": 1}, 1)
    assert [night["counts"]["match"] for night in nights] == [2, 2, 3, 0]
    assert "late_right 1" in line_of(nights[1])
    assert all(night["expectations"] and not night["failed"] and night["balanced"] for night in nights)
    assert recorded(shop, "plumbline.nights", "day") == days(0, 1, 2, 3)
    assert recorded(shop, "plumbline.runs", "range_from") == days(0, 0, 1, 2, 3), "the first was ours"
    for folder in NightFolder.all(shop.home, shop.contract):
        assert folder.read("night")["run_id"] in folder.report.read_text()
        assert "plumbline replay" not in folder.report.read_text()
    assert nightly(job_of(shop), Options())["nights"] == []
    assert shop.noted_as_late() == ["late"]
    killed_and_repeated(shop)
    done_again(shop)


def killed_and_repeated(shop: Scenario) -> None:
    """One night and one run of the day, and all rows of it once."""
    feed(shop, 6)
    assert kill_nightly(shop.contract_path, shop.home, random.Random(7)) is not None
    done = subprocess.run(command(shop.contract_path, shop.home, "--json"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["left"] == 0
    assert recorded(shop, "plumbline.nights", "day").count(days(4)[0]) == 1
    assert recorded(shop, "plumbline.runs", "range_from").count(days(4)[0]) == 1
    until = START + timedelta(days=5)
    held = [{row.named() for row in shop.rows(table) if row.at < until} for table in ("joined.batch", STREAM)]
    assert (held[0] - held[1], held[1] - held[0]) == ({"a0+q0", "c1+late"}, {"c1"})
    assert len([row for row in shop.rows("joined.batch") if row.at < until]) == len(held[0]) == 12


def done_again(shop: Scenario) -> None:
    """A row that somebody takes away of a day that was clean: the night of it, made again, is another."""
    shop.spark.sql(f"DELETE FROM lake.{STREAM} WHERE id = 'b2'")
    again = nightly(job_of(shop), Options(day=FIRST + timedelta(days=2), again=True))
    assert [(night["verdict"], night["counts"]["missing"]) for night in again["nights"]] == [("drift", 1)]
