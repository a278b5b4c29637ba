"""Documents that the commands make themselves, as types; docs/schemas is made from them."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

Template = Literal["starter", "flights", "table"]
"""A contract to start from; the last is drafted from tables."""


class PlaceToFillIn(TypedDict):
    """A line of a draft that has to be filled in: its number, its text, and what belongs there."""

    line: int
    text: str
    what: str


class InitDocument(TypedDict):
    """What `plumbline init --json` prints. Of a draft, made from tables, with the places that are to be filled in."""

    path: str
    template: Template
    fill_in: NotRequired[list[PlaceToFillIn]]


class JarsDocument(TypedDict):
    """What `plumbline jars --json` prints: the folder, and how many jars are complete in it."""

    path: str
    files: int


class BrokerDocument(TypedDict):
    """A local broker that runs: its address, the pid of its process, its data folder."""

    bootstrap_servers: str
    pid: int
    data: str
    running: Literal[True]


class NoBrokerDocument(TypedDict):
    """No local broker runs in the home."""

    running: Literal[False]
    home: str


BrokerStatus = BrokerDocument | NoBrokerDocument


class StoppedDocument(TypedDict):
    """What `plumbline kafka stop --json` prints; false where none ran."""

    stopped: bool


class TopicDocument(TypedDict):
    """One topic."""

    partitions: int
    records: int


class TopicsDocument(TypedDict):
    """What `plumbline kafka topics --json` prints; null: the topic is not there."""

    bootstrap_servers: str
    topics: dict[str, TopicDocument | None]


class ProducedDocument(TypedDict):
    """What `plumbline kafka produce --json` prints: records in all, and by topic."""

    bootstrap_servers: str
    sent: int
    topics: dict[str, int]


class HomeDocument(TypedDict):
    """What `plumbline home adopt --json` prints; `was` is null, and no more is told, where the home was not moved."""

    home: str
    was: str | None
    executed: bool
    files: NotRequired[int]
    tables: NotRequired[list[str]]
    elsewhere: NotRequired[list[str]]
    checkpoints_in_both: NotRequired[list[str]]
    replays_to_run_again: NotRequired[list[str]]


class QuarantinedRecord(TypedDict):
    """One record in quarantine. `value` shows its first bytes, escaped; null where it has none."""

    source: str
    topic: str
    partition: int
    offset: int
    reason: str
    record_time: str | None
    noted_at: str
    bytes: int | None
    value: str | None
    hint: str | None


class QuarantineDocument(TypedDict):
    """What `plumbline quarantine --json` prints. `counts`: source to reason to records."""

    contract: str
    counts: dict[str, dict[str, int]]
    newest: list[QuarantinedRecord]


class CheckedReduce(TypedDict):
    """Of the events of a window that are equal in the columns `by`, one enters the join."""

    by: list[str]
    every: str
    take: Literal["last", "first"]


class CheckedSource(TypedDict):
    """A source of the contract, every default filled in."""

    topic: str
    format: Literal["json", "avro", "debezium"]
    fields: dict[str, str]
    event_time: str
    event_id: str | None
    watermark: str
    archive: str
    archive_columns: dict[str, str | None] | None
    where: str | None
    aliases: dict[str, list[str]]
    event_time_within: list[str]
    max_bytes: int
    compute: dict[str, str]
    reduce: NotRequired[CheckedReduce]


class CheckedJoin(TypedDict):
    """Which events belong together."""

    left: str
    right: str
    kind: Literal["inner", "left_outer", "right_outer", "full_outer"]
    on: list[str] | dict[str, str]
    within: list[str]


CheckedColumn = TypedDict("CheckedColumn", {"name": str, "from": str, "type": NotRequired[str]})
"""An output column, and the field or the SQL that it is from. `type`, in the contract's words, is of aggregates only;
`unknown` is one that Spark was not there to tell."""


class CheckedAggregate(TypedDict):
    """Numbers per window and group. `values` that are `within_error` hang on the order of a floating-point sum."""

    window: str
    group_by: list[str]
    values: dict[str, str]
    within_error: list[str]


class CheckedOutput(TypedDict):
    """What the join writes, and where."""

    key: list[str]
    columns: list[CheckedColumn]
    aggregate: NotRequired[CheckedAggregate]
    mode: NotRequired[Literal["upsert"]]
    stream_table: str
    batch_table: str
    partition_by: Literal["none", "hour", "day", "month"]
    event_time: str | None


class CheckedStream(TypedDict):
    """How the streaming job runs."""

    max_events_per_epoch: int
    every: str
    state: Literal["memory", "rocksdb"]
    shuffle_partitions: int
    transform: str | None


class CheckedSql(TypedDict):
    """SQL expressions that Spark took; `unchecked` says why it did not look at them."""

    expressions: int
    unchecked: str | None


class AcceptedChanges(TypedDict):
    """Changes of the contract that the checkpoint and the tables accept, in words."""

    checkpoint: list[str]
    tables: list[str]


Service = Literal["broker", "registry", "catalog", "warehouse"]
Right = Literal["describe", "describe_configs", "read", "write", "list", "delete"]


class TriedRight(TypedDict):
    """A right that this user has, on a topic, a subject, the catalog or the tables' folder, and what asks for it."""

    service: Service
    right: Right
    on: str
    needed_for: str


class Online(TypedDict):
    """What is there: partitions of each topic, versions of each subject, which tables exist, which archives another
    contract writes. `rights`: those that were tried; of the warehouse none where only the catalog knows its place."""

    topics: dict[str, int]
    schemas: dict[str, int]
    tables: dict[str, bool]
    shared: dict[str, str]
    rights: list[TriedRight]


class CheckDocument(TypedDict):
    """What `plumbline check --json` prints; `online` with --online only."""

    contract: str
    sources: dict[str, CheckedSource]
    join: CheckedJoin
    output: CheckedOutput
    stream: CheckedStream
    fingerprint: str
    sql: CheckedSql
    changes: AcceptedChanges
    online: NotRequired[Online]


class SizeOfTable(TypedDict):
    """Rows of a table, and bytes of its data files."""

    rows: int
    bytes: int


class SizeOfStream(TypedDict):
    """What the streaming job takes: waiting rows of each source and their bytes in state, memory of the JVM, epochs of
    a day, and CPU cores it keeps busy. `state_of_sample`: the bytes of a row in state are those of the sample."""

    state: Literal["memory", "rocksdb"]
    open_rows: dict[str, int]
    state_bytes: int
    state_of_sample: bool
    memory_bytes: int
    epochs_per_day: int
    cores: float


class SizeOfNight(TypedDict):
    """What a night takes that reads one day: archived events and batch rows of it, CPU seconds."""

    events: int
    rows: int
    batch_cpu_seconds: float
    reconcile_cpu_seconds: float


class SizeDocument(TypedDict):
    """What `plumbline size --json` prints: topics (bytes of one replica, not compressed) and tables after so many days,
    stream and night at these rates; `sample` has the archived records of each source that it is made from."""

    contract: str
    days: float
    events_per_second: dict[str, float]
    sample: dict[str, int]
    topics: dict[str, int]
    tables: dict[str, SizeOfTable]
    stream: SizeOfStream
    nightly: SizeOfNight
