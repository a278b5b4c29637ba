"""Contracts with `output.aggregate`, and plain Python that says what their tables hold.

It shares nothing with the jobs: windows and numbers are made here from the model's joined rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from tests.support.model import Row
from tests.support.scenario import Scenario

TEXT = """\
contract: takes
sources:
  impressions:
    topic: t.impressions
    fields: {id: string, campaign: string, country: string, at: timestamp, price: "decimal(10,2)", weight: double}
    event_time: at
    watermark: 10 minutes
    archive: raw.impressions
  plays:
    topic: t.plays
    fields: {id: string, at: timestamp, seconds: long, watched: float, country: string, done: boolean}
    event_time: at
    watermark: 10 minutes
    archive: raw.plays
join: {left: impressions, right: plays, kind: left_outer, on: [id], within: [0 minutes, 1 hour]}
output:
  aggregate:
    window: 10 minutes
    group_by: [impressions.campaign, impressions.country]
    values:
      shown: count(*)
      played: count(plays.id)
      take_rate: count(plays.id) / count(*)
      seconds: sum(plays.seconds)
  stream_table: agg.take_stream
  batch_table: agg.take_batch
"""

WINDOW, EPOCH = timedelta(minutes=10), datetime(1970, 1, 1, tzinfo=UTC)
VALUES = {
    "orders": "count(*)",
    "payments": "count(payments.id)",
    "rate": "count(payments.id) / count(*)",
    "paid": "sum(payments.cents)",
    "least": "min(orders.cents)",
    "mean": "avg(payments.cents)",
    "labels": "count_distinct(orders.label)",
    "large": "count(*) where orders.cents >= 300",
    "large_rate": "(count(*) where orders.cents >= 300 and payments.id is not null) / count(payments.id)",
}
"""Of a scenario's orders and payments, each with its amount in whole cents."""


def aggregated(
    job: Scenario,
    window: str = "10 minutes",
    group_by: Iterable[str] = ("orders.id",),
    values: Mapping[str, str] = VALUES,
) -> Scenario:
    """The scenario with the aggregate in place of its rows."""
    body = yaml.safe_load(job.contract_path.read_text())
    for name, amount in (("orders", "amount"), ("payments", "paid")):
        body["sources"][name]["compute"] = {"cents": f"CAST({amount} * 100 AS BIGINT)"}
    output = {part: body["output"][part] for part in ("stream_table", "batch_table")}
    block = {"window": window, "group_by": list(group_by), "values": dict(values)}
    body["output"] = {**output, "partition_by": body["output"].get("partition_by", "day"), "aggregate": block}
    job.contract_path.write_text(yaml.safe_dump(body, sort_keys=False))
    return job


def modelled(rows: Iterable[Row], window: timedelta = WINDOW, *, by_id: bool = True) -> list[dict[str, Any]]:
    """The aggregate of joined rows, in order of window and group."""
    groups: defaultdict[tuple[datetime, str | None], list[Row]] = defaultdict(list)
    for row in rows:
        groups[begun(row.at, window), row.id if by_id else None].append(row)
    made = []
    for (start, id), members in sorted(groups.items(), key=lambda item: (item[0][0], str(item[0][1]))):
        named = {"id": id} if by_id else {}
        made.append({"window_start": start, "window_end": start + window, **named, **numbers(members)})
    return made


def begun(moment: datetime, window: timedelta = WINDOW) -> datetime:
    """The start of the window that a moment is in."""
    return EPOCH + (moment - EPOCH) // window * window


def held(job: Scenario, table: str) -> list[dict[str, Any]]:
    """The rows of a table, in order of window and group."""
    found = job.lake.load(table).scan().to_arrow().to_pylist()
    return sorted(found, key=lambda row: (row["window_start"], str(row.get("id"))))


def numbers(rows: Sequence[Row]) -> dict[str, Any]:
    """VALUES of some joined rows."""
    matched = [row for row in rows if row.payment is not None]
    cents = [round((row.amount or 0) * 100) for row in rows]
    paid = [round((row.paid or 0) * 100) for row in matched]
    large = [row for row in rows if round((row.amount or 0) * 100) >= 300]
    return {
        "orders": len(rows),
        "payments": len(matched),
        "rate": len(matched) / len(rows),
        "paid": sum(paid) if paid else None,
        "least": min(cents),
        "mean": sum(paid) / len(paid) if paid else None,
        "labels": len({row.label for row in rows}),
        "large": len(large),
        "large_rate": len([row for row in large if row.payment is not None]) / len(matched) if matched else None,
    }
