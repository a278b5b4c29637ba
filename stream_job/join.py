"""The streaming join as a plan: raw Kafka rows in, output rows with lineage out. The tape of a replay uses it too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from plumbline.connect.user_code import transformed
from plumbline.contract.durations import spell_duration
from plumbline.contract.errors import ContractError
from plumbline.contract.lineage import EVENT_TIME, OFFSET, PARTITION, REPLAY_ID, RIGHT_EVENT_TIME
from plumbline.contract.model import Contract, Source
from plumbline.contract.on import placed
from plumbline.contract.transform_file import transform_file
from plumbline.stream_job.aggregate import aggregated
from plumbline.stream_job.events import events, has_floating_id, needed, same_id_sql
from plumbline.stream_job.payload import Layouts, layout

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from plumbline.contract.reduce import Reduce

PAYLOAD = "_payload"
EVENT_ID = "_event_id"
OWN_TIME = "_own_us"
"""Of an event that stands for those of its window: when it happened, in us since 1970. A timestamp would bring a second
watermark along, which Spark refuses."""
HOW = {"inner": "inner", "left_outer": "leftOuter", "right_outer": "rightOuter", "full_outer": "fullOuter"}
"""Kind of join as Spark calls it."""

STATE_TYPES = {"int": "bigint", "float": "double"}
"""Join columns and event ids are kept in the widest type of their kind: a widened field still meets its old state."""


def join(
    contract: Contract,
    left_raw: DataFrame,
    right_raw: DataFrame,
    replay_id: str | None = None,
    layouts: Path | None = None,
) -> DataFrame:
    """The output rows of the contract's join over two raw streams.

    Both inputs hold at least `partition`, `offset`, `timestamp` and `value`, named and typed as Spark's Kafka source
    does. The result has the columns of `contract.table_columns`, in that order. `layouts` is the folder that remembers
    how the checkpoint's state was packed; None for a checkpoint that is never continued under another contract.
    """
    from pyspark.sql import functions as F

    join = contract.join
    left, right = (
        _Side(contract, name, raw, layouts) for name, raw in ((join.left, left_raw), (join.right, right_raw))
    )
    joined = left.packed.alias(join.left).join(
        right.packed.alias(join.right), F.expr(condition(contract)), HOW[join.kind]
    )
    sides = {"left": left, "right": right}
    decoded = joined.select(*(column for place, side in sides.items() for column in side.decoded(place)))
    rows = decoded.select("*", *(side.event(place).alias(side.name) for place, side in sides.items()))
    made = rows.select(
        *(F.expr(column.expression).alias(column.name) for column in contract.output_columns),
        _event_time(contract).alias(EVENT_TIME),
        *(f"_{place}{part}" for place in sides for part in (PARTITION, OFFSET)),
        F.lit(replay_id).cast("string").alias(REPLAY_ID),
        *([F.col(RIGHT_EVENT_TIME)] if RIGHT_EVENT_TIME in contract.table_columns else []),
    )
    return _transformed(contract, made)


def refuse_wrong_sql(spark: SparkSession, contract: Contract) -> None:
    """Raise ContractError for SQL of the contract that the stream cannot compute."""
    from plumbline.connect.analysis import empty, typed_as_json
    from plumbline.connect.analysis import refuse_wrong_sql as refuse

    whole = typed_as_json(contract)
    contract = whole.rows
    contract = contract.model_copy(update={"stream": contract.stream.model_copy(update={"transform": None})})
    nothing = empty(spark, partition="int", offset="bigint", timestamp="timestamp", value="binary")
    refuse(spark, contract, lambda one: join(one, nothing, nothing))
    if whole.output.aggregate is not None:
        aggregated(whole, join(contract, nothing, nothing))
    kinds = {name: dict(events(nothing, contract, name).dtypes) for name in contract.sources}
    for below, (left, right) in placed(contract.join.on):
        both = kinds[contract.join.left][left], kinds[contract.join.right][right]
        if both[0] != both[1] and "string" in both:
            names = f"{contract.join.left}.{left} is {both[0]}, {contract.join.right}.{right} {both[1]}"
            raise ContractError(
                f"{names}: Spark would compare them by a cast, and what does not cast matches nothing",
                where=contract.place(("join", "on", *below)),
                next_step="cast one of them to the type of the other in compute",
            )


def _transformed(contract: Contract, rows: DataFrame) -> DataFrame:
    """The rows as the contract's transform gives them, if it has one."""
    from pyspark.sql import functions as F

    file = transform_file(contract)
    if file is None:
        return rows
    rows.sparkSession.sparkContext.addPyFile(str(file))
    # A generator lets no condition through: Spark would push it below the watermark, which what it drops then would
    # not lift.
    one = rows.select(F.explode(F.array(F.struct("*"))).alias("row")).select("row.*")
    return cast("DataFrame", transformed(contract, one))


def joins_by_event_id(source: Source, keys: tuple[str, ...]) -> bool:
    """Whether the event id is a source's only join column.

    Then its events are laid out for the join before copies are looked for, and are not shuffled a second time.
    """
    return keys == (source.event_id,) and not has_floating_id(source)


def condition(contract: Contract) -> str:
    """The join's condition as Spark SQL over the packed sides, named as the sources."""
    join = contract.join
    low, high = join.within
    left, right = f"{join.left}.{EVENT_TIME}", f"{join.right}.{EVENT_TIME}"
    keys = [f"{join.left}.{_key(i)} = {join.right}.{_key(i)}" for i in range(len(join.pairs))]
    bounds = [
        f"{right} >= {left} + INTERVAL {spell_duration(low)}",
        f"{right} <= {left} + INTERVAL {spell_duration(high)}",
    ]
    return " AND ".join(keys + bounds)


def _event_time(contract: Contract) -> Column:
    """The row's event time: the left event's, and the right one's where there is no left one."""
    from pyspark.sql import functions as F

    left, right = F.col(f"_left{EVENT_TIME}"), F.col(f"_right{EVENT_TIME}")
    return F.coalesce(left, right) if contract.join.keeps_right else left


class _Side:
    """One source of the join: packed for the state, and unpacked behind it."""

    def __init__(self, contract: Contract, name: str, raw: DataFrame, layouts: Path | None) -> None:
        self.name, self.source = name, contract.sources[name]
        self.keys, self.columns = contract.key_columns(name), needed(contract, name)
        self.partitions = contract.stream.shuffle_partitions
        self.events = events(raw, contract, name)
        newest = layout(self.events, self.columns)
        if raw.isStreaming:
            self.layouts = Layouts.kept(layouts / f"{name}.json" if layouts else None, newest)
        else:
            self.layouts = Layouts((newest,), packs=False)

    @property
    def packed(self) -> DataFrame:
        """Join columns, event time with its watermark, coordinates and the payload; each event once."""
        keys = [self._widest(key).alias(_key(i)) for i, key in enumerate(self.keys)]
        payload = self.layouts.packed(self.columns).alias(PAYLOAD)
        own = [EVENT_TIME, PARTITION, OFFSET]
        apart = [str(self.source.event_id)] if self._id_apart else []
        id = [self._widest(name, same_id_sql(self.source)).alias(EVENT_ID) for name in apart]
        narrow = self.events.select(*keys, *own, *id, payload)
        once = self._once(narrow.withWatermark(EVENT_TIME, spell_duration(self.source.watermark)))
        if self.source.reduce is not None:
            return self._reduced(once, self.source.reduce)
        return once.drop(EVENT_ID) if self._id_apart else once

    def _once(self, packed: DataFrame) -> DataFrame:
        """Without the copies of an event that was delivered again: Spark knows an event up to the watermark."""
        if self.source.event_id is None:
            return packed
        if not joins_by_event_id(self.source, self.keys):
            return packed.dropDuplicates([self._id, EVENT_TIME])
        return packed.repartition(self.partitions, _key(0)).dropDuplicates([_key(0), EVENT_TIME])

    def _reduced(self, once: DataFrame, reduce: Reduce) -> DataFrame:
        """One event per window and key, with the window's last microsecond as its event time."""
        from pyspark.sql import functions as F

        keys, us = [_key(i) for i in range(len(self.keys))], F.unix_micros(EVENT_TIME)
        order = F.struct(us, PARTITION, OFFSET) if self.source.event_id is None else F.struct(us, self._id)
        taken = F.struct(us.alias(OWN_TIME), PARTITION, OFFSET, PAYLOAD)
        best = (F.max_by if reduce.take == "last" else F.min_by)(taken, order)
        windows = once.groupBy(F.window(EVENT_TIME, spell_duration(reduce.every)), *keys).agg(best.alias("taken"))
        return windows.select(*keys, F.window_time("window").alias(EVENT_TIME), "taken.*")

    @property
    def _id(self) -> str:
        """The column by which copies of an event are found, and events of one time are ordered."""
        return EVENT_ID if self._id_apart else _key(self.keys.index(str(self.source.event_id)))

    @property
    def _id_apart(self) -> bool:
        """Whether copies are found by a column of its own, and not by a join column."""
        name = self.source.event_id
        return name is not None and (name not in self.keys or has_floating_id(self.source))

    def decoded(self, place: str) -> list[Column]:
        """Behind the join: all that is known of this side's event, each name with `_left` or `_right` before it."""
        from pyspark.sql import functions as F

        kept = [PARTITION, OFFSET, *(_key(i) for i in range(len(self.keys)))]
        time = f"{self.name}.{EVENT_TIME}"
        if self.source.reduce is not None:
            time = f"timestamp_micros({self.name}.{OWN_TIME})"
        records = self.layouts.records(f"{self.name}.{PAYLOAD}")
        return [
            F.expr(time).alias(f"_{place}{EVENT_TIME}"),
            *(F.col(f"{self.name}.{column}").alias(f"_{place}{column}") for column in kept),
            *(record.alias(_record(place, i)) for i, record in enumerate(records)),
        ]

    def event(self, place: str) -> Column:
        """The event as one struct, from what `decoded` gives; its fields are null where the join found no partner."""
        from pyspark.sql import functions as F

        kinds = {field.name: field.dataType for field in self.events.schema}
        records = [_record(place, i) for i in range(len(self.layouts.schemas))]
        columns = {
            name: self.layouts.column((name, *self.source.aliases.get(name, ())), records, kinds[name])
            for name in self.columns
        }
        columns |= {key: F.col(f"_{place}{_key(i)}").cast(kinds[key]) for i, key in enumerate(self.keys)}
        columns[self.source.event_time] = F.col(f"_{place}{EVENT_TIME}")
        return F.struct(*(column.alias(name) for name, column in columns.items()))

    def _widest(self, key: str, sql: str | None = None) -> Column:
        """A join column or event id as the state keeps it; `sql` makes it, where it is not kept as it came."""
        from pyspark.sql import functions as F

        kind = self.events.schema[key].dataType.simpleString()
        return F.expr(sql or f"`{key}`").cast(STATE_TYPES.get(kind, kind))


def _key(number: int) -> str:
    return f"_key{number}"


def _record(place: str, layout: int) -> str:
    return f"_{place}_record{layout}"
