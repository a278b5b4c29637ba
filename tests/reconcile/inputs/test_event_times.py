"""Tables whose rows have their event time in another column than `_event_time`, or in none: the books balance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from tests.reconcile.causes.test_causes import several_at_once, stream_of
from tests.support.world import CONTRACT, OUTPUT, START, World, show

MakeWorld = Callable[..., World]
DAY = TimeRange(START, START + timedelta(days=1))
OTHERS = [name for name in OUTPUT.names if name != "_event_time"]


def without_event_time(world: World, column: str | None, kind: pa.DataType | None = None) -> World:
    """The stream table with its rows' event times in `column`, or nowhere; the contract names it."""
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    if column is not None:
        text = text.replace("  stream_table:", f"  event_time: {column}\n  stream_table:")
    world.contract = parse(text)
    schema, moments = pa.schema([OUTPUT.field(name) for name in OTHERS]), []
    if column is not None:
        schema, moments = schema.append(pa.field(column, kind)), [column]
    rows: list[dict[str, Any]] = []
    for row in world.stream:
        at = row.left.at if kind is None or kind.tz else row.left.at.replace(tzinfo=None)
        rows.append({name: row.values()[name] for name in OTHERS} | dict.fromkeys(moments, at))
    world.lake.catalog().drop_table("joined.plays_stream")
    world.lake.ensure_table("joined.plays_stream", schema)
    world.lake.append("joined.plays_stream", pa.Table.from_pylist(rows, schema=schema))
    return world


def two_days(world: World) -> World:
    return stream_of(world, [show("x", 3)], after=[show("tomorrow", 40 * 60)]).write()


@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("us")], ids=["with zone", "without zone"])
def test_the_contract_names_the_column(kind: pa.DataType, make_world: MakeWorld) -> None:
    world = two_days(make_world())
    expected = world.reconcile(time_range=DAY, record=False).document
    document = without_event_time(world, "happened", kind).reconcile(time_range=DAY, record=False).document
    same = ("verdict", "counts", "causes", "ledger", "balanced", "settled", "predicted", "agrees")
    assert {name: document[name] for name in same} == {name: expected[name] for name in same}
    assert document["balanced"]


@pytest.mark.parametrize("time_range", [None, DAY], ids=["everything", "a day"])
def test_rows_without_a_time_are_on_one_page_and_no_day_is_made_up(
    time_range: TimeRange | None, make_world: MakeWorld
) -> None:
    world = two_days(make_world())
    expected = world.reconcile(time_range=time_range, record=False).document
    document = without_event_time(world, None).reconcile(time_range=time_range, record=False).document
    assert (document["counts"], document["causes"]) == (expected["counts"], expected["causes"])
    assert document["balanced"]
    assert [page["window"] for page in document["ledger"]] == [None]


def test_causes_are_those_of_the_rows(make_world: MakeWorld) -> None:
    world = make_world()
    planted = several_at_once(world)
    without_event_time(world.write(), None).reconcile()
    assert world.told() == planted


def test_another_column_changes_no_checkpoint_and_no_plan(make_world: MakeWorld) -> None:
    world = make_world()
    before = world.contract.fingerprint()
    assert without_event_time(two_days(world), "happened", pa.timestamp("us")).contract.fingerprint() == before


def test_a_column_that_no_table_has_is_refused(make_world: MakeWorld) -> None:
    world = two_days(make_world())
    world.contract = world.contract.model_copy(
        update={"output": world.contract.output.model_copy(update={"event_time": "hapened"})}
    )
    with pytest.raises(ContractError, match="'hapened', which neither"):
        world.reconcile()
