"""Which data files of a pinned Iceberg snapshot hold which times: from the manifests, without reading a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from plumbline.connect.lake import Lake
from plumbline.connect.pinned import unless_current
from plumbline.connect.table_plan import plan_files
from plumbline.contract.ranges import TimeRange

if TYPE_CHECKING:
    from pyiceberg.types import NestedField

    from plumbline.connect.table_plan import Planned


@dataclass(frozen=True)
class DataFile:
    """One data file as a snapshot has it, its delete files included.

    `facts` change with everything that can change its rows: an Iceberg file is never written a second time (spec,
    "Overview"). `low_us` and `high_us` bound the times (UTC us) in it; None is unknown, so any time may be there.
    """

    facts: tuple[str, ...]
    low_us: int | None
    high_us: int | None

    def may_hold(self, start_us: int | None, end_us: int | None) -> bool:
        """Whether a row of the file can have its time in the range."""
        below = self.high_us is not None and start_us is not None and self.high_us < start_us
        above = self.low_us is not None and end_us is not None and self.low_us >= end_us
        return not (below or above)


@dataclass(frozen=True)
class Files:
    """The data files of one snapshot, and the schema in which its rows are read (JSON)."""

    schema: str
    files: tuple[DataFile, ...]

    def of(self, time_range: TimeRange) -> list[tuple[str, ...]]:
        """The facts of all files that may hold rows of the range, in a fixed order."""
        bounds = time_range.start_us, time_range.end_us
        return sorted(file.facts for file in self.files if file.may_hold(*bounds))


class Times(Protocol):
    """Which values of a timestamp column are meant."""

    def iceberg(self, column: str) -> str | None:
        """A PyIceberg row filter; None when everything is wanted."""
        ...


def data_files(lake: Lake, identifier: str, snapshot_id: int | None, column: str, times: Times) -> Files:
    """The files of the table at the snapshot that may hold rows whose `column`, a timestamp, is one of `times`.

    No file for a table without a snapshot.
    """
    if snapshot_id is None:
        return Files("", ())
    table = lake.load(identifier)
    wanted = unless_current(table, snapshot_id)
    plan = table.scan(row_filter=times.iceberg(column) or "true", snapshot_id=wanted)
    schema = plan.projection()
    field = schema.find_field(column)
    return Files(schema.model_dump_json(), tuple(_data_file(task, field) for task in plan_files(plan, identifier)))


def _data_file(task: Planned, field: NestedField) -> DataFile:
    file = task.file
    deletes = sorted(f"{delete.path} {delete.rows}" for delete in task.positions)
    deletes += sorted(values.told(task.sequence) for values in task.values)
    facts = (file.file_path, str(file.record_count), str(file.file_size_in_bytes), str(file.spec_id), *deletes)
    return DataFile(facts, _bound(file.lower_bounds, field), _bound(file.upper_bounds, field))


def _bound(bounds: dict[int, bytes] | None, field: NestedField) -> int | None:
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import TimestampType, TimestamptzType

    found, kind = (bounds or {}).get(field.field_id), field.field_type
    if found is None or not isinstance(kind, (TimestampType, TimestamptzType)):
        return None
    return int(from_bytes(kind, found))
