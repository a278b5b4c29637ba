"""The exported suite, run by Great Expectations' own engines, says what `plumbline expect` says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.model import Contract
from plumbline.expectations.rules import NO_ROWS, TYPE
from plumbline.expectations.run import Outcome, run
from tests.support.shop_rows import SCHEMA, Fill, Row, good, row

Verdict = tuple[str, str, bool, int | None]


def broken() -> list[Row]:
    """One row that breaks each expectation on rows, beside good ones."""
    return [
        *good(),
        row(1),
        row(2, matched=False),
        row(10, id=None, code=None),
        row(11, code="c", price=100.5),
        row(12, price=None, _right_partition=None),
        row(13, clicked_at=row(14)["clicked_at"]),
        *(row(n, matched=False) for n in range(20, 31)),
    ]


def verdicts(result: Any, without: tuple[str, ...] = ()) -> list[Verdict]:
    """(kind, arguments, success, unexpected count) of each result, sorted."""
    found = []
    for one in result.results:
        config, seen = one.expectation_config, one.result
        kept = {key: value for key, value in config.kwargs.items() if key != "batch_id"}
        count = seen["observed_value"] if config.type == NO_ROWS else seen.get("unexpected_count")
        if config.type not in without:
            found.append((config.type, json.dumps(kept, sort_keys=True), bool(one.success), count))
    return sorted(found)


@pytest.fixture
def gx() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context


def exported(outcome: Outcome, tmp_path: Path, without: tuple[str, ...] = ()) -> Any:
    """The suite as another program finds it in a file."""
    import great_expectations

    path = tmp_path / "suite.json"
    path.write_text(json.dumps(outcome.suite.to_json_dict()))
    document = json.loads(path.read_text())
    document["expectations"] = [one for one in document["expectations"] if one["type"] not in without]
    return great_expectations.ExpectationSuite(**document)


@pytest.mark.parametrize("rows", [good, broken])
def test_pandas_agrees(rows: Any, contract: Contract, home: Home, fill: Fill, gx: Any, tmp_path: Path) -> None:
    fill(rows())
    outcome = run(contract, home, on=["stream"])
    # SQL conditions do not run on pandas, and it knows no Iceberg types.
    elsewhere = exported(outcome, tmp_path, without=(NO_ROWS, TYPE))
    frame = pa.Table.from_pylist(rows(), schema=SCHEMA).to_pandas()
    asset = gx.data_sources.add_pandas("frames").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    theirs = verdicts(batch.validate(elsewhere))
    assert len(theirs) == 12
    assert theirs == verdicts(outcome.validations["stream"], without=(NO_ROWS, TYPE))


@pytest.mark.spark
@pytest.mark.slow
def test_spark_agrees(
    contract: Contract, home: Home, fill: Fill, gx: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.sql import SparkSession

    from plumbline.connect.spark import session

    fill(broken())
    outcome = run(contract, home, on=["stream"])
    spark = session(home, Lake.open(home), app="expectations")
    # GX takes the session that getOrCreate gives; in a run of all tests that is another one, without these tables.
    monkeypatch.setattr(SparkSession, "_instantiatedSession", spark)
    spark._jvm.org.apache.spark.sql.classic.SparkSession.setActiveSession(spark._jsparkSession)
    asset = gx.data_sources.add_spark("lake").add_dataframe_asset("rows")
    definition = asset.add_batch_definition_whole_dataframe("all")
    batch = definition.get_batch({"dataframe": spark.table("lake.joined.stream")})
    theirs = verdicts(batch.validate(exported(outcome, tmp_path)))
    assert sum(not success for _, _, success, _ in theirs) == 9
    assert theirs == verdicts(outcome.validations["stream"])
