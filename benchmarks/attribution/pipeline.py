"""One contract's real pipeline, from outside: records go to Kafka, the jobs run, and then their tables are spoiled."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml

from benchmarks.attribution.planting import CONTRACT_TEXT, records_of
from plumbline.connect import kafka
from plumbline.connect.home import Home
from plumbline.contract.loader import load
from plumbline.contract.ranges import TimeRange
from plumbline.stream_job.job_folder import JobFolder
from tests.support.join_model import is_late, next_watermark
from tests.support.world import OUTPUT, Record, Row, World
from tests.support.world_rows import MINUTE_MS, START, join

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.stream_job.ledger import Epoch

TOPICS = {"left": "shows", "right": "plays"}
COPIED_SECONDS = -99.0
"""What the other delivery of an event says."""


@dataclass
class Pipeline(World):
    """A world whose tables the real jobs fill; what they come to is read back as the model's rows.

    `brokers` are Kafka's client properties, `path` is the contract's file.
    """

    brokers: dict[str, str] = field(default_factory=dict)
    path: Path = Path()

    @classmethod
    def begin(cls, folder: Path, brokers: dict[str, str], name: str, epoch: int) -> Pipeline:
        """Empty topics of its own; `epoch` events of a source at most in one epoch."""
        own = {"stream": {"max_events_per_epoch": epoch, "every": "0 seconds"}, "kafka": brokers}
        path = folder / "plays.yaml"
        path.write_text(CONTRACT_TEXT.replace("topic: t.", f"topic: {name}.") + yaml.safe_dump(own))
        made = cls(Home.resolve(folder / "home"), load(path), brokers=brokers, path=path)
        kafka.create_topics(brokers, {source.topic: 2 for source in made.contract.sources.values()})
        return made

    def know_seconds(self, *, known: bool) -> None:
        """Let the contract have the output column `seconds`, or not yet."""
        told = self.path.read_text()
        for there, away in ((", plays.seconds]", "]  # no seconds"), ("  tolerances:", "  # tolerances:")):
            told = told.replace(away, there) if known else told.replace(there, away)
        self.path.write_text(told)
        self.contract = load(self.path)

    @property
    def spark(self) -> SparkSession:
        from plumbline.connect.spark import session

        return session(self.home, self.lake, app="worlds")

    def deliver(self, records: Sequence[Record], delivered: dict[str, float]) -> None:
        """Produce the records in this order, each with the moment of its delivery, and let the stream read them all."""
        from plumbline.stream_job.run import run

        placed = [self._place(record) for record in records]
        kafka.produce(self.brokers, [self._message(record, delivered[record.name]) for record in placed])
        run(self.contract, self.home, once=True, spark=self.spark)
        self.look()

    def _message(self, record: Record, minute: float) -> kafka.Record:
        moment = START + timedelta(minutes=minute)
        topic = self.contract.sources[TOPICS[record.side]].topic
        value = _value(record, self.refused.get(record.name))
        return kafka.Record(
            topic, record.show.encode(), value, round(moment.timestamp() * 1000), partition=record.partition
        )

    def look(self) -> None:
        """Take in how far the stream has come, from its ledger, and the rows that it has written."""
        epochs = list(JobFolder.of(self.contract, self.home).ledger.epochs())
        marks = self.late_marks()
        told = [epoch.late_watermark_ms for epoch in epochs]
        assert marks == told, f"late watermarks are {told}, by the records read {marks}"
        self.read_in = {record.name: epoch.epoch for epoch in epochs for record in self._read(epoch)}
        self.late, self.watermark_ms = self.late_by(marks), epochs[-1].evict_watermark_ms
        self.stream = self._rows(self.contract.output.stream_table)
        self._hold_to_the_model()

    def late_marks(self, without: Collection[str] = ()) -> list[int]:
        """The late watermark (ms) of each epoch by the records that the epochs read, as if some had not come."""
        newest: dict[str, int | None] = {"left": None, "right": None}
        marks, late_ms, evict_ms, run = [], 0, 0, None
        for epoch in JobFolder.of(self.contract, self.home).ledger.epochs():
            late_ms = evict_ms
            evict_ms = next_watermark(evict_ms, newest.values(), [10 * MINUTE_MS] * 2)
            newest = newest if run in (None, epoch.run_id) else dict.fromkeys(newest)
            run = epoch.run_id
            for record in self._read(epoch):
                if record.name not in without and record.name not in self.refused:
                    newest[record.side] = max(newest[record.side] or 0, record.us // 1000)
            marks.append(late_ms)
        return marks

    def late_by(self, marks: Sequence[int]) -> dict[str, str]:
        """The records that these late watermarks drop."""
        return {
            record.name: record.side
            for record in self.records
            if record.name not in self.refused and is_late(record.us, marks[self.read_in[record.name]])
        }

    def _read(self, epoch: Epoch) -> list[Record]:
        """What an epoch read."""
        return [record for record in self.records if _reads(epoch, record)]

    def event(self, record: Record) -> Record:
        """The delivery that names a record's event: that which the batch takes, once it is there."""
        named = replace(record, name=record.event)
        return next((other for other in self.records if other.name == record.event), named)

    def _hold_to_the_model(self) -> None:
        admitted = {self.event(r) for r in self.records if r.name not in self.late and r.name not in self.refused}
        wanted = Counter(map(records_of, join([*admitted], self.is_closed, outer=True)))
        found = Counter(map(records_of, self.stream))
        assert found == wanted, f"the stream lacks {wanted - found} and has {found - wanted}"

    def _rows(self, table: str) -> list[Row]:
        return self._named(self.lake.load(table).scan().to_arrow().to_pylist())

    def _named(self, rows: Iterable[dict[str, Any]]) -> list[Row]:
        places = {(r.side, r.partition, r.offset): r for r in self.records}
        return [_row(row, places, self.event) for row in rows]

    def files(self, name: str) -> list[list[Row]]:
        """The rows of each data file of the stream table that has a row of the show."""
        import pyarrow.parquet as pq

        table = self.lake.load(self.contract.output.stream_table)
        paths = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
        files = [self._named(pq.read_table(path, partitioning=None).to_pylist()) for path in paths]
        return [rows for rows in files if any(row.left.name == name for row in rows)]

    def run_batch(self, missing: Iterable[str]) -> None:
        """Run the reference, after the archive has lost some of its records."""
        from plumbline.batch_reference.run import run

        for record in map(self.record, missing):
            table = self.contract.sources[TOPICS[record.side]].archive
            where = f"partition == {record.partition} and offset == {record.offset}"
            self.lake.load(table).delete(where)
        run(self.contract, self.home, TimeRange(), spark=self.spark)
        self.batch = self._rows(self.contract.output.batch_table)

    def write(self) -> Pipeline:
        """Bring both tables to the rows that they are to hold, show by show, as someone who meddles with them would."""
        for table, rows in (("joined.plays_stream", self.stream), ("joined.plays_batch", self.batch)):
            held = Counter(self._rows(table))
            gone, new = held - Counter(rows), Counter(rows) - held
            losing, gaining = ({row.left for row in changed} for changed in (gone, new))
            for left in gaining - losing:
                self.lake.append(table, _arrow(new.elements(), left))
            for left in gaining & losing:
                self.lake.replace(table, _arrow(rows, left), _at(left))
            self._delete(table, [row for row in gone if row.left not in gaining])
        return self

    def _delete(self, table: str, rows: Sequence[Row]) -> None:
        """Delete rows by Spark, which writes delete files beside the data."""
        if rows:
            places = " OR ".join(f"({_at(row.left)} AND {_beside(row)})" for row in rows)
            merge = "('write.delete.mode' = 'merge-on-read')"
            self.spark.sql(f"ALTER TABLE lake.{table} SET TBLPROPERTIES {merge}")
            self.spark.sql(f"DELETE FROM lake.{table} WHERE {places}")


def _reads(epoch: Epoch, record: Record) -> bool:
    place, partition = ("left", "right").index(record.side), str(record.partition)
    return epoch.start[place].get(partition, 0) <= record.offset < epoch.end[place].get(partition, 0)


def _at(left: Record) -> str:
    return f"_left_partition = {left.partition} AND _left_offset = {left.offset}"


def _beside(row: Row) -> str:
    if row.right is None:
        return "_right_offset IS NULL"
    return f"_right_partition = {row.right.partition} AND _right_offset = {row.right.offset}"


def _arrow(rows: Iterable[Row], left: Record) -> pa.Table:
    """The rows of one left record."""
    return pa.Table.from_pylist([row.values() for row in rows if row.left == left], schema=OUTPUT)


def _row(row: dict[str, Any], places: dict[tuple[str, int, int], Record], event: Callable[[Record], Record]) -> Row:
    """A table's row in the model's form: of an event that was delivered twice, by the first place."""
    left, right = (
        (found := places.get((side, row[f"_{side}_partition"], row[f"_{side}_offset"]))) and event(found)
        for side in ("left", "right")
    )
    assert left is not None, f"{row} is of no record"
    seconds = row.get("seconds")
    own = None if right and seconds == right.minute else seconds
    return Row(left, right, own, row["_replay_id"], knows_seconds=right is None or seconds is not None)


def _value(record: Record, refused: str | None) -> bytes | None:
    """What is produced; spoiled where the record is to be refused for that reason."""
    time = "shown_at" if record.side == "left" else "played_at"
    told: dict[str, Any] = {"show_id": record.show, time: record.at.isoformat()}
    if record.side == "left":
        told["title"] = f"title of {record.name}"
    else:
        told |= {"play_id": record.event, "seconds": COPIED_SECONDS if record.is_copy else record.minute}
    spoiled = {"null_key": {"show_id": None}, "null_event_time": {time: None}, "unreadable_event_time": {time: "soon"}}
    whole = json.dumps(told | spoiled.get(refused or "", {})).encode()
    return {"tombstone": None, "not_json": whole[:-1]}.get(refused or "", whole)
