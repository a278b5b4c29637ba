"""A reference of one's own may join what is in quarantine; and each record of the archive stands in the books."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyarrow as pa
import pytest
from rich.console import Console

from plumbline.connect.table_names import QUARANTINE
from plumbline.connect.tables import QUARANTINE_SCHEMA
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.reconcile.document import record_lines
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.terminal import show as show_in_terminal
from plumbline.reconcile.run import Run
from tests.support.world import World, play, show

MakeWorld = Callable[..., World]


def with_refused(world: World, **refused: str) -> World:
    """Shows a, c and x, c and x played; of those named the stream took in none, the batch reference all."""
    world.refused = refused
    return world.play(
        [show("a", 0), show("c", 2), play("pc", "c", 4), show("x", 3), play("px", "x", 8), play("pc2", "c", 9)],
        [show("f", 300), play("pf", "f", 301)],
        [],
    )


def in_terminal(found: Run) -> str:
    console = Console(file=io.StringIO(), width=400)
    show_in_terminal(found, Facts(), console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def run(world: World) -> Run:
    return world.write().reconcile(time_range=TimeRange(None, from_micros(world.record("f").us)))


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        pytest.param({"a": "oversize"}, [("a", "missing quarantined")], id="a left record without matches"),
        pytest.param({"x": "oversize"}, [("x px", "missing quarantined")], id="a left record with a match"),
        pytest.param({"px": "wrong_type"}, [("x px", "mismatch quarantined")], id="the only match"),
        pytest.param({"pc": "wrong_type"}, [("c pc", "missing quarantined")], id="one match of two"),
    ],
)
def test_a_row_made_from_a_quarantined_record(
    refused: dict[str, str], told: list[tuple[str, str]], make_world: MakeWorld
) -> None:
    world = with_refused(make_world(), **refused)
    document = run(world).document
    assert world.told() == told
    assert (document["verdict"], document["balanced"], document["agrees"]) == ("drift", True, None)
    (evidence,) = [finding["evidence"] for finding in world.findings()]
    ((name, reason),) = refused.items()
    record, side = world.record(name), world.record(name).side
    assert evidence[f"{side}_quarantine"] == reason
    topic = {"left": "t.shows", "right": "t.plays"}[side]
    assert evidence["quarantined_record"] == f"{topic} partition 0 offset {record.offset} ({reason})"


def test_an_extra_row_stands_there_because_all_its_partners_are_in_quarantine(make_world: MakeWorld) -> None:
    world = with_refused(make_world(key="[show_id, play_id]"), pc="null_key", pc2="not_json")
    run(world)
    assert [cause for _, cause in world.told()] == ["extra quarantined", "missing quarantined", "missing quarantined"]


def test_an_extra_row_with_a_partner_that_entered_is_not_explained_by_the_others(make_world: MakeWorld) -> None:
    world = with_refused(make_world(key="[show_id, play_id]"), pc="null_key")
    world.stream = [row for row in world.stream if row.left.name != "c"]
    world.stream.append(type(world.batch[0])(world.record("c")))
    run(world)
    assert [cause for _, cause in world.told() if cause.startswith("extra")] == ["extra unexplained"]


def test_every_record_of_the_archive_entered_or_is_in_quarantine(make_world: MakeWorld) -> None:
    document = run(with_refused(make_world(), a="oversize", x="null_key", pc="null_key")).document
    assert document["records"] == {
        "shows": {
            "archived": 3,
            "entered": 1,
            "quarantined": {"null_key": 1, "oversize": 1},
            "waiting": 0,
            "balanced": True,
        },
        "plays": {"archived": 4, "entered": 3, "quarantined": {"null_key": 1}, "waiting": 0, "balanced": True},
    }


@pytest.mark.parametrize(
    ("copied", "quarantined", "waiting", "balanced"),
    [
        pytest.param([], {}, 1, True, id="not yet copied"),
        pytest.param(["a", "a"], {"oversize": 2}, 0, False, id="copied twice"),
        pytest.param(["a", "c"], {"null_key": 1, "oversize": 1}, 0, False, id="copied although it entered"),
    ],
)
def test_the_copy_is_held_to_the_archive(
    copied: list[str], quarantined: dict[str, int], waiting: int, balanced: bool, make_world: MakeWorld
) -> None:
    world = with_refused(make_world(), a="oversize")
    world.copied = copied
    found = run(world)
    shows = found.document["records"]["shows"]
    assert (shows["quarantined"], shows["waiting"], shows["balanced"]) == (quarantined, waiting, balanced)
    assert found.document["balanced"] is balanced
    assert found.exit_code == (1 if balanced else 3)


def test_a_copy_too_many_is_told_beside_a_record_that_arrived_after_the_batch(make_world: MakeWorld) -> None:
    world = with_refused(make_world(), a="oversize").batch_without("c")
    world.copied = ["a", "a"]
    found = run(world)
    assert (found.exit_code, found.document["records"]["shows"]["balanced"]) == (3, False)
    assert "arrived_after_batch" in found.document["causes"]


def test_copies_of_records_that_the_archive_lost_are_no_defect(make_world: MakeWorld) -> None:
    world = with_refused(make_world(), a="oversize", pc="null_key").archive_without("a")
    found = run(world)
    assert found.document["records"]["shows"] == {
        "archived": 2,
        "entered": 2,
        "quarantined": {"oversize": 1},
        "waiting": 0,
        "archive_lacks": 1,
        "balanced": False,
    }
    assert (found.exit_code, found.document["verdict"]) == (3, "incomplete")
    assert found.document["archive_lacks"] == {"shows": 1}
    printed = in_terminal(found)
    assert "the books do not balance: 1 record of shows in quarantine is not in the archive any more" in printed
    assert "plumbline archive fill" in printed
    assert "defect" not in printed


def test_a_copy_too_many_stays_a_defect_beside_a_lost_record(make_world: MakeWorld) -> None:
    world = with_refused(make_world(), a="oversize", pc="null_key").archive_without("a")
    world.copied = ["a", "pc", "pc"]
    found = run(world)
    assert (found.exit_code, found.document["archive_lacks"]) == (3, {})
    assert "a defect of Plumbline" in in_terminal(found)


def test_copies_of_another_contract_of_the_name_are_not_counted(make_world: MakeWorld) -> None:
    world = with_refused(make_world(), a="oversize").write()
    mine = world.lake.load(QUARANTINE).scan().to_arrow()
    for table in ("joined.plays_stream", "other.plays_stream"):
        whose = pa.array([table] * mine.num_rows, pa.string())
        place = mine.column_names.index("stream_table")
        rows = mine.set_column(place, "stream_table", whose)
        world.lake.append(QUARANTINE, rows.cast(QUARANTINE_SCHEMA))
    world.lake.load(QUARANTINE).delete("stream_table is null")
    found = world.reconcile()
    assert found.document["records"]["shows"]["quarantined"] == {"oversize": 1}
    assert found.document["balanced"]


def test_the_books_of_records_in_words() -> None:
    records = {
        "shows": {"archived": 1_200, "entered": 1_200, "quarantined": {}, "waiting": 0, "balanced": True},
        "plays": {
            "archived": 9,
            "entered": 4,
            "quarantined": {"not_json": 1, "null_key": 2},
            "waiting": 1,
            "balanced": False,
        },
    }
    assert record_lines({"records": records}) == (
        "shows: 1,200 archived = 1,200 entered",
        "plays: 9 archived = 4 entered + 3 quarantined (1 not_json, 2 null_key) + 1 to be quarantined: "
        "this does not balance",
    )
    assert record_lines({}) == ()
