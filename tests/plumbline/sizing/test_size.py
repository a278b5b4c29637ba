"""`plumbline size`: rows in state by the rule of Spark, bytes by what the tables hold, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.contract.loader import parse
from plumbline.sizing.model import open_rows
from tests.support.world import CONTRACT, World, play, show

TEXT = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
RECORDS = [show("a", 0), show("b", 60), play("pa", "a", 5), show("end", 300)]
NOT_EACH = "does not give one rate for each source"
Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("within", "delays"),
    [
        (("0 minutes", "1 hour"), ("2 hours", "30 minutes")),
        (("-20 minutes", "10 minutes"), ("5 minutes", "15 minutes")),
        (("10 minutes", "50 minutes"), ("0 minutes", "5 minutes")),
    ],
    ids=["later partners", "earlier partners too", "partners after a while, which wait for nobody"],
)
def test_rows_in_state_are_those_that_may_still_be_matched(within: tuple[str, str], delays: tuple[str, str]) -> None:
    """Event by event, one a minute on both sides, after ten hours."""
    contract = parse(
        f"""
contract: c
sources:
  l: {{topic: l, fields: {{id: string, at: timestamp}}, event_time: at, watermark: {delays[0]}, archive: raw.l}}
  r: {{topic: r, fields: {{id: string, at: timestamp}}, event_time: at, watermark: {delays[1]}, archive: raw.r}}
join: {{left: l, right: r, kind: left_outer, on: [id], within: [{within[0]}, {within[1]}]}}
output: {{key: [id], columns: [l.at], stream_table: j.s, batch_table: j.b}}
"""
    )
    low, high = contract.join.within
    minutes = [timedelta(minutes=n) for n in range(601)]
    watermark = minutes[-1] - max(contract.left.watermark, contract.right.watermark)
    waiting = {
        "l": sum(at + high > watermark for at in minutes),  # a right one up to at + high may come
        "r": sum(at - low > watermark for at in minutes),
    }
    found = open_rows(contract, {"l": 1 / 60, "r": 1 / 60})
    assert {name: abs(found[name] - waiting[name]) <= 1 for name in found} == {"l": True, "r": True}, (found, waiting)


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    world = World.at(tmp_path / "home")
    (tmp_path / "plays.yaml").write_text(TEXT)

    def asked(*options: str, code: int = 0, written: bool = True) -> Any:
        if written and not world.lake.exists("joined.plays_batch"):
            world.play(RECORDS).write()
        words = ["size", str(tmp_path / "plays.yaml"), "--home", str(world.home.root), *options]
        assert run(words) == code
        shown = capsys.readouterr()
        return json.loads(shown.out) if "--json" in options else shown.out + shown.err

    return asked


def test_bytes_and_rows_are_those_of_the_sample_times_the_rate(ask: Ask) -> None:
    found = ask("--events-per-second", "8", "--days", "10", "--json")
    assert found["sample"] == {"shows": 3, "plays": 1}
    assert found["events_per_second"] == {"shows": 6.0, "plays": 2.0}
    shows = 6 * 86_400 * 10
    rows = {name: of["rows"] for name, of in found["tables"].items()}
    assert rows == {
        "raw.shows": shows,
        "raw.plays": shows // 3,
        "joined.plays_stream": shows,
        "joined.plays_batch": shows,
    }
    assert found["nightly"]["rows"] == shows // 10
    double = ask("--events-per-second", "shows=12", "--events-per-second", "plays=4", "--days", "10", "--json")
    for name, of in double["tables"].items():
        assert of["bytes"] == pytest.approx(2 * found["tables"][name]["bytes"], rel=1e-6)
    assert double["topics"]["t.shows"] == pytest.approx(2 * found["topics"]["t.shows"], rel=1e-6)
    assert double["stream"]["cores"] > found["stream"]["cores"]


def test_the_page_says_what_it_rests_on(ask: Ask) -> None:
    text = ask("--events-per-second", "20000")
    assert "At 15,000 shows, 5,000 plays a second, kept for 30 days" in text
    assert "table joined.plays_stream" in text
    assert "from a sample of 3 shows, 1 plays" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--events-per-second", "0"], "'0' is not a rate above zero"),
        (["--events-per-second", "nan"], "'nan' is not a rate above zero"),
        (["--events-per-second", "many"], "'many' is not a rate above zero"),
        (["--events-per-second", "shows=3"], "does not give one rate for each source"),
        (
            ["--events-per-second", "shows=3", "--events-per-second", "views=3"],
            "does not give one rate for each source",
        ),
        (["--events-per-second", "3", "--events-per-second", "shows=3"], "does not give one rate for each source"),
        (["--events-per-second", "3", "--days", "0"], "0.0 is not in the range x>0"),
    ],
)
def test_what_is_no_rate_is_refused_by_name(ask: Ask, options: list[str], message: str) -> None:
    assert message in ask(*options, code=2)


def test_without_a_sample_it_says_how_to_make_one(ask: Ask, tmp_path: Path) -> None:
    text = ask("--events-per-second", "3", code=3, written=False)
    assert "there is nothing in raw.shows yet to measure" in text
    assert f"plumbline stream run {tmp_path}/plays.yaml --once" in text
