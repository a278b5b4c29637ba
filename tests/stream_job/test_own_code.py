"""A team's own reference query in the place of the batch join, and a function of its own over the joined rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from plumbline.connect.user_code import reference_query
from plumbline.contract.errors import ContractError, SetupError, UsageError
from plumbline.contract.ranges import TimeRange
from tests.support.model import START, Event
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NewScenario = Callable[..., Scenario]
SQL = """
-- orders with their payments, as the team wrote it long ago
SELECT o.id, o.label, o.amount, p.payment, p.paid LINEAGE
FROM orders o LEFT JOIN payments p ON o.id = p.id
    AND p.paid_at BETWEEN o.at AND o.at + INTERVAL 1 HOUR
WHERE o._event_time >= :from AND o._event_time < :to;
"""
LINEAGE = """, o._event_time, o._partition AS _left_partition, o._offset AS _left_offset,
    p._partition AS _right_partition, p._offset AS _right_offset"""
LEFTS = [Event("a", 0), Event("b", 10), Event("b", 10, "b2"), Event("c", 20, amount=-3), Event("end", 400)]
RIGHTS = [Event("a", 5, "pa", amount=2), Event("b", 20, "pb"), Event("pend", 500)]
TRANSFORM = """
from pyspark.sql import functions as F

def doubled(rows):
    return rows.where("amount > 0").withColumn("amount", F.col("amount") * 2)

def drops_lineage(rows):
    return rows.drop("_left_offset")

def adds_a_column(rows):
    return rows.withColumn("more", F.lit(1))

def looks_around(rows):
    return rows.dropDuplicates(["id"])

def fails(rows):
    return rows.where("no_such_column > 0")

def forgets(rows):
    rows.where("true")
"""


@pytest.fixture(scope="module")
def job(new_scenario: NewScenario) -> Scenario:
    made = new_scenario(output={"partition_by": "hour", "columns": ["orders.label", "orders.amount", "orders.at",
                                "payments.payment", "payments.paid"]})  # fmt: skip
    made.feed(LEFTS, RIGHTS).epoch()
    return made


def with_sql(job: Scenario, folder: str, sql: str) -> Scenario:
    """The job with a reference query of its own, its batch table afresh, its stream table and archives as they are."""
    job.change_contract(batch={"sql": "own/reference.sql"}, output={"batch_table": f"joined.{folder}"})
    file = job.contract_path.parent / "own" / "reference.sql"
    file.parent.mkdir(exist_ok=True)
    file.write_text(sql.replace("o.amount,", "o.amount, o.at,"))
    return job


def test_a_query_with_lineage_is_as_good_as_the_contract_s_join(job: Scenario) -> None:
    with_sql(job, "lineage", SQL.replace("LINEAGE", LINEAGE))
    assert job.batch(TimeRange(START, START + timedelta(hours=3)))["rows"] == 4
    assert [row.named() for row in job.rows("joined.lineage")] == ["a+pa", "b+pb", "b2+pb", "c"]
    query = reference_query(job.contract)
    assert query is not None
    summary = job.lake.load("joined.lineage").current_snapshot().summary
    assert summary["plumbline.reference.sha256"] == query.sha256
    books = job.reconcile()
    assert (books["verdict"], books["agrees"], books["settled"]) == ("clean", True, True)
    assert not job.batch(TimeRange(START, START + timedelta(hours=3)))["changed"]


def test_a_query_without_lineage_is_compared_by_values(job: Scenario) -> None:
    changed = "p.paid + (o.label IN ('a', 'b2'))::int AS paid "
    with_sql(job, "bare", SQL.replace("LINEAGE", "").replace("p.paid ", changed))
    job.batch(TimeRange(START, START + timedelta(hours=3)))
    books = job.reconcile()
    # a's one row differs; of b's two rows under one key one is the same, the other is another row.
    found = {kind: books["counts"][kind] for kind in ("match", "mismatch", "missing", "extra")}
    assert found == {"match": 2, "mismatch": 1, "missing": 1, "extra": 1}
    assert (books["balanced"], books["columns"], books["agrees"]) == (True, {"paid": 1}, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(("o.label,", "o.label AS labl,"), "no column 'label'.*did you mean 'labl'", id="a missing column"),
        pytest.param(("p.paid ", "'1' AS paid "), "'paid' of the reference query is string.*double", id="another type"),
        pytest.param(("o.amount,", "o.amount AS amount,"), "no column 'at'.*add at timestamp", id="no event time"),
        pytest.param(("orders o", "order o"), "query fails.*orders and payments.*:from", id="an unknown view"),
    ],
)
def test_a_wrong_query_says_what_to_write(job: Scenario, change: tuple[str, str], said: str) -> None:
    with_sql(job, "wrong", SQL.replace("LINEAGE", "").replace(*change))
    with pytest.raises(ContractError) as error:
        job.batch()
    assert re.search(said, str(error.value), re.DOTALL)
    assert "reference.sql" in str(error.value)


def test_a_query_that_is_not_there(job: Scenario) -> None:
    with_sql(job, "gone", SQL)
    (job.contract_path.parent / "own" / "reference.sql").unlink()
    with pytest.raises(SetupError, match=r"reference query 'own/reference.sql' cannot be read.*yaml:\d+"):
        job.batch()


def test_a_transform_is_applied_by_stream_and_batch(new_scenario: NewScenario) -> None:
    job = new_scenario()
    module = f"own_{job.contract.contract}"
    Path(job.contract_path.parent / f"{module}.py").write_text(TRANSFORM)
    job.change_contract(stream={"transform": f"{module}:doubled"})
    job.feed(LEFTS, RIGHTS).epoch()
    job.batch()
    for table in ("joined.stream", "joined.batch"):
        amounts = [(row.named(), row.amount) for row in job.rows(table) if row.id != "end"]
        assert amounts == [("a+pa", 2.0), ("b+pb", 2.0), ("b2+pb", 2.0)]
    assert job.reconcile()["unexplained"] == 0
    first = job.contract.fingerprint()
    Path(job.contract_path.parent / f"{module}.py").write_text(TRANSFORM.replace("* 2", "* 3"))
    assert job.contract.fingerprint() != first
    with pytest.raises(UsageError, match=r"source of the transform 'own_\w+:doubled' changed"):
        job.restart()
    for function, said in {
        "drops_lineage": "lack the column '_left_offset'.*keep the column",
        "adds_a_column": "a further column 'more'.*output.columns",
        "looks_around": "not stateless: Spark plans Deduplicate",
        "fails": "it failed: AnalysisException.*no_such_column",
        "forgets": "gives NoneType, no DataFrame",
        "nothing": "has no function 'nothing'",
    }.items():
        other = {"contract": module.replace("_", "-"), "output": {"batch_table": "joined.other_batch"}}
        job.change_contract(stream={"transform": f"{module}:{function}"}, **other)
        with pytest.raises(ContractError, match=re.compile(said, re.DOTALL)) as error:
            job.batch()
        assert f"{module}:{function}" in str(error.value)
