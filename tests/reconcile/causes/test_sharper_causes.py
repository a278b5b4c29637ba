"""Causes that need more than a row's own records: gaps of the archive, events from the future, changed columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.report.answers import answers
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.page import predicted_table
from plumbline.reconcile.report.stories import late_by, tell
from tests.reconcile.causes.test_causes import Findings, spoil_stream, stream_of
from tests.support.world import OUTPUT, START, Record, World, play, show
from tests.support.world_rows import Row

MakeWorld = Callable[..., World]
MILLISECOND = 1 / 60_000
DAY = 24 * 60


def a_right_record_missing_between_its_neighbours(world: World) -> Findings:
    stream_of(world).archive_without("pa")
    return [("a pa", "mismatch archive_gap")]


def a_left_record_missing_between_its_neighbours(world: World) -> Findings:
    stream_of(world).archive_without("a")
    return [("a pa", "extra archive_gap")]


def the_first_offset_missing(world: World) -> Findings:
    stream_of(world).archive_without("z")
    return [("z", "extra archive_gap")]


def the_last_offset_missing(world: World) -> Findings:
    """Behind the archive's newest offset: no batch run can join it, however often it runs."""
    stream_of(world).archive_without("pf")
    return [("f pf", "mismatch archive_gap")]


def the_only_record_of_a_partition_missing(world: World) -> Findings:
    stream_of(world, after=[show("g", 302), play("pg", "g", 303, 7)]).archive_without("pg")
    return [("g pg", "mismatch archive_gap")]


def offsets_that_no_row_names(world: World) -> Findings:
    stream_of(world, [play("nobody's", "nobody", 120)]).archive_without("nobody's")
    return []


def a_row_of_a_record_that_the_stream_never_read(world: World) -> Findings:
    """No offset that a row merely names is a record: the ledger ends before it."""
    stream_of(world)
    spoil_stream(world, "a", "pa", right=replace(world.record("pa"), offset=5_000), seconds=99.0)
    return [("a pa", "mismatch unexplained")]


def from_the_future(world: World, sign: Record, late: Sequence[Record], ahead: float = -1) -> World:
    """`sign` lifts the watermark of shows, and so that of both sources, from minute -10 to 20; then `late` comes."""
    first = [show("a", 0), play("pa", "a", 5), play("other", "nobody", 30)]
    epochs = [[first[0], first[1]], [sign, first[2]], [], list(late)]
    return world.play(*([replace(r, ahead=r.ahead if r is sign else ahead) for r in epoch] for epoch in epochs))


SIGN = replace(show("s", 900), ahead=600)


def late_by_an_event_from_the_future(world: World) -> Findings:
    from_the_future(world, SIGN, [show("x", 15), play("pa2", "a", 12), show("y", -20)])
    return [
        ("a pa2", "missing watermark_poisoned"),
        ("s", "missing pending"),
        ("x", "missing watermark_poisoned"),
        ("y", "missing late_left"),
    ]


def ahead_of_the_clock_of_the_epoch_that_read_it(world: World) -> Findings:
    from_the_future(world, show("s", 40 * DAY), [show("x", 15)])
    return [("s", "missing pending"), ("x", "missing watermark_poisoned")]


def ahead_by_no_more_than_the_delay(world: World) -> Findings:
    from_the_future(world, replace(SIGN, ahead=10), [show("x", 15)])
    return [("s", "missing pending"), ("x", "missing late_left")]


def ahead_as_all_records_are(world: World) -> Findings:
    from_the_future(world, SIGN, [show("x", 15)], ahead=600)
    return [("s", "missing pending"), ("x", "missing late_left")]


def a_row_of_a_replay_that_the_batch_should_have(world: World) -> Findings:
    stream_of(world)
    world.batch = [row for row in world.batch if row.left.name != "b"]
    spoil_stream(world, "b", None, replay_id="r-1")
    return [("b", "extra replayed")]


def joined_beyond_the_window(world: World) -> Findings:
    world.play([show("b", 1), play("po", "b", 61 + 2 * MILLISECOND)], [show("f", 300), play("pf", "f", 301)], [])
    world.stream = [replace(row, right=world.record("po")) if row.left.name == "b" else row for row in world.stream]
    return [("b po", "mismatch out_of_contract")]


def the_reference_leaves_the_bound_out(world: World) -> Findings:
    world.play([show("b", 1), play("po", "b", 61)], [show("f", 300), play("pf", "f", 301)], [])
    world.batch = [replace(row, right=None) if row.left.name == "b" else row for row in world.batch]
    return [("b po", "mismatch window_edge")]


def the_stream_leaves_the_bound_out(world: World) -> Findings:
    world.play([show("b", 1), play("po", "b", 1)], [show("f", 300), play("pf", "f", 301)], [])
    world.stream = [replace(row, right=None) if row.left.name == "b" else row for row in world.stream]
    return [("b po", "mismatch window_edge")]


PLANTED: tuple[Callable[[World], Findings], ...] = (
    a_right_record_missing_between_its_neighbours, a_left_record_missing_between_its_neighbours,
    the_first_offset_missing, the_last_offset_missing, the_only_record_of_a_partition_missing,
    offsets_that_no_row_names, late_by_an_event_from_the_future,
    ahead_of_the_clock_of_the_epoch_that_read_it, ahead_by_no_more_than_the_delay, ahead_as_all_records_are,
    a_row_of_a_replay_that_the_batch_should_have, joined_beyond_the_window, the_reference_leaves_the_bound_out,
    the_stream_leaves_the_bound_out,
)  # fmt: skip


@pytest.mark.parametrize(
    "plant",
    [*PLANTED, a_row_of_a_record_that_the_stream_never_read],
    ids=lambda plant: plant.__name__.replace("_", " "),
)
def test_planted(plant: Callable[[World], Findings], make_world: MakeWorld) -> None:
    world = make_world()
    expected = plant(world)
    document = world.write().reconcile().document
    assert world.told() == expected
    assert document["balanced"]
    assert document["agrees"] is not False or "replayed" in str(expected)


@pytest.mark.parametrize(
    ("without", "cause"),
    [
        pytest.param(lambda world: world.archive_without("pa"), "archive_gap", id="never archived"),
        pytest.param(lambda world: world.batch_without("pa"), "arrived_after_batch", id="archived too late"),
    ],
)
def test_under_a_key_of_both_the_batch_row_without_a_match_has_the_cause_too(
    without: Callable[[World], World], cause: str, make_world: MakeWorld
) -> None:
    world = make_world(key="[show_id, play_id]")
    without(stream_of(world)).write().reconcile()
    assert world.told() == [("a pa", f"extra {cause}"), ("a pa", f"missing {cause}")]


def test_the_event_from_the_future_is_named_although_it_lies_outside_the_range(make_world: MakeWorld) -> None:
    world = from_the_future(make_world(), replace(show("s", 3 * DAY), ahead=DAY), [show("x", 15)])
    world.write().reconcile(time_range=TimeRange(START, START + timedelta(days=1)))
    assert world.told() == [("x", "missing watermark_poisoned")]
    (finding,) = world.findings()
    stamp = {name: value for name, value in finding["evidence"].items() if name.startswith("stamp_")}
    assert stamp == {
        "stamp_topic": "t.shows",
        "stamp_partition": 0,
        "stamp_offset": 1,
        "stamp_event_time": "2024-03-04T00:00:00.000000Z",
        "stamp_delivered_at": "2024-03-03T00:00:00.000000Z",
        "stamp_ahead_by_ms": 86_400_000,
    }


def test_the_rules_predict_what_an_event_from_the_future_made_late_as_late(make_world: MakeWorld) -> None:
    world = from_the_future(make_world(), SIGN, [show("x", 15), play("pa2", "a", 12), show("y", -20)]).write()
    document = world.reconcile().document
    assert document["agrees"] is True
    assert predicted_table(document) == [("stream_rows", 1, 1), ("late", 3, 3), ("pending", 1, 1)]
    latest = max(world.findings(), key=lambda finding: late_by(finding) or 0)
    assert (latest["cause"], late_by(latest)) == ("late_left", 40 * 60_000)
    assert {late_by(f) for f in world.findings() if f["cause"] == "watermark_poisoned"} == {5 * 60_000, 8 * 60_000}


def test_the_evidence_of_a_gap_names_the_record_and_its_archived_neighbours(make_world: MakeWorld) -> None:
    world = stream_of(make_world()).archive_without("a")
    world.write().reconcile()
    (finding,) = world.findings()
    gap = {name: value for name, value in finding["evidence"].items() if name.startswith("gap_")}
    assert gap == {
        "gap_topic": "t.shows",
        "gap_partition": 0,
        "gap_offset": 1,
        "gap_after": 0,
        "gap_before": 2,
    }


@pytest.mark.parametrize(
    ("lacking", "until"),
    [
        ("pa", "which continues at offset 1"),
        ("pf", "which ends at offset 0"),
        ("pd", "which holds nothing of this partition"),
    ],
)
def test_a_gap_says_where_the_archive_goes_on_or_ends_and_what_archives_it(
    lacking: str, until: str, make_world: MakeWorld
) -> None:
    world = stream_of(make_world()).archive_without(lacking).write()
    run = world.reconcile()
    (finding,) = world.findings()
    assert until in tell(finding).sentence
    todo = answers([run.document], Facts(contract_path="c.yaml"), ()).what_to_do
    assert todo.short == "Fill the archive"
    assert [command.split(" c.yaml")[0] for command in todo.commands[:3]] == [
        "plumbline archive fill", "plumbline stream run", "plumbline batch run",
    ]  # fmt: skip


def changed_column(world: World, table: str, was: pa.DataType | None, *commits: dict[str, str]) -> World:
    """`seconds` became what it is between two commits of a table with these properties; it was of type `was` before
    (None: not there)."""
    place = OUTPUT.get_field_index("seconds")
    earlier = OUTPUT.remove(place) if was is None else OUTPUT.set(place, pa.field("seconds", was))
    lake = world.lake
    lake.ensure_table(table, earlier, ("day", "_event_time"))
    for schema, properties in zip((earlier, OUTPUT), commits, strict=True):
        lake.evolve(table, schema)
        lake.append(table, schema.empty_table(), properties)
    return world


def epoch(number: int) -> dict[str, str]:
    epoch_of = {"spark.sql.streaming.queryId": "q1", "spark.sql.streaming.epochId": str(number)}
    return {**epoch_of, "engine-version": "4.1.4"}


def run_over(start: str, end: str) -> dict[str, str]:
    return {"plumbline.range.from": start, "plumbline.range.to": end}


CHANGED = {
    # The plays pa and pd were read in epochs 1 and 2.
    "stream": ("joined.plays_stream", epoch(1), epoch(2)),
    "batch": ("joined.plays_batch", run_over("open", "2024-03-01T01:00Z"), run_over("2024-03-01T01:00Z", "open")),
}


@pytest.mark.parametrize("side", CHANGED)
@pytest.mark.parametrize("was", [None, pa.float32()], ids=["added", "widened"])
def test_a_row_of_before_a_column_changed(was: pa.DataType | None, side: str, make_world: MakeWorld) -> None:
    """Of two rows that hold a value in the earlier form, that of after the change is divergence."""
    world = changed_column(stream_of(make_world()), CHANGED[side][0], was, *CHANGED[side][1:])
    if side == "batch":
        world.batch_range = (START + timedelta(hours=1), START + timedelta(days=300))
    for rows in (world.stream, world.batch):
        rows[:] = [replace(row, seconds=0.1) if row.right else row for row in rows]
    spoiled = world.stream if side == "stream" else world.batch
    held = {"knows_seconds": False} if was is None else {"seconds": pa.scalar(0.1, pa.float32()).as_py()}
    spoiled[:] = [replace(row, **held) if row.left.name in ("a", "d") else row for row in spoiled]
    world.write().reconcile()
    assert world.told() == [("a pa", "mismatch schema_change"), ("d pd", "mismatch value_divergence")]


def test_a_value_that_is_not_what_the_earlier_form_gives_is_divergence(make_world: MakeWorld) -> None:
    world = changed_column(stream_of(make_world()), CHANGED["stream"][0], pa.float32(), *CHANGED["stream"][1:])
    spoil_stream(world, "a", "pa", seconds=5.25)
    world.write().reconcile()
    assert world.told() == [("a pa", "mismatch value_divergence")]


def test_what_the_stream_had_not_read_of_a_topic_that_was_made_anew_is_not_pending(make_world: MakeWorld) -> None:
    new = 1_000_000
    after = [show("n", 60, new), play("pn", "n", 61, new), show("z", 400, new), play("pz", "z", 400, new)]
    world = make_world().play([show("a", 0), play("pa", "a", 5)], after, archived_only=[show("lost", 10)])
    document = world.write().reconcile().document
    assert ("lost", "missing unexplained") in world.told()
    assert document["verdict"] == "drift"


@pytest.mark.parametrize("ledger", [True, False], ids=["with a ledger", "without"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_row_that_names_an_offset_which_nobody_has_is_never_explained(
    side: str, ledger: bool, make_world: MakeWorld
) -> None:
    """No record came after the batch that the archive does not have, nor did the stream join one behind all of them."""
    world = stream_of(make_world())
    shown, played = world.record("a"), world.record("pa")
    invented = {
        "left": Row(replace(shown, name="invented", show="invented", partition=1, offset=5_000)),
        "right": Row(shown, replace(played, name="invented", partition=1, offset=5_000)),
    }
    world.stream.append(invented[side])
    world.ledger = world.ledger if ledger else []
    world.write().reconcile()
    assert [told for _, told in world.told()] == ["extra unexplained"]
