"""What the contract implies for a source's archive. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.connect.sql_quoting import ident
from plumbline.contract.durations import spell_duration
from plumbline.contract.model import Contract, Source
from plumbline.expectations.rules import Quote, Rule, interval, no_groups, no_rows, not_null, typed, unique

RECORD = ("topic", "partition", "offset")
"""What names a Kafka record."""

RECORD_TIME, TIME, REASON, EVENT_ID = "kafka_timestamp", "event_time", "quarantine_reason", "event_id"
TYPES = {
    **dict(zip(RECORD, ("string", "int", "long"), strict=True)),
    RECORD_TIME: "timestamptz",
    "key": "binary",
    "value": "binary",
    TIME: "timestamptz",
    REASON: "string",
}
QUARANTINED = "expect_column_values_to_be_null"


def archive_rules(contract: Contract, name: str) -> tuple[Rule, ...]:
    """The rules of the archive of source `name`: its columns, each record once, event times, quarantine."""
    source = contract.sources[name]
    return (
        *(typed(column, kind, "as the archiver writes it") for column, kind in TYPES.items()),
        *(not_null(column, "each record has one") for column in (*RECORD, RECORD_TIME)),
        unique(RECORD, "a record is archived once"),
        *_event_times(source),
        *_quarantine(contract),
    )


def _event_times(source: Source) -> Iterator[Rule]:
    low, high = source.event_time_within

    def impossible(quote: Quote) -> str:
        moment, record = quote(TIME), quote(RECORD_TIME)
        outside = f"{moment} < {record} + {interval(low)} OR {moment} > {record} + {interval(high)}"
        return f"{quote(REASON)} IS NULL AND ({moment} IS NULL OR {outside})"

    yield no_rows(
        impossible,
        f"outside quarantine an event time lies {spell_duration(low)} to {spell_duration(high)} after the record's own",
        (TIME, RECORD_TIME),
        "time",
        (REASON,),
    )
    if source.event_id is not None:
        yield no_groups(
            lambda quote: f"{quote(EVENT_ID)} IS NOT NULL AND count(DISTINCT {quote(TIME)}) > 1",
            "an event id identifies one event: delivered again, it has the same event time",
            (EVENT_ID,),
            (TIME,),
        )


def _quarantine(contract: Contract) -> Iterator[Rule]:
    most = contract.expectations.quarantined_at_most
    if most is not None:
        yield Rule(
            QUARANTINED,
            {"column": REASON, "mostly": round(1 - most, 12)},
            f"expectations.quarantined_at_most {most:g}",
            (REASON,),
            broken=f"{ident(REASON)} IS NOT NULL",
            observed=f"count({ident(REASON)}) / count(*)",
            of_all=True,
        )
