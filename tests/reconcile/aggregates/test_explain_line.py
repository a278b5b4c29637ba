"""`plumbline explain` of a line: what reconcile says of it, its contributors, and what each statement rests on."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.cli import run
from plumbline.contract.errors import IncompleteError, UsageError
from plumbline.contract.ranges import spell_time
from plumbline.reconcile.aggregates.explain.explain import explain_line
from plumbline.reconcile.aggregates.explain.story import LineStory
from plumbline.reconcile.aggregates.explain.terminal import lines
from tests.reconcile.aggregates.test_compared_aggregates import late, named, on_time
from tests.support.aggregate_world import LINES, AggregateWorld, Line, contract, drawn, seconds
from tests.support.documents import checked
from tests.support.world_rows import START, play, show


def key_of(line: Line) -> dict[str, Any]:
    return {"window_start": spell_time(line["window_start"]), "genre": line["genre"]}


def explained(world: AggregateWorld, line: Line | dict[str, Any] | str) -> LineStory:
    key = key_of(line) if isinstance(line, dict) and not isinstance(line["window_start"], str) else line
    story = explain_line(world.contract, world.home, key)  # type: ignore[arg-type]
    checked("explain", json.loads(json.dumps(story.document)))
    return story


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> AggregateWorld:
    """Records of both sides late or in quarantine, and lines that are wrong, lost, twice and invented."""
    world = AggregateWorld.made(tmp_path_factory.mktemp("home"))
    epochs = drawn(5)
    world.refused = {epochs[1][3].name: "null_key", epochs[2][30].name: "null_key"}
    world.play(*epochs).aggregated()
    lost, twice, copied, wrong, *_ = world.stream_lines
    world.stream_lines.remove(lost)
    world.stream_lines += [dict(twice), {**copied, "genre": "x"}]
    wrong["shown"] += 1
    return world.write()


def test_of_every_line_that_differs_it_says_what_reconcile_says(spoiled: AggregateWorld) -> None:
    found = spoiled.compared(record=False).findings
    assert {"late_left", "late_right", "quarantined", "lost_output", "double_commit", "unexplained"} == {
        one.said.cause for one in found
    }
    seen: Counter[str] = Counter()
    for finding in found:
        seen[str(finding.said.cause)] += 1
        if seen[str(finding.said.cause)] > 3:
            continue
        story = explained(spoiled, dict(finding.key))
        assert (story.verdict, story.cause) == ("drift", finding.said.cause)
        assert story.line == finding
        rows = story.document["rows"]
        lost = Counter(row.cause for row in story.joined if row.became == "gone")
        assert lost == {cause: one["gone"] for cause, one in rows["lost"].items() if one["gone"]}
        assert len(story.joined) + story.left_out == finding.rows + sum(one.alone for one in finding.lost.values())
        for row in story.joined:
            assert (row.became == "gone") == any(one.lost for one in row.contributors)


def test_late_and_quarantined_records_are_named_with_what_tells_of_them(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path)
    world.refused = {"q0": "null_key"}
    world.play(*late(show("b2", 4), play("late", "b0", 20))).aggregated().write()
    story = explained(world, "2024-03-01T00:00Z,b")
    document = story.document
    assert document["values"]["shown"]["causes"] == {"quarantined": 1, "late_left": 1, "late_right": 1}
    places = {(one.name, one.partition, one.offset): one for one in world.records}
    gone = {row["cause"]: row["records"] for row in document["joined"] if row["became"] == "gone"}
    [left], [_, right], [_, refused] = (gone[cause] for cause in ("late_left", "late_right", "quarantined"))
    assert ("b2", left["partition"], left["offset"]) in places
    assert ("late", right["partition"], right["offset"]) in places
    assert (refused["lost"], refused["reason"], refused["late_by_ms"]) == ("quarantined", "null_key", None)
    for record, minute in ((left, 4), (right, 20)):
        assert record["late_by_ms"] == (record["late_watermark_ms"] or 0) - places_ms(minute)
        assert record["epoch"] == 3
    said = {(moment.what, moment.text) for moment in story.moments}
    offset = refused["offset"]
    assert ("quarantined", f"t.plays partition 0 offset {offset} read in epoch 0, and in quarantine: null_key") in said
    assert not any(what == "admitted" and f"offset {offset} " in text for what, text in said)
    assert sum(what == "dropped" for what, _ in said) == 2
    grounds = dict(story.grounds)
    assert grounds["quarantined"].endswith("come to the stream's line in every value")
    assert "which the newest batch run's commit names" in grounds["the joined rows below it"]
    assert grounds["that the window is closed"].startswith("in epoch 2 of query q1: evict watermark")


def places_ms(minute: int) -> int:
    return show("x", minute).us // 1000


def test_a_late_right_that_leaves_its_left_event_alone(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*late(play("late", "b1", 20))).aggregated().write()
    story = explained(world, "2024-03-01T00:10Z,b")
    assert [(row.became, row.cause) for row in story.joined] == [("gone", "late_right"), ("alone", "late_right")]
    assert [row.takes["played"] for row in story.joined] == [True, False]
    assert (story.document["rows"]["batch"], story.document["rows"]["stream"]) == (1, 1)


def test_lines_that_are_equal_open_or_early(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated()
    closed = [line for line in world.batch_lines if world.has_closed(line)]
    still_open = [line for line in world.batch_lines if not world.has_closed(line)]
    early = still_open[0]
    world.stream_lines.append(dict(early))
    world.write()
    for line in closed:
        story = explained(world, line)
        assert (story.verdict, story.cause, story.document["agrees"]) == ("match", None, True)
        assert {row.became for row in story.joined} == {"made"}
    story = explained(world, early)
    assert (story.verdict, story.cause) == ("drift", "unexplained")
    story = explained(world, still_open[1])
    assert (story.verdict, story.document["agrees"]) == ("pending", None)
    assert "open" in {moment.what for moment in story.moments}


def test_a_row_that_came_after_the_batch_run_is_shown_as_it_was_computed(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).batch_without("q1").aggregated().write()
    story = explained(world, "2024-03-01T00:00Z,b")
    assert (story.verdict, story.cause) == ("drift", "arrived_after_batch")
    [came] = [row for row in story.document["joined"] if row["became"] == "came"]
    record = world.record("q1")
    assert (came["cause"], came["takes"]["seconds"]) == ("arrived_after_batch", seconds(record))
    assert came["records"][1]["offset"] == record.offset
    page = "\n".join(lines(story))
    assert "made: arrived_after_batch" in page
    assert "joined rows: batch 1 = stream 2 + arrived_after_batch -1" in page


def test_what_cannot_be_told_is_not(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path / "stale", by_spark=True).play(*on_time()).batch_without("q1").aggregated()
    world.write()
    assert explained(world, "2024-03-01T00:00Z,b").sentence.startswith("the stream has read records")
    world = AggregateWorld.made(tmp_path / "apart").play(*on_time()).aggregated()
    for line in world.batch_lines:
        line["shown"] += named(line) == "0 b"
    story = explained(world.write(), "2024-03-01T00:00Z,b")
    assert (story.verdict, story.line.said.apart) == ("incomplete", True)
    world = AggregateWorld.made(tmp_path / "untold").play(*on_time()).aggregated()
    world.ledger = []
    story = explained(world.write(), "2024-03-01T00:00Z,b")
    assert (story.verdict, story.joined, story.left_out) == ("incomplete", [], 2)
    assert "nobody knows which windows are closed" in story.sentence


def test_an_equal_line_that_the_ledger_speaks_against(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*late(show("c", 2))).aggregated()
    world.stream_lines += [line for line in world.batch_lines if named(line) == "0 c"]
    story = explained(world.write(), "2024-03-01T00:00Z,c")
    assert (story.verdict, story.document["agrees"]) == ("match", False)


def test_a_line_that_a_replay_has_put_in_place_names_it(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated()
    world.stream_lines, published = [], world.stream_lines
    world.write().lake.append("agg.stream", pa.Table.from_pylist(published, schema=LINES), {"replay.id": "r-1"})
    story = explained(world, "2024-03-01T00:00Z,b")
    assert [one.replay_id for one in story.stream] == ["r-1"]
    assert story.sentence.endswith("a replay has put it in the place of the stream's")
    assert any(moment.text.endswith(", replay r-1") for moment in story.moments)


@pytest.mark.parametrize(
    ("key", "step"),
    [
        ("2024-03-01T00:00Z,x", "did you mean '2024-03-01T00:00:00Z,"),
        ("2024-03-01T00:03Z,b", "the one that holds this moment starts at 2024-03-01T00:00:00Z"),
        ("2024-03-01T00:00,b", "write 2024-03-01T00:00Z for UTC"),
        ("2024-03-01T00:00Z", "give <window_start>,<genre>"),
        ({"window_start": "2024-03-01T00:00Z", "genre": None}, "did you mean"),
        ({"window_start": None, "genre": "b"}, "give the start of the window"),
    ],
)
def test_a_key_that_names_no_line_is_refused(tmp_path: Path, key: Any, step: str) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated().write()
    with pytest.raises(UsageError) as caught:
        explain_line(world.contract, world.home, key)
    assert step in str(caught.value.next_step)


def test_a_window_that_no_batch_run_covers_is_refused(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated()
    world.batch_range = (START + timedelta(minutes=20), START + timedelta(minutes=300))
    world.write()
    with pytest.raises(IncompleteError, match="does not cover"):
        explain_line(world.contract, world.home, "2024-03-01T00:00Z,b")
    assert explained(world, "2024-03-01T00:20Z,a").verdict == "match"


def test_the_command_finds_the_contract_of_the_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = AggregateWorld.made(tmp_path / "home").play(*late(show("b2", 4))).aggregated().write()
    file = tmp_path / "takes.yaml"
    file.write_text(contract("left_outer"))
    words = ["explain", "2024-03-01T00:00Z,b", f"--home={world.home.root}"]
    assert run([*words, f"--contract={file}"]) == 0
    page = capsys.readouterr().out
    assert "window_start 2024-03-01T00:00:00Z, genre b: drift by late_left" in page
    assert "shown 3 = 2 + late_left 1" in page
    assert "joined rows: batch 3 = stream 2 + late_left 1" in page
    assert "shows 0:10: event time 2024-03-01 00:04 UTC, late by 3 h 46 min in epoch 3" in page
    world.compared()
    assert run([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cause"] == "late_left"
