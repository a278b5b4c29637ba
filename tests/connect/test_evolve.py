"""Tables that grow with what is written to them: what is added, widened, kept, and refused with both types."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal

import pyarrow as pa
import pytest

from connect.home import Home
from connect.lake import Lake
from contract.errors import UsageError

TABLE = "joined.t"
HELD = pa.schema(
    [
        pa.field("id", pa.int32(), nullable=False),
        ("price", pa.float32()),
        ("fee", pa.decimal128(9, 2)),
        ("at", pa.timestamp("us", "UTC")),
        ("note", pa.string()),
    ]
)


@pytest.fixture
def lake(home: Home) -> Lake:
    made = Lake.open(home)
    made.ensure_table(TABLE, HELD, ("day", "at"))
    row = {"id": 1, "price": 0.5, "fee": Decimal("1.25"), "at": dt.datetime(2024, 3, 1, tzinfo=dt.UTC), "note": "n"}
    made.append(TABLE, pa.Table.from_pylist([row], schema=HELD))
    return made


def columns(lake: Lake) -> dict[str, str]:
    return {field.name: str(field.field_type) for field in lake.load(TABLE).schema().fields}


def test_columns_are_added_at_the_end_and_widened_in_place_and_the_others_stay(lake: Lake) -> None:
    wanted = pa.schema(
        [
            ("fee", pa.decimal128(12, 2)),
            ("colour", pa.string()),
            ("id", pa.int64()),
            ("price", pa.float64()),
            ("at", pa.timestamp("us", "UTC")),
        ]
    )
    lake.evolve(TABLE, wanted)
    grown = {"id": "long", "price": "double", "fee": "decimal(12, 2)", "at": "timestamptz", "note": "string"}
    assert list(columns(lake).items()) == [*grown.items(), ("colour", "string")]
    [row] = lake.load(TABLE).scan().to_arrow().to_pylist()
    assert (row["id"], row["price"], row["fee"], row["note"]) == (1, 0.5, Decimal("1.25"), "n")
    assert row["colour"] is None
    before = lake.load(TABLE).metadata_location
    lake.evolve(TABLE, wanted)
    lake.evolve(TABLE, HELD)
    assert lake.load(TABLE).metadata_location == before, "a table that takes the rows as it is was changed"


@pytest.mark.parametrize(
    ("column", "kind", "message"),
    [
        pytest.param("note", pa.int64(), "column note is string and cannot become long", id="text to number"),
        pytest.param("id", pa.string(), "column id is int and cannot become string", id="number to text"),
        pytest.param("id", pa.float64(), "column id is int and cannot become double", id="whole to fraction"),
        pytest.param("fee", pa.decimal128(12, 3), r"column fee is decimal\(9, 2\) and .* decimal\(12, 3\)", id="scale"),
    ],
)
def test_what_cannot_follow_is_named_and_changes_nothing(
    lake: Lake, column: str, kind: pa.DataType, message: str
) -> None:
    before = columns(lake)
    wanted = HELD.set(HELD.get_field_index(column), pa.field(column, kind)).append(pa.field("new", pa.string()))
    with pytest.raises(UsageError, match=rf"{message} \[table {TABLE}\]"):
        lake.evolve(TABLE, wanted)
    assert columns(lake) == before


def test_a_required_column_must_go_on_being_written(lake: Lake) -> None:
    with pytest.raises(UsageError, match="column id is required int and cannot become nothing"):
        lake.evolve(TABLE, HELD.remove(0))


def test_two_that_evolve_at_once_both_get_their_column(home: Home, lake: Lake) -> None:
    def add(name: str) -> None:
        Lake.open(home).evolve(TABLE, HELD.append(pa.field(name, pa.string())))

    threads = [threading.Thread(target=add, args=(f"c{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(columns(lake))[1:5] == ["c0", "c1", "c2", "c3"]
