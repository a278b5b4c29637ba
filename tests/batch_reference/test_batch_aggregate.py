"""The reference of an aggregate on archives of its own, held to plain Python: numbers per window and group."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from plumbline.batch_reference.aggregate import aggregated
from plumbline.batch_reference.run import refuse_wrong_sql
from plumbline.contract.aggregate import ROWS_SNAPSHOT
from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from plumbline.stream_job.run import archive as archive_run
from tests.batch_reference.test_batch import archive, minutes, wanted
from tests.contract.test_aggregate import with_value
from tests.support import aggregates
from tests.support.aggregates import held, modelled
from tests.support.model import START, Event
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NewScenario = Callable[..., Scenario]


def shop(seed: int, count: int = 300) -> tuple[list[Event], list[Event]]:
    """Orders of ten customers in three hours, one on the border of a window, with payments for most of them."""
    dice = random.Random(seed)
    lefts = [
        Event(
            f"c{dice.randrange(10)}", dice.randrange(180 * 60) / 60, f"o{dice.randrange(40)}", amount=dice.randrange(9)
        )
        for _ in range(count)
    ]
    lefts += [Event("edge", 20), Event("edge", 20 - 1 / 60_000), Event("before", -30_000_000)]
    rights = [
        Event(f"c{dice.randrange(12)}", dice.randrange(200 * 60) / 60, f"p{i}", amount=dice.randrange(9))
        for i in range(30)
    ]
    return lefts, rights


def test_the_table_is_what_plain_python_says(new_scenario: NewScenario) -> None:
    job = aggregates.aggregated(new_scenario())
    lefts, rights = shop(1)
    job.feed(lefts, rights)
    archive_run(job.contract, job.home, once=True, spark=job.spark)
    result = job.batch()
    model = modelled(wanted(job))
    assert held(job, "joined.batch") == model
    assert (result["rows"], result["changed"]) == (len(model), True)
    assert len(model) > 100
    assert job.batch()["changed"] is False
    holds_the_rows_below(job)


def holds_the_rows_below(job: Scenario) -> None:
    """The table beside the aggregate has the join's rows and each left event alone, and the commit names its snapshot.
    A commit that names none is done again."""
    rows, at = job.lake.load("joined.batch_rows"), ("_event_time", "_left_partition", "_left_offset")
    kept = rows.scan().to_arrow().to_pylist()
    joined, lefts = [row for row in kept if row["_joined"]], {tuple(row[name] for name in at) for row in kept}
    wrote = [(row.id, row.at, row.payment is None) for row in wanted(job)]
    assert sorted((row["id"], row["_event_time"], row["_right_offset"] is None) for row in joined) == sorted(wrote)
    alone = [row for row in kept if not row["_joined"]]
    assert sorted(tuple(row[name] for name in at) for row in alone) == sorted(lefts)
    assert {(row["_paid_of0"], row["_payments_of0"], row["_right_offset"]) for row in alone} == {(None, None, None)}
    assert {row["_payments_of0"] for row in joined if row["_right_offset"] is not None} == {True}
    named = job.lake.load("joined.batch").current_snapshot().summary.additional_properties
    assert int(named[ROWS_SNAPSHOT]) == rows.current_snapshot().snapshot_id
    job.lake.catalog().drop_table("joined.batch_rows")
    assert job.batch()["changed"] is True
    assert job.lake.load("joined.batch_rows").scan().count() == len(kept)


def test_a_range_takes_its_windows_as_a_whole_and_leaves_the_others(new_scenario: NewScenario) -> None:
    job = aggregates.aggregated(new_scenario(), "7 minutes", [])
    lefts, rights = shop(2)
    archive(job, lefts, rights)
    job.batch()
    before = held(job, "joined.batch")
    archive(job, [Event("new", minute, amount=2) for minute in (55, 62, 64, 70, 90)])
    result = job.batch(minutes(60, 69))
    window, cut = timedelta(minutes=7), TimeRange.of_json(result["range"])
    assert cut == TimeRange(begun(60, window), begun(69, window) + window)
    model = modelled(wanted(job), window, by_id=False)
    after = held(job, "joined.batch")
    assert [row for row in after if cut.contains(row["window_start"])] == [
        row for row in model if cut.contains(row["window_start"])
    ]
    assert [row for row in after if not cut.contains(row["window_start"])] == [
        row for row in before if not cut.contains(row["window_start"])
    ]
    job.batch()
    assert held(job, "joined.batch") == model


def begun(minute: float, window: timedelta) -> datetime:
    """The start of the window that holds a minute after START."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (START + timedelta(minutes=minute) - epoch) // window * window


def values(spark: Any, text: str, kind: str, numbers: list[Any]) -> Any:
    """The one value of one window over rows with these numbers of one SQL type."""
    contract = parse(with_value(text).replace("    group_by: [impressions.campaign, impressions.country]\n", ""))
    rows = spark.createDataFrame([(START, number) for number in numbers], f"_event_time timestamp, `shown$of0` {kind}")
    filled = rows.selectExpr(
        "*",
        "`shown$of0` AS `shown$of1`",
        "`shown$of0` AS `played$of0`",
        "`shown$of0` AS `take_rate$of0`",
        "1L AS `seconds$of0`",
    )
    found = aggregated(contract, filled).collect()
    return [row["shown"] for row in found]


MOST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "kind", "numbers", "value"),
    [
        ("sum(plays.seconds)", "bigint", [MOST, 5, -MOST], 5),
        ("sum(plays.seconds)", "bigint", [MOST, 5], None),
        ("sum(plays.seconds)", "bigint", [None, None], None),
        ("sum(plays.seconds)", "bigint", [None, 3], 3),
        ("avg(plays.seconds)", "bigint", [MOST, MOST], float(MOST)),
        ("avg(plays.seconds)", "bigint", [None], None),
        ("avg(impressions.price)", "decimal(10,2)", [Decimal("0.10"), Decimal("0.20")], 0.15),
        ("sum(impressions.price)", "decimal(10,2)", [Decimal("0.10"), Decimal("0.20")], Decimal("0.30")),
        ("sum(plays.watched)", "float", [0.5, 0.25], 0.75),
        ("count_distinct(plays.country)", "string", ["a", None, "A", "a"], 2),
        ("max(plays.country)", "string", ["a", None, "é"], "é"),
        ("count(plays.country)", "string", ["a", None, "b"], 2),
    ],
)
def test_numbers_are_exact_whatever_their_order(
    spark: Any, text: str, kind: str, numbers: list[Any], value: Any
) -> None:
    assert values(spark, text, kind, numbers) == [value]
    assert values(spark, text, kind, numbers[::-1]) == [value]


def test_a_quotient_by_nothing_is_null(spark: Any) -> None:
    assert values(spark, "sum(plays.seconds) / sum(plays.seconds)", "bigint", [1, -1]) == [None]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sum(concat(plays.id, plays.country))", "output.aggregate.values.shown.*sum needs numbers.*string"),
        ("count(*) where plays.seconds + 1", "output.aggregate.values.shown.*of type bigint, not a boolean"),
        ("max(nosuch(plays.id))", "output.aggregate.values.shown: .*nosuch"),
        ("max(plays.id + )", "output.aggregate.values.shown: "),
    ],
)
def test_sql_that_spark_does_not_take_is_refused_with_its_line(spark: Any, text: str, told: str) -> None:
    with pytest.raises(ContractError, match=told) as caught:
        refuse_wrong_sql(spark, parse(with_value(text), "takes.yaml"))
    assert caught.value.where == "takes.yaml:21"


def test_spark_tells_the_types_that_the_contract_does_not(spark: Any) -> None:
    contract = parse(with_value("sum(plays.seconds * 2) where plays.at > impressions.at"))
    kinds = refuse_wrong_sql(spark, contract)
    assert (kinds["shown$of0"], kinds["shown$where0"], kinds["campaign"]) == ("bigint", "boolean", "string")
