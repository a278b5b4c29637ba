"""Two aggregates compared over real Iceberg tables: late records on both sides explained, faults named or unexplained.

The world's model is plain Python (tests/support/aggregate_world.py); nothing here runs Spark.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plumbline.contract.errors import IncompleteError
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.aggregates.terminal import facts, next_steps
from tests.support.aggregate_world import WINDOW, AggregateWorld, Line, drawn, lines_of, named
from tests.support.world_rows import START, Record, play, show

KEPT = ("window_start", "genre")


def key(line: Line) -> tuple[Any, ...]:
    return tuple(line[name] for name in KEPT)


def differing(world: AggregateWorld) -> set[str]:
    """The closed lines of the batch that the stream has otherwise, but for the order of floating-point sums."""
    held = {key(line): rounded(line) for line in world.stream_lines}
    return {named(line) for line in closed(world) if held.get(key(line)) != rounded(line)}


def rounded(line: Line) -> Line:
    return {name: f"{value:.10e}" if name in ("weight", "mean") and value else value for name, value in line.items()}


@pytest.mark.parametrize(
    ("seed", "kind"), [(0, "left_outer"), (1, "inner"), (2, "left_outer"), (3, "left_outer"), (4, "inner")]
)
def test_late_records_of_both_sides_explain_every_difference(tmp_path: Path, seed: int, kind: str) -> None:
    world = AggregateWorld.made(tmp_path, kind).play(*drawn(seed)).aggregated().write()
    assert {world.record(name).side for name in world.late} == {"left", "right"}
    run = world.compared()
    document = run.document
    assert {named(one.key) for one in run.findings} == differing(world)
    assert set(document["causes"]) == {"late_left", "late_right"}
    assert (document["verdict"], run.exit_code, document["unexplained"]) == ("drift", 1, 0)
    assert (document["balanced"], document["agrees"], document["stale"], document["apart"]) == (True, True, 0, 0)
    assert {alert["name"] for alert in document["alerts"]} <= {"late"}
    for cause in document["causes"]:
        gone = [
            sum(lost["gone"] for lost in one["rows"]["lost"].values())
            for one in document["findings"]
            if one["cause"] == cause
        ]
        assert gone == sorted(gone, reverse=True), "those that lack most come first"
    streamed = [row for row in world.stream if world.has_closed(lines_of([row], random.Random())[0])]
    rows = document["rows"]
    assert rows is not None
    assert (rows["stream"], rows["batch"]) == (len(streamed), sum(line["shown"] for line in closed(world)))
    for finding in document["findings"]:
        assert list(finding["rows"]["lost"]) == sorted(finding["rows"]["lost"]), "in the same order each time"
        shown = finding["values"]["shown"]
        assert (shown["batch"] or 0) == (shown["stream"] or 0) + sum(shown.get("causes", {}).values())


def closed(world: AggregateWorld) -> list[Line]:
    return [line for line in world.batch_lines if world.has_closed(line)]


@pytest.mark.parametrize("seed", range(6))
def test_worlds_without_late_records_are_clean(tmp_path: Path, seed: int) -> None:
    """Also where floating-point sums differ in their last digits."""
    epochs = [sorted(epoch, key=lambda one: one.us) for epoch in drawn(seed)]
    times = sorted(record.minute for epoch in epochs for record in epoch)
    every = sorted((record for epoch in epochs for record in epoch), key=lambda one: one.us)
    world = AggregateWorld.made(tmp_path, "left_outer" if seed % 2 else "inner")
    world.play(every[: len(times) // 2], every[len(times) // 2 :]).aggregated().write()
    assert not world.late
    run = world.compared()
    assert run.findings == ()
    document = run.document
    assert (run.exit_code, document["verdict"], document["causes"], document["alerts"]) == (0, "clean", {}, [])
    assert document["counts"]["match"] == len(closed(world)) > 10
    assert document["agrees"] is True


def on_time() -> list[list[Record]]:
    """Six shows with plays in windows from minute 0 to 50, and later events that close them."""
    early = [show(f"a{i}", 10 * i + 1) for i in range(6)] + [play(f"p{i}", f"a{i}", 10 * i + 5) for i in range(6)]
    early += [show("b0", 3), show("b1", 13), play("q0", "b0", 8), play("q1", "b0", 9)]
    return [early, [show("z", 240), play("pz", "z", 241)], [show("y", 250), play("py", "y", 251)]]


def change(world: AggregateWorld, lines: list[Line], place: str, **values: Any) -> None:
    for line in lines:
        if named(line) == place:
            line |= values


Plant = Callable[[AggregateWorld], None]


def a_number_of_the_stream(world: AggregateWorld) -> None:
    change(world, world.stream_lines, "0 b", seconds=1)


def a_price_by_a_cent(world: AggregateWorld) -> None:
    [line] = [line for line in world.stream_lines if named(line) == "0 b"]
    change(world, world.stream_lines, "0 b", paid=line["paid"] + Decimal("0.01"))


def a_weight_by_little(world: AggregateWorld) -> None:
    [line] = [line for line in world.stream_lines if named(line) == "0 b"]
    change(world, world.stream_lines, "0 b", weight=line["weight"] * (1 + 1e-13))


def the_end_of_a_window(world: AggregateWorld) -> None:
    change(world, world.stream_lines, "0 b", window_end=START + timedelta(minutes=11))


def a_lost_window(world: AggregateWorld) -> None:
    world.stream_lines = [line for line in world.stream_lines if named(line) != "0 b"]


def a_window_twice(world: AggregateWorld) -> None:
    world.stream_lines += [dict(line) for line in world.stream_lines if named(line) == "0 b"]


def a_window_twice_with_other_numbers(world: AggregateWorld) -> None:
    world.stream_lines += [{**line, "shown": 9} for line in world.stream_lines if named(line) == "0 b"]


def an_invented_window(world: AggregateWorld) -> None:
    world.stream_lines += [{**line, "genre": "x"} for line in world.stream_lines if named(line) == "0 b"]


def a_window_that_is_still_open(world: AggregateWorld) -> None:
    start = START + timedelta(minutes=240)
    line = {**world.stream_lines[0], "genre": "z", "window_start": start, "window_end": start + WINDOW}
    world.stream_lines.append(line)


PLANTED: list[tuple[Plant, list[tuple[str, str]], dict[str, int]]] = [
    (a_number_of_the_stream, [("0 b", "mismatch unexplained")], {"unexplained": 1}),
    (a_price_by_a_cent, [("0 b", "mismatch unexplained")], {"unexplained": 1}),
    (a_weight_by_little, [("0 b", "mismatch unexplained")], {"unexplained": 1}),
    (the_end_of_a_window, [("0 b", "mismatch unexplained")], {"unexplained": 1}),
    (a_lost_window, [("0 b", "missing lost_output")], {"lost_output": 1}),
    (a_window_twice, [("0 b", "duplicate double_commit")], {"double_commit": 1}),
    (a_window_twice_with_other_numbers, [("0 b", "duplicate unexplained")], {"unexplained": 1}),
    (an_invented_window, [("0 x", "extra unexplained")], {"unexplained": 1}),
    (a_window_that_is_still_open, [], {"unexplained": 1}),
]


@pytest.mark.parametrize(
    ("plant", "told", "causes"), PLANTED, ids=[plant.__name__.replace("_", " ") for plant, *_ in PLANTED]
)
def test_a_fault_is_named_rightly_or_unexplained(
    tmp_path: Path, plant: Plant, told: list[tuple[str, str]], causes: dict[str, int]
) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated()
    plant(world)
    run = world.write().compared()
    assert run.document["unarchived"] == {}
    assert [(named(one.key), f"{one.kind} {one.said.cause}") for one in run.findings] == told
    assert run.document["causes"] == causes
    assert (run.exit_code, run.document["balanced"]) == (1, True)
    assert [alert["name"] for alert in run.document["alerts"]] == ["unexplained"] * ("unexplained" in causes)


def test_a_fault_beside_late_records_is_not_laid_to_them(tmp_path: Path) -> None:
    """The numbers that the late records leave are not the stream's: nothing is named."""
    world = AggregateWorld.made(tmp_path).play(*drawn(1)).aggregated()
    spoiled = [line for line in world.stream_lines if named(line) in differing(world)][:5]
    for line in spoiled:
        line["seconds"] = (line["seconds"] or 0) + 1
    run = world.write().compared()
    told = {named(one.key): one.said.cause for one in run.findings}
    assert {name for name, cause in told.items() if cause == "unexplained"} == {named(line) for line in spoiled}
    assert run.document["unexplained"] == 5
    unexplained = [one for one in run.document["findings"] if one["cause"] == "unexplained"]
    assert len(unexplained) == 5
    assert not any("causes" in value for one in unexplained for value in one["values"].values())


def late(*records: Record) -> list[list[Record]]:
    """The world on time, and records that come when their windows are closed."""
    early, second, third = on_time()
    return [early, second, third, [*records, show("w", 260), play("pw", "w", 261)]]


def test_a_late_left_takes_its_rows(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*late(show("c", 2))).aggregated().write()
    assert world.told() == [("0 c", "missing late_left")]


def test_a_late_right_leaves_the_left_event_alone(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*late(play("late", "b1", 20))).aggregated().write()
    [finding] = world.compared().findings
    assert (named(finding.key), finding.kind, finding.said.cause) == ("10 b", "mismatch", "late_right")
    assert (finding.rows, finding.stream_rows) == (1, 1)
    assert (finding.lost["late_right"].gone, finding.lost["late_right"].alone) == (1, 1)
    assert world.compared().document["findings"][0]["values"]["played"] == {
        "batch": 1,
        "stream": 0,
        "causes": {"late_right": 1},
    }


def test_a_late_right_beside_a_partner_in_time_takes_its_pair_only(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*late(play("late", "b0", 20))).aggregated().write()
    [finding] = world.compared().findings
    assert (finding.rows, finding.stream_rows, finding.lost["late_right"].alone) == (3, 2, 0)


@pytest.mark.parametrize("name", ["b0", "q0", "q1"])
def test_a_quarantined_record_is_named(tmp_path: Path, name: str) -> None:
    world = AggregateWorld.made(tmp_path)
    world.refused = {name: "null_key"}
    world.play(*on_time()).aggregated().write()
    kind = "missing" if name == "b0" else "mismatch"
    assert world.told() == [("0 b", f"{kind} quarantined")]


def test_several_causes_of_one_line_add_up(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path)
    world.refused = {"q0": "null_key"}
    world.play(*late(show("b2", 4), show("b3", 5), play("late", "b0", 20))).aggregated().write()
    [finding] = world.compared().document["findings"]
    assert finding["cause"] == "quarantined"
    assert finding["values"]["shown"] == {
        "batch": 5,
        "stream": 1,
        "causes": {"quarantined": 1, "late_left": 2, "late_right": 1},
    }
    assert finding["values"]["played"]["causes"] == {"quarantined": 1, "late_right": 1}


def test_a_record_that_the_archive_lacks_is_laid_to_nothing(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).archive_without("q1").aggregated()
    assert world.write().told() == [("0 b", "mismatch unexplained")]
    document = world.compared(record=False).document
    assert document["unarchived"] == {"plays": 1}
    steps = list(next_steps(document, "takes.yaml"))
    assert "plumbline archive fill takes.yaml --execute" in steps[1]
    assert any(line.startswith("the archive lacks 1 offset of plays that") for line in facts(document))


def minutes(start: float, end: float) -> TimeRange:
    return TimeRange(START + timedelta(minutes=start), START + timedelta(minutes=end))


def test_what_the_stream_has_not_read_is_pending(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time(), archived_only=[show("c", 2)]).aggregated().write()
    run = world.compared()
    assert (run.exit_code, run.findings) == (0, ())
    assert run.document["counts"]["pending"] == len(world.batch_lines) - len(world.stream_lines)
    assert run.document["settled"] is False
    assert world.compared(require_settled=True).exit_code == 3


def test_a_batch_number_that_its_rows_do_not_make_is_told(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated()
    change(world, world.batch_lines, "0 b", shown=9)
    run = world.write().compared()
    assert (run.exit_code, run.document["apart"], run.document["unexplained"]) == (3, 1, 1)


def test_equal_lines_that_the_ledger_speaks_against_are_told(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*late(show("c", 2))).aggregated()
    world.stream_lines += [line for line in world.batch_lines if named(line) == "0 c"]
    run = world.write().compared()
    assert (run.findings, run.document["agrees"]) == ((), False)


def test_a_range_is_widened_to_whole_windows(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated()
    a_number_of_the_stream(world)
    run = world.write().compared(time_range=minutes(7, 12))
    assert run.document["range"] == minutes(0, 20).as_json()
    assert run.document["counts"]["batch"] == 4
    assert run.document["settled"] is True
    assert run.document["unexplained"] == 1


def test_without_a_ledger_nothing_is_told(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated()
    world.ledger = []
    document = world.write().compared().document
    assert (document["verdict"], document["causes"], document["agrees"]) == ("incomplete", {}, None)
    assert "nobody knows which windows are closed" in (document["untold"] or "")


@pytest.mark.parametrize("what", ["property", "snapshot"])
def test_a_batch_table_without_its_rows_is_refused(tmp_path: Path, what: str) -> None:
    world = AggregateWorld.made(tmp_path).play(*on_time()).aggregated().write()
    if what == "snapshot":
        world.lake.catalog().drop_table("agg.batch_rows")
    else:
        table = world.lake.load("agg.batch")
        rows = table.scan().to_arrow()
        table.overwrite(rows, snapshot_properties={"plumbline.range.from": "open", "plumbline.range.to": "open"})
    with pytest.raises(IncompleteError, match=r"agg.batch.*no difference could be explained") as caught:
        world.compared()
    assert "plumbline batch run" in str(caught.value.next_step)


def test_causes_are_counted_by_line(tmp_path: Path) -> None:
    world = AggregateWorld.made(tmp_path).play(*drawn(2)).aggregated().write()
    run = world.compared()
    assert Counter(one.said.cause for one in run.findings) == run.document["causes"]
