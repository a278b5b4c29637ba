"""A small world whose output is an aggregate: real Iceberg tables, filled by plain Python in place of both jobs.

It shares nothing with the code under test: windows, groups and numbers are made here from the model's joined rows.
"""

from __future__ import annotations

import json
import random
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa

from plumbline.connect.home import Home
from plumbline.contract.loader import parse
from plumbline.contract.ranges import spell_time
from plumbline.reconcile.aggregates.run import AggregateRun, reconcile_aggregate
from tests.support.world import CONTRACT, World
from tests.support.world_rows import MINUTE_MS, START, WITHIN, Record, Row, join

WINDOW = timedelta(minutes=10)
BEGAN = datetime(1970, 1, 1, tzinfo=UTC)
VALUES = {
    "shown": "count(*)",
    "played": "count(plays.play_id)",
    "rate": "count(plays.play_id) / count(*)",
    "seconds": "sum(plays.seconds)",
    "paid": "sum(plays.price)",
    "weight": "sum(plays.weight)",
    "mean": "avg(plays.weight)",
    "most": "max(plays.seconds)",
    "shows": "count_distinct(shows.show_id)",
    "long": "count(*) where plays.seconds > 50",
}
OUTPUT = f"""output:
  aggregate:
    window: 10 minutes
    group_by: [shows.genre]
    values: {{{", ".join(f'{name}: "{text}"' for name, text in VALUES.items())}}}
  stream_table: agg.stream
  batch_table: agg.batch
"""
NUMBERS = [
    ("shown", pa.int64()),
    ("played", pa.int64()),
    ("rate", pa.float64()),
    ("seconds", pa.int64()),
    ("paid", pa.decimal128(20, 2)),
    ("weight", pa.float64()),
    ("mean", pa.float64()),
    ("most", pa.int64()),
    ("shows", pa.int64()),
    ("long", pa.int64()),
]
MOMENT = pa.timestamp("us", tz="UTC")
LINES = pa.schema([("window_start", MOMENT), ("window_end", MOMENT), ("genre", pa.string()), *NUMBERS])
BELOW = pa.schema(
    [
        ("genre", pa.string()),
        ("_played_of0", pa.bool_()),
        ("_rate_of0", pa.bool_()),
        ("_seconds_of0", pa.int64()),
        ("_paid_of0", pa.decimal128(10, 2)),
        ("_weight_of0", pa.float64()),
        ("_mean_of0", pa.float64()),
        ("_most_of0", pa.int64()),
        ("_shows_of0", pa.string()),
        ("_long_where0", pa.bool_()),
        ("_event_time", MOMENT),
        ("_left_partition", pa.int32()),
        ("_left_offset", pa.int64()),
        ("_right_partition", pa.int32()),
        ("_right_offset", pa.int64()),
        ("_replay_id", pa.string()),
        ("_joined", pa.bool_()),
    ]
)
Line = dict[str, Any]


def contract(kind: str) -> str:
    """The small world's contract with an aggregate in place of its rows."""
    head, _, rest = CONTRACT.partition("output:\n")
    head = head.replace("title: string", "genre: string").replace("KIND", kind)
    head = head.replace("seconds: double", 'seconds: long, weight: double, price: "decimal(10,2)"')
    return head + OUTPUT + rest[rest.index("reconcile:") :]


@dataclass
class AggregateWorld(World):
    """`lines` of both tables stand in place of their rows; a test spoils them before `write`.

    `again`: the batch ran over this range once more, when all was archived.
    """

    batch_lines: list[Line] = field(default_factory=list)
    stream_lines: list[Line] = field(default_factory=list)
    again: tuple[datetime, datetime] | None = None

    @classmethod
    def made(cls, folder: Path, kind: str = "left_outer", *, by_spark: bool = False) -> AggregateWorld:
        """`by_spark`: the contract has SQL that only Spark computes."""
        written = contract(kind)
        if by_spark:
            written = written.replace("plays.seconds > 50", "abs(plays.seconds) > 50")
        return cls(Home(folder, folder / "jars"), parse(written))

    def aggregated(self) -> AggregateWorld:
        """Make the lines of both jobs from their rows; the stream has written the windows that it has closed."""
        self.batch_lines = lines_of(self.batch, random.Random(1))
        self.stream_lines = [line for line in lines_of(self.stream, random.Random(2)) if self.has_closed(line)]
        return self

    def batch_again(self, *bounds: datetime) -> AggregateWorld:
        """The batch ran over this range, whole windows, once more, when all was archived."""
        self.again = bounds[0], bounds[1]
        now = join([one for one in self.records if one.name not in self.unarchived], lambda left: True, self._outer)
        self.batch = [row for row in self.batch if not self._in_again(row.left.at)]
        self.batch += [row for row in now if self._in_again(row.left.at)]
        return self

    def _in_again(self, at: datetime) -> bool:
        return self.again is not None and self.again[0] <= at < self.again[1]

    def has_closed(self, line: Line) -> bool:
        """Whether the stream has written the line's window."""
        behind_ms = self.watermark_ms - WITHIN * MINUTE_MS - 1
        return (line["window_end"] - BEGAN) // timedelta(milliseconds=1) <= behind_ms

    def write(self) -> AggregateWorld:
        properties, lake = self.write_inputs(), self.lake
        self._append("agg.stream", LINES, self.stream_lines, {})
        self._run(properties, newest=False)
        if self.again is not None:
            read = {
                f"plumbline.archive.{name}.snapshot-id": str(lake.load(f"raw.{name}").current_snapshot().snapshot_id)
                for name in ("shows", "plays")
            }
            bounds = dict(zip(("plumbline.range.from", "plumbline.range.to"), map(spell_time, self.again), strict=True))
            self._run({**bounds, **read}, newest=True)
        return self

    def _run(self, properties: dict[str, str], *, newest: bool) -> None:
        """Write what a batch run makes: of the newest one the range `again`, of the other all else."""
        rows = [row for row in self.batch if self._in_again(row.left.at) == newest]
        below = [_below(row, True) for row in rows]
        if self._outer:
            below += [_below(Row(left), False) for left in {row.left.name: row.left for row in rows}.values()]
        self._append("agg.batch_rows", BELOW, below, properties)
        named = {"plumbline.rows.snapshot-id": str(self.lake.load("agg.batch_rows").current_snapshot().snapshot_id)}
        lines = [line for line in self.batch_lines if self._in_again(line["window_start"]) == newest]
        self._append("agg.batch", LINES, lines, {**properties, **named})

    def _append(self, table: str, schema: pa.Schema, rows: list[Line], properties: dict[str, str]) -> None:
        moment = "window_start" if schema == LINES else "_event_time"
        self.lake.ensure_table(table, schema, ("day", moment))
        self.lake.append(table, pa.Table.from_pylist(rows, schema=schema), properties)

    def _archived(self, records: Sequence[Record], source: str) -> pa.Table:
        """As `World` has them, with values of which the rows are made."""
        table = super()._archived(records, source)
        values = pa.array([json.dumps(_value(one, source)).encode() for one in records], pa.binary())
        return table.set_column(table.column_names.index("value"), "value", values)

    def compared(self, **options: Any) -> AggregateRun:
        return reconcile_aggregate(self.contract, self.home, **options)

    def told(self, **options: Any) -> list[tuple[str, str]]:
        """Each finding as (minute of the window and genre, class and cause)."""
        return [(named(one.key), f"{one.kind} {one.said.cause}") for one in self.compared(**options).findings]


def named(line: Line) -> str:
    """A line by the minute of its window, counted from the worlds' start, and its genre: `70 a`."""
    return f"{(line['window_start'] - START) // timedelta(minutes=1)} {line['genre']}"


def seed_of(record: Record) -> int:
    return zlib.crc32(record.name.encode())


def seconds(record: Record) -> int:
    return seed_of(record) % 100


def price(record: Record) -> Decimal:
    return Decimal(seed_of(record) % 10_000) / 100


def weight(record: Record) -> float:
    return (seed_of(record) % 1_000) / 7 * 10 ** (seed_of(record) % 5)


def _value(record: Record, source: str) -> dict[str, Any]:
    told = {"show_id": record.show, {"shows": "shown_at", "plays": "played_at"}[source]: record.at.isoformat()}
    if source == "shows":
        return {**told, "genre": record.show[0]}
    numbers = {"seconds": seconds(record), "weight": weight(record), "price": float(price(record))}
    return {**told, "play_id": record.event, **numbers}


def begun(at: datetime) -> datetime:
    return BEGAN + (at - BEGAN) // WINDOW * WINDOW


def _below(row: Row, joined: bool) -> Line:
    right, left = row.right, row.left
    return {
        "genre": left.show[0],
        "_played_of0": right and True,
        "_rate_of0": right and True,
        "_seconds_of0": right and seconds(right),
        "_paid_of0": right and price(right),
        "_weight_of0": right and weight(right),
        "_mean_of0": right and weight(right),
        "_most_of0": right and seconds(right),
        "_shows_of0": left.show,
        "_long_where0": right and seconds(right) > 50,
        "_event_time": left.at,
        "_left_partition": left.partition,
        "_left_offset": left.offset,
        "_right_partition": right and right.partition,
        "_right_offset": right and right.offset,
        "_joined": joined,
    }


def lines_of(rows: Iterable[Row], order: random.Random) -> list[Line]:
    """The aggregate of joined rows, its floating-point numbers added up in an order of its own."""
    groups: defaultdict[tuple[datetime, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[begun(row.left.at), row.left.show[0]].append(row)
    lines = []
    for (start, genre), members in sorted(groups.items()):
        rights = [row.right for row in members if row.right]
        numbers = [weight(right) for right in rights]
        order.shuffle(numbers)
        lines.append(
            {
                "window_start": start,
                "window_end": start + WINDOW,
                "genre": genre,
                "shown": len(members),
                "played": len(rights),
                "rate": len(rights) / len(members),
                "seconds": sum(map(seconds, rights)) if rights else None,
                "paid": sum(map(price, rights), Decimal()) if rights else None,
                "weight": sum(numbers) if rights else None,
                "mean": sum(numbers) / len(numbers) if rights else None,
                "most": max(map(seconds, rights), default=None),
                "shows": len({row.left.show for row in members}),
                "long": sum(seconds(right) > 50 for right in rights),
            }
        )
    return lines


def exact_weight(rows: Iterable[Row]) -> Fraction:
    """The true sum of the weights."""
    return sum((Fraction(weight(row.right)) for row in rows if row.right), Fraction())


def drawn(seed: int, rounds: int = 6, count: int = 25) -> list[list[Record]]:
    """Per epoch: shows and plays around a moment that moves half an hour an epoch, some of each side late."""
    dice = random.Random(seed)

    def some(place: int, side: str) -> list[Record]:
        return [
            Record(
                side,
                f"{side}{place}.{i}",
                f"{dice.choice('abc')}{dice.randrange(5)}",
                30 * place + dice.randrange(-90 * 60, 5 * 60) / 60,
                dice.randrange(2),
            )
            for i in range(count)
        ]

    return [[*some(place, "left"), *some(place, "right")] for place in range(4, 4 + rounds)]
