"""plumbline.late over real Iceberg tables, held to the plain model of world.py and to what a reconcile calls late."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plumbline.connect.table_names import LATE
from plumbline.contract.errors import UnreachableError
from plumbline.contract.loader import parse
from plumbline.stream_job.late import looking, rows, spans
from plumbline.stream_job.late.judging import by_spark
from plumbline.stream_job.late.rows import LateRows, look_again, looked_at
from tests.support.late_rows import Life
from tests.support.world import CONTRACT, World
from tests.support.world_rows import START, Record, play, show

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EPOCHS = (
    [show("a", 0), show("b", 60), play("pa", "a", 5), play("pb", "b", 65)],
    [show("c", 200, 1), show("in time", 10), play("pc", "c", 205), play("far", "c", 230, 1)],
    [show("d", 220), play("pd", "d", 225), show("late left", 10), play("late right", "a", 45), show("edge", 50)],
    [show("later left", 30, 1), show("good", 300), play("p good", "good", 310), play("later right", "b", 189, 1)],
    [show("end", 400), play("p end", "end", 405)],
)
LATE_NAMES = ["edge", "late left", "late right", "later left", "later right"]


@pytest.fixture
def life(tmp_path: Path) -> Life:
    world = World.at(tmp_path).play(*EPOCHS)
    assert sorted(world.late) == LATE_NAMES
    return Life(world)


def test_they_are_there_with_their_record_watermark_and_epoch(life: Life) -> None:
    life.commit().archive()
    assert life.look() == len(life.world.late)
    assert life.names() == sorted(life.world.late)
    row = next(row for row in life.rows() if row["side"] == "right")
    [record] = [
        r
        for r in life.world.records
        if (r.side, r.partition, r.offset) == (row["side"], row["partition"], row["offset"])
    ]
    assert row["late_by_ms"] == (row["late_watermark_ms"] * 1000 - record.us) // 1000
    assert (row["event_time"], row["epoch"]) == (record.at, life.world.read_in[record.name])
    assert (row["contract"], row["source"], row["topic"]) == ("plays", "plays", "t.plays")
    assert record.name.encode() in row["value"]
    assert (row["stream_table"], row["passes_where"]) == ("joined.plays_stream", True)


def test_a_second_look_adds_none(life: Life) -> None:
    life.commit().archive()
    late = LateRows(life.world.lake, life.world.contract)
    life.look(late)
    assert (life.look(late), life.look()) == (0, 0)
    assert len(life.names()) == len(life.world.late)


def test_an_archive_that_lags_behind_is_waited_for(life: Life) -> None:
    life.commit().archive(1)
    late = LateRows(life.world.lake, life.world.contract)
    life.look(late)
    assert life.names() == sorted(name for name in life.world.late if life.world.read_in[name] <= 1)
    assert looked_at(life.world.lake, life.world.contract) == {"q1": 1}
    life.archive()
    life.look(late)
    assert life.names() == sorted(life.world.late)


def test_an_archive_that_is_ahead_of_the_ledger_loses_none(life: Life) -> None:
    late = LateRows(life.world.lake, life.world.contract)
    life.archive()
    for number in range(len(EPOCHS) + 1):
        life.commit(number).look(late)
    assert life.names() == sorted(life.world.late)


def test_without_an_archive_nothing_counts_as_looked_at(life: Life) -> None:
    late = LateRows(life.world.lake, life.world.contract)
    assert life.commit().look(late) == 0
    assert looked_at(life.world.lake, life.world.contract) == {}
    assert life.archive().look(late) == len(life.world.late)


def test_a_death_between_the_rows_and_the_note_of_them_doubles_none(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.commit().archive()
    with monkeypatch.context() as broken:
        broken.setattr(LateRows, "_write", lambda self: (_ for _ in ()).throw(UnreachableError("the catalog is away")))
        with pytest.raises(UnreachableError):
            life.look()
    assert looked_at(life.world.lake, life.world.contract) == {}
    assert life.look() == 0
    assert life.names() == sorted(life.world.late)


def test_a_death_between_two_commits_of_rows_doubles_and_loses_none(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.commit().archive()
    monkeypatch.setattr(looking, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 1)
    append, commits = type(life.world.lake).append, [0]

    def dies(lake: object, *arguments: object) -> None:
        commits[0] += 1
        if commits[0] == 3:
            raise UnreachableError("the catalog is away")
        append(lake, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(type(life.world.lake), "append", dies)
        with pytest.raises(UnreachableError):
            life.look()
    assert len(life.names()) == 2
    life.look()
    assert life.names() == sorted(life.world.late)


def test_a_filled_hole_is_looked_at_again(life: Life) -> None:
    hole = life.world.record("late right")
    life.world.unarchived = (hole.name,)
    life.commit()
    kept = list(life.world.records)
    life.world.records = [record for record in kept if record != hole]
    life.archive()
    late = LateRows(life.world.lake, life.world.contract)
    life.look(late)
    life.world.records = kept
    assert hole.name not in life.names()
    life.world.lake.append("raw.plays", life.world._archived([hole], "plays"))
    assert life.look(late) == 0
    look_again(life.world.lake, life.world.contract)
    assert life.look(late) == 1
    assert life.names() == sorted(life.world.late)


def test_what_is_in_quarantine_is_not_late(tmp_path: Path) -> None:
    world = World.at(tmp_path)
    world.refused = {"late left": "null_key", "late right": "wrong_type"}
    life = Life(world.play(*EPOCHS)).commit().archive()
    life.look()
    assert life.names() == sorted(world.late)
    assert not {"late left", "late right"} & set(life.names())


@pytest.mark.parametrize(
    ("where", "left", "sure"),
    [
        ("title <> 'title of late left'", {"late left"}, True),
        ("length(title) > 0", set(), False),
    ],
    ids=["where DuckDB can tell it is left out", "where only Spark can tell it is said"],
)
def test_what_where_leaves_out(where: str, left: set[str], sure: bool, tmp_path: Path) -> None:
    world = World.at(tmp_path)
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    world.contract = parse(
        text.replace("archive: raw.shows", f'archive: raw.shows\n    where: "{where}"'), "plays.yaml"
    )
    life = Life(world.play(*EPOCHS)).commit().archive()
    life.look()
    assert life.names() == sorted(set(world.late) - left)
    lefts = [row["passes_where"] for row in life.rows() if row["side"] == "left"]
    assert set(lefts) == {True if sure else None}
    assert {row["passes_where"] for row in life.rows() if row["side"] == "right"} == {True}


def test_where_is_asked_of_the_spark_that_runs_the_join(spark: SparkSession, tmp_path: Path) -> None:
    world = World.at(tmp_path)
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    where = "archive: raw.shows\n    where: length(title) > 13"
    world.contract = parse(text.replace("archive: raw.shows", where), "plays.yaml")
    life = Life(world.play(*EPOCHS)).commit().archive()
    life.look(LateRows(world.lake, world.contract, by_spark(spark, lambda: world.contract)))
    assert life.names() == sorted(set(world.late) - {"edge"})
    assert {row["passes_where"] for row in life.rows()} == {True}


def test_what_a_spark_dropped_whose_rule_is_not_proven_is_not_said(tmp_path: Path) -> None:
    life = Life(World.at(tmp_path).play(*EPOCHS), spark_version="4.2.0").commit().archive()
    assert (life.look(), life.names()) == (0, [])


def test_they_are_the_records_that_a_reconcile_calls_late(life: Life) -> None:
    """Of each side: whatever its class, a finding names the record that was dropped."""
    life.commit()
    life.world.write()
    life.look()
    life.world.reconcile()
    late_by = {(row["side"], row["partition"], row["offset"]): row["late_by_ms"] for row in life.rows()}
    found = set()
    for finding in life.world.findings():
        if finding["cause"] in ("late_left", "late_right"):
            side = finding["cause"].removeprefix("late_")
            evidence = finding["evidence"]
            found.add((side, evidence[f"{side}_partition"], evidence[f"{side}_offset"]))
            assert (
                late_by[side, evidence[f"{side}_partition"], evidence[f"{side}_offset"]]
                == evidence[f"{side}_late_by_ms"]
            )
    assert found
    record = life.world.record("later right")  # no left record lies within the hour before it: no row lacks it
    assert set(late_by) - found == {(record.side, record.partition, record.offset)}
    assert found <= set(late_by)


def test_another_delivery_of_an_event_is_not_late_again(tmp_path: Path) -> None:
    """Neither of one that came in time, nor of one that is there already, in whatever partition they are."""
    world = World.at(tmp_path)
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    world.contract = parse(
        text.replace("archive: raw.shows", "archive: raw.shows\n    event_id: show_id"), "plays.yaml"
    )
    a, lost = replace(show("a", 0), id="a"), replace(show("lost", 10, 1), id="lost")
    world.play(
        [a, show("b", 60), play("pb", "b", 65)],
        [replace(show("c", 200), id="c"), play("pc", "c", 205)],
        [replace(a, name="a again", partition=1), lost, replace(lost, name="lost at once", offset=-1)],
        [replace(a, name="a once more"), replace(lost, name="lost again", partition=0), show("d", 300)],
    )
    life = Life(world).archive()
    late = LateRows(world.lake, world.contract)
    for number in range(5):
        life.commit(number).look(late)
    assert life.names() == ["lost"]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_first_each_late_record_is_there_once(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs, archive, looks, restarts and deaths in any order."""
    chance = random.Random(seed)
    monkeypatch.setattr(looking, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(spans, "OFFSETS_AT_ONCE", chance.choice([1, 7, 1000]))
    number = 0
    epochs: list[list[Record]] = []
    for epoch in range(9):
        records = []
        for _ in range(chance.randrange(8)):
            number += 1
            minute = epoch * 20 + chance.choice([0.0, 5.5, -100.25, -40.0, 30.0])
            make: Callable[[], Record] = (
                (lambda m=minute, n=number: show(f"s{n}", m, chance.randrange(2)))
                if chance.random() < 0.5
                else (lambda m=minute, n=number: play(f"p{n}", f"s{chance.randrange(n)}", m, chance.randrange(2)))
            )
            records.append(make())
        epochs.append(records)
    world = World.at(tmp_path).play(*epochs)
    life, late = Life(world), LateRows(world.lake, world.contract)
    committed = archived = -1
    while committed < len(epochs) or archived < len(epochs):
        if chance.random() < 0.5:
            committed = min(len(epochs), committed + chance.randrange(1, 4))
            life.commit(committed)
        else:
            archived = min(len(epochs), archived + chance.randrange(1, 4))
            life.archive(archived)
        if chance.random() < 0.3:
            late = LateRows(world.lake, world.contract)
        if chance.random() < 0.7:
            life.look(late)
    life.look(late)
    assert life.names() == sorted(world.late)


def test_the_table_is_made_by_the_first_epoch_and_not_before(life: Life) -> None:
    assert life.archive().look() == 0
    assert not life.world.lake.exists(LATE)
    assert START
