"""The Spark that ran the epochs of a table whose commits name none of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS
from plumbline.stream_job.observe.epochs_of import UNNAMED
from plumbline.stream_job.observe.observer import observe
from tests.stream_job.test_observe import contract, three
from tests.stream_job.test_observe import home as home
from tests.stream_job.test_observe import query as query
from tests.support.observed_query import Query


@pytest.mark.parametrize(
    ("commits", "version"),
    [(["4.1.4", "4.1.4"], "4.1.4"), (["4.1.3", "4.1.4"], UNNAMED), (["4.1.4", None], UNNAMED), ([], UNNAMED)],
)
def test_where_commits_name_no_epoch_one_spark_wrote_all_or_nobody_knows(
    commits: list[str | None], version: str, query: Query, home: Home
) -> None:
    """As those of foreachBatch."""
    lake, rows = Lake.open(home), pa.table({"show_id": pa.array(["a"], pa.string())})
    lake.ensure_table("joined.plays_stream", rows.schema)
    for wrote_it in commits:
        lake.append("joined.plays_stream", rows, {"engine-version": wrote_it} if wrote_it else {})
    observe(contract(three(query)), home, once=True)
    written = Lake.open(home).load(EPOCHS).scan().to_arrow().to_pylist()
    assert {row["spark_version"] for row in written} == {version}


def test_where_its_first_commits_have_expired_nobody_knows(query: Query, home: Home) -> None:
    lake, rows = Lake.open(home), pa.table({"show_id": pa.array(["a"], pa.string())})
    lake.ensure_table("joined.plays_stream", rows.schema)
    for _ in range(2):
        lake.append("joined.plays_stream", rows, {"engine-version": "4.1.4"})
    first = lake.load("joined.plays_stream").metadata.snapshots[0].snapshot_id
    table = lake.load("joined.plays_stream")
    table.maintenance.expire_snapshots().by_id(first).commit()
    observe(contract(three(query)), home, once=True)
    written = Lake.open(home).load(EPOCHS).scan().to_arrow().to_pylist()
    assert {row["spark_version"] for row in written} == {UNNAMED}
