"""The `job:` block: what it says, and what is refused in it."""

from __future__ import annotations

import pytest

from plumbline.contract.errors import ContractError
from plumbline.contract.lineage import COORDINATES, EVENT_TIME
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from tests.support.visits import ENVIRONMENT, TEXT

LINEAGE = "{left: {partition: view_p, offset: view_o}, right: {partition: buy_p, offset: buy_o}}"
JOB = f"""
job:
  kind: spark
  checkpoint: s3a://jobs/take/ck
  event_time: viewed_at
  lineage: {LINEAGE}
"""


def read(block: str) -> Contract:
    return parse(TEXT + block, "visits.yaml", ENVIRONMENT)


def test_it_maps_our_lineage_columns_to_those_of_the_job() -> None:
    job = read(JOB).job
    assert job is not None
    assert job.columns == dict(
        zip((EVENT_TIME, *COORDINATES), ("viewed_at", "view_p", "view_o", "buy_p", "buy_o"), strict=True)
    )


def test_the_fingerprint_is_that_of_the_same_contract_without_it() -> None:
    assert read(JOB).fingerprint() == read("").fingerprint()
    assert read("").job is None


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("job: {kind: storm}", "spark"),
        ("job: {kind: other, checkpoint: /ck}", "only a spark or flink job's checkpoint can be read"),
        ("job: {kind: spark, checkpoints: /ck}", "did you mean 'checkpoint'"),
        ("job: {kind: spark, drops: ops.dropped}", "unknown key 'job.drops'"),
        (f"job: {{kind: spark, event_time: view_o, lineage: {LINEAGE}}}", "column 'view_o' is named twice"),
        (f"job: {{kind: spark, lineage: {LINEAGE.replace('buy_p', 'view_p')}}}", "column 'view_p' is named twice"),
        ("job: {kind: spark, lineage: {left: {partition: a, offset: b}}}", "'job.lineage.right' is missing"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_line(block: str, told: str) -> None:
    with pytest.raises(ContractError) as caught:
        read("\n" + block + "\n")
    assert told in str(caught.value)
    assert "visits.yaml:" in str(caught.value)
