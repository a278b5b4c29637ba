"""The contract's `job:` block: the streaming job that a team already runs, and how its rows are read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline.contract.consistency import PartError
from plumbline.contract.errors import UsageError
from plumbline.contract.kinds import Duration, Name, TableName
from plumbline.contract.lineage import EVENT_TIME, LEFT_OFFSET, LEFT_PARTITION, RIGHT_OFFSET, RIGHT_PARTITION

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Coordinates(_Block):
    """Where the output table of a team's own job keeps the Kafka place of one record."""

    partition: Name = Field(description="output column with the record's Kafka partition")
    offset: Name = Field(description="output column with the record's Kafka offset")


class JobLineage(_Block):
    """The columns by which a row says which records it was made from."""

    left: Coordinates = Field(description="of the left record")
    right: Coordinates = Field(description="of the right record; null in a row without one")


class ForeignJob(_Block):
    """A streaming job that is not Plumbline's: nothing here starts it or writes its table."""

    kind: Literal["spark", "flink", "other"] = Field(description="the engine that runs it")
    checkpoint: str | None = Field(
        None,
        min_length=1,
        description="spark: the query's checkpointLocation; flink: the job's execution.checkpointing.dir, with "
        "`progress`. A folder or a URI; only ever read",
    )
    join_first: bool = Field(
        False, description="spark: no stateful operator of the query but deduplication comes before the contract's join"
    )
    held_back: Duration | None = Field(
        None,
        description="spark: for how much event time at most the query's stateful operators after the join hold a row "
        "back; 0 minutes: not at all",
    )
    event_time: Name | None = Field(None, description="column of its table that carries the left event's time")
    lineage: JobLineage | None = Field(None, description="columns of its table with the records' Kafka coordinates")
    dropped: TableName | None = Field(
        None, description="Iceberg table in which the job notes each record that it drops"
    )
    progress: TableName | None = Field(
        None,
        description="Iceberg table with the offsets that it has read, and how many of them it reported as dropped; "
        "with a flink job's `checkpoint` it is written by `plumbline observe`",
    )
    late_left: Literal["dropped", "padded"] = Field(
        "dropped", description="what becomes of a late left event: no row, or at once a row without a match"
    )

    @property
    def columns(self) -> dict[str, str]:
        """Lineage column, as our own jobs call it, to the column of the job's table that holds it."""
        found = {} if self.event_time is None else {EVENT_TIME: self.event_time}
        if self.lineage is not None:
            left, right = self.lineage.left, self.lineage.right
            found |= {LEFT_PARTITION: left.partition, LEFT_OFFSET: left.offset}
            found |= {RIGHT_PARTITION: right.partition, RIGHT_OFFSET: right.offset}
        return found


def check_job(contract: Contract) -> None:
    """Raise PartError where the block does not fit: a checkpoint of another engine, a column that is named twice."""
    job = contract.job
    if job is None:
        return
    if job.checkpoint is not None and job.kind == "other":
        raise PartError(("job", "checkpoint"), "only a spark or flink job's checkpoint can be read; this job is other")
    if job.join_first and job.kind != "spark":
        raise PartError(("job", "join_first"), f"only a spark query has such a plan; this job is {job.kind}")
    if job.held_back is not None and job.kind != "spark":
        raise PartError(("job", "held_back"), f"only a spark query has such a plan; this job is {job.kind}")
    if job.held_back is not None and job.held_back < timedelta():
        raise PartError(("job", "held_back"), "no row comes out before it is made; 0 minutes says that none is held")
    _check_reports(contract, job)
    if contract.stream.transform is not None:
        raise PartError(("stream", "transform"), "a team's own job (job:) runs no transform of ours; remove it")
    named: dict[str, str] = {}
    for place, column in job.columns.items():
        if column in named:
            path = ("job", "event_time") if EVENT_TIME in (place, named[column]) else ("job", "lineage")
            raise PartError(path, f"column {column!r} is named twice; each has one meaning")
        named[column] = place


def _check_reports(contract: Contract, job: ForeignJob) -> None:
    """Raise PartError where a table of reports is another table too, or has nothing to stand on."""
    observed = job.kind == "flink" and job.checkpoint is not None
    if job.progress is not None and job.dropped is None and not observed:
        raise PartError(("job", "progress"), "it counts what the job reports as dropped; name that table as dropped")
    if job.progress is not None and job.checkpoint is not None and not observed:
        raise PartError(("job", "progress"), "the checkpoint says the same; keep one of the two")
    if observed and job.progress is None:
        raise PartError(
            ("job", "checkpoint"), "name a table as progress, which observe writes from a flink job's checkpoints"
        )
    if job.late_left == "padded" and not contract.join.keeps_left:
        raise PartError(("job", "late_left"), f"a {contract.join.kind} join pads no left event; leave it out")
    output = contract.output
    taken = {output.stream_table, output.batch_table, contract.left.archive, contract.right.archive}
    for part, table in (("dropped", job.dropped), ("progress", job.progress)):
        if table is not None and (table in taken or (part == "progress" and table == job.dropped)):
            raise PartError(("job", part), f"{table} is another table of the contract; name that of the reports")


def refuse_job_of_theirs(contract: Contract, what: str, next_step: str) -> None:
    """Raise UsageError for work on the stream's own job where `job:` says that it is a team's own."""
    if contract.job is not None:
        raise UsageError(
            f"{what}: the streaming job of {contract.contract} is not Plumbline's but a {contract.job.kind} job "
            f"of your own (job:), which writes {contract.output.stream_table}",
            where=contract.place(("job",)) or "job",
            next_step=next_step,
        )


def written_into(contract: Contract) -> str | None:
    """What to say before a command writes into the stream table: it is a team's own; None where it is ours."""
    if contract.job is None:
        return None
    table, kind = contract.output.stream_table, contract.job.kind
    return f"{table} is the table of your own {kind} job (job:); its rows are replaced beside that job"
