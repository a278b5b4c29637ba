"""Random histories of an Iceberg table that is updated, and which rows each snapshot holds, by a model of single rows.

The model keeps each data file's rows by field ids and asks of each row whether any delete reaches it, as the Iceberg
spec says ("Scan Planning", "Column Projection"); it reads no file and no manifest.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from plumbline.connect.lake import Lake
from tests.support.updated_tables import Part, UpdatedTable

Row = Mapping[int, Any]
T = datetime(2024, 1, 1, tzinfo=UTC)
VALUES: dict[str, tuple[Any, ...]] = {
    "int": (0, 1, 2, -5), "long": (0, 1, 2, -5), "string": ("", "a", "é"), "boolean": (True, False),
    "float": (0.0, -0.0, 1.5, math.nan), "double": (0.0, -0.0, 1.5, math.nan), "binary": (b"", b"\x00", b"a"),
    "decimal(9, 2)": (Decimal("0.00"), Decimal("1.50")), "decimal(20, 2)": (Decimal("0.00"), Decimal("1.50")),
    "date": (date(2024, 1, 1), date(1969, 12, 31)), "timestamptz": tuple(T + timedelta(days=n) for n in range(4)),
}  # fmt: skip
KINDS = (StringType(), BooleanType(), FloatType(), BinaryType(), DecimalType(9, 2), DateType(), IntegerType())
WIDER = {"int": LongType(), "float": DoubleType(), "decimal(9, 2)": DecimalType(20, 2)}
KEY, PLACE, AT = 1, 2, 3
SPECS = [
    PartitionSpec(spec_id=0),
    PartitionSpec(PartitionField(PLACE, 1000, IdentityTransform(), "place"), spec_id=1),
    PartitionSpec(
        PartitionField(PLACE, 1000, IdentityTransform(), "place"),
        PartitionField(KEY, 1001, IdentityTransform(), "key"),
        spec_id=2,
    ),
]


@dataclass(frozen=True)
class DataOf:
    """A data file: its rows, and what the spec scopes deletes by."""

    part: Part
    rows: tuple[Row, ...]
    sequence: int
    spec: int
    partition: tuple[Any, ...]


@dataclass(frozen=True)
class EqualOf:
    """Deleted values of columns."""

    ids: tuple[int, ...]
    rows: tuple[Row, ...]
    sequence: int
    spec: int
    partition: tuple[Any, ...]


@dataclass(frozen=True)
class State:
    """One snapshot, by the model: `positions` are (path, position, sequence number), `defaults` those of all columns
    that there ever were."""

    schema: Schema
    defaults: Mapping[int, Any]
    data: tuple[DataOf, ...] = ()
    equal: tuple[EqualOf, ...] = ()
    positions: frozenset[tuple[str, int, int]] = frozenset()

    def live(self) -> Iterator[tuple[DataOf, int, Row]]:
        """The rows that no delete reaches, with their places."""
        newest: dict[tuple[str, int], int] = {}
        for path, position, sequence in self.positions:
            newest[path, position] = max(sequence, newest.get((path, position), 0))
        for file in self.data:
            for position, row in enumerate(file.rows):
                by_place = newest.get((file.part.path, position), -1) >= file.sequence
                if not by_place and not any(self._reaches(delete, file, row) for delete in self.equal):
                    yield file, position, row

    def _reaches(self, delete: EqualOf, file: DataOf, row: Row) -> bool:
        if delete.sequence <= file.sequence:
            return False
        if delete.spec != 0 and (delete.spec, delete.partition) != (file.spec, file.partition):
            return False
        return any(all(spelled(self.value(row, i)) == spelled(one[i]) for i in delete.ids) for one in delete.rows)

    def value(self, row: Row, number: int) -> Any:
        """A column of a row: its default where the file is older than the column."""
        return row[number] if number in row else self.defaults.get(number)

    def rows(self, low: datetime | None = None) -> Counter[tuple[Any, ...]]:
        """What a reader must see, in the snapshot's schema; `low`: of rows with times from there on."""
        live = (row for _, _, row in self.live() if low is None or ((at := self.value(row, AT)) and at >= low))
        return Counter(tuple(spelled(self.value(row, i)) for i in columns_of(self.schema)) for row in live)


def columns_of(schema: Schema) -> list[int]:
    """The field ids of the columns."""
    return [one.field_id for one in schema.fields]


def spelled(value: Any) -> Any:
    """A value, so that equal is what Iceberg takes for equal (Java: Comparators): NaN and NaN, and not 0.0 and -0.0."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack("<d", value)
    return value


@dataclass
class RandomHistory:
    """Commits drawn by `draw` into a table of its own; `states` are the snapshots by id, `current` the newest."""

    lake: Lake
    name: str
    draw: Random
    table: UpdatedTable = field(init=False)
    states: dict[int, State] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first = [NestedField(KEY, "key", IntegerType()), NestedField(PLACE, "place", IntegerType())]
        first += [NestedField(AT, "at", TimestamptzType())]
        first += [NestedField(4 + n, f"c{n}", kind) for n, kind in enumerate(self.draw.sample(KINDS, 3))]
        self.table = UpdatedTable(self.lake, self.name, Schema(*first), SPECS[0], 3 if self.draw.random() < 0.3 else 2)
        if self.draw.random() < 0.5:
            self.table.specs = list(SPECS)
        self.table.partition(self.draw.choice(self.table.specs))
        self._next_id = 4 + 3
        self.fields = {one.field_id: one for one in first}
        self._step(self._append(8))
        for _ in range(self.draw.randrange(2, 9)):
            self.step()
        self.table.publish()

    @property
    def current(self) -> State:
        return next(reversed(self.states.values()), State(self.table.schema, {}))

    def step(self) -> None:
        """A change of schema, partitioning or version, perhaps, and one commit of one to three things."""
        if self.draw.random() < 0.4:
            self._evolve()
        if self.draw.random() < 0.2:
            self.table.partition(self.draw.choice(self.table.specs))
        if self.draw.random() < 0.1:
            self.table.version = 3
        things = self.draw.choices((self._append, self._equal, self._positions, self._drop), (3, 4, 3, 0.5), k=3)
        change = Change()
        for thing in things[: self.draw.randrange(1, 4)]:
            more = thing()
            change = Change(*((*ours, *theirs) for ours, theirs in zip(change.parts, more.parts, strict=True)))
        self._step(change)

    def _step(self, change: Change) -> None:
        number, now = len(self.states) + 1, self.current
        new = [replace(one, sequence=number) for one in change.data]
        equal = [replace(one, sequence=number) for one in change.equal]
        gone = {part.path for part in change.remove}
        deletes: dict[Part, set[int]] = {}
        for part, position in change.positions:
            if part.path not in gone:
                deletes.setdefault(part, set()).add(position)
        adds, removes = [*(one.part for one in new), *change.parts_of_equal], list(change.remove)
        for part, positions in deletes.items():
            if self.table.version == 3:
                positions |= {place for path, place, _ in now.positions if path == part.path}
                of = f"file://{part.path}"
                removes += [one for one in self.table.live if one.vector_of == of]
            adds += self.table.positions({part: sorted(positions)}, bounds=number % 2 == 0)
        snapshot = self.table.commit(adds, removes)
        placed = {(part.path, position, number) for part, positions in deletes.items() for position in positions}
        self.states[snapshot] = State(
            self.table.schema,
            {i: one.initial_default for i, one in self.fields.items()},
            tuple(one for one in (*now.data, *new) if one.part.path not in gone),
            (*now.equal, *equal),
            frozenset(now.positions | placed),
        )

    def _value(self, one: NestedField) -> Any:
        return None if self.draw.random() < 0.2 else self.draw.choice(VALUES[str(one.field_type)])

    def _append(self, rows: int = 0) -> Change:
        partition = tuple(self._value(self.fields[one.source_id]) for one in self.table.spec.fields)
        fixed = dict(zip((one.source_id for one in self.table.spec.fields), partition, strict=True))
        made = [
            {one.field_id: fixed[one.field_id] if one.field_id in fixed else self._value(one)
             for one in self.table.schema.fields}
            for _ in range(rows or self.draw.randrange(1, 6))
        ]  # fmt: skip
        part = self.table.data(self._named(made), *partition)
        return Change(data=(DataOf(part, tuple(made), 0, self.table.spec.spec_id, partition),))

    def _equal(self) -> Change:
        """Values of one to three columns: mostly of rows that are there, in their partition."""
        state, draw = self.current, self.draw
        columns = draw.sample(list(self.table.schema.fields), draw.randrange(1, 4))
        live = list(state.live())
        spec, partition = self.table.spec, tuple(self._value(self.fields[f.source_id]) for f in self.table.spec.fields)
        if live and draw.random() < 0.8:
            file = draw.choice(live)[0]
            spec, partition = next(one for one in SPECS if one.spec_id == file.spec), file.partition
        if draw.random() < 0.3:
            spec, partition = SPECS[0], ()
        known = [{f.field_id: state.value(row, f.field_id) for f in self.table.schema.fields} for _, _, row in live]
        made = [draw.choice(known) if known and draw.random() < 0.8 else {f.field_id: self._value(f)
                for f in self.table.schema.fields} for _ in range(draw.randrange(1, 4))]  # fmt: skip
        whole = draw.random() < 0.3
        part = self.table.equality(self._named(made), [one.name for one in columns], *partition, whole=whole, spec=spec)
        ids = tuple(one.field_id for one in columns)
        return Change(equal=(EqualOf(ids, tuple(made), 0, spec.spec_id, partition),), parts_of_equal=(part,))

    def _positions(self) -> Change:
        live = [(file.part, position) for file, position, _ in self.current.live()]
        return Change(positions=tuple(self.draw.sample(live, min(len(live), self.draw.randrange(1, 4)))))

    def _drop(self) -> Change:
        """A data file goes; its deletes stay, as most writers leave them."""
        data = self.current.data
        return Change(remove=(self.draw.choice(data).part,) if data else ())

    def _named(self, rows: list[dict[int, Any]]) -> list[dict[str, Any]]:
        return [{one.name: row[one.field_id] for one in self.table.schema.fields} for row in rows]

    def _evolve(self) -> None:
        fields = list(self.table.schema.fields)
        place = self.draw.randrange(len(fields))
        one = fields[place]
        by_partition = one.field_id in (KEY, PLACE, AT)
        match self.draw.choice(("rename", "widen", "drop", "add", "swap")):
            case "rename" if not by_partition:
                fields[place] = one.model_copy(update={"name": f"renamed_{len(self.states)}"})
            case "widen" if str(one.field_type) in WIDER:
                fields[place] = one.model_copy(update={"field_type": WIDER[str(one.field_type)]})
            case "drop" if not by_partition and len(fields) > 4:
                del fields[place]
            case "swap" if len(fields) > 5:  # a name that an earlier column had
                a, b = self.draw.sample(range(3, len(fields)), 2)
                names = fields[a].name, fields[b].name
                fields[b] = fields[b].model_copy(update={"name": names[0]})
                fields[a] = fields[a].model_copy(update={"name": names[1]})
            case "add":
                kind = self.draw.choice(KINDS)
                default = self.draw.choice(VALUES[str(kind)]) if self.table.version == 3 else None
                if str(kind) == "binary" or spelled(default) == "NaN":  # not in JSON
                    default = None
                told = {"initial_default": default, "write_default": default} if default is not None else {}
                fields.insert(3, NestedField(self._next_id, f"c{self._next_id}", kind, **told))
                self._next_id += 1
            case _:
                return
        self.table.evolve(*fields)
        self.fields |= {one.field_id: one for one in self.table.schema.fields}


@dataclass(frozen=True)
class Change:
    """What one commit adds and takes away."""

    data: tuple[DataOf, ...] = ()
    equal: tuple[EqualOf, ...] = ()
    parts_of_equal: tuple[Part, ...] = ()
    positions: tuple[tuple[Part, int], ...] = ()
    remove: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[tuple[Any, ...], ...]:
        return (self.data, self.equal, self.parts_of_equal, self.positions, self.remove)
