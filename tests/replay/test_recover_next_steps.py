"""What a recovery says to do where something is missing: what may be accepted of rows, and never of an aggregate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from plumbline.contract.errors import IncompleteError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.replay.recover import plan, spark_versions
from plumbline.replay.recover.lines import ANEW
from tests.support.aggregates import TEXT
from tests.support.world import CONTRACT

LINES, ROWS = parse(TEXT), parse(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))


def begun_behind(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    """The topics begin at offset 9, the join had read up to 5."""
    monkeypatch.setattr(plan.topics, "reach", lambda *asked: ({0: 9}, {0: 20}))
    plan.beginning(contract, {}, ((), ()), border(), accept_gaps=False)


def gone_from_both(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.topics, "reach", lambda *asked: ({0: 3}, {0: 20}))
    monkeypatch.setattr(plan, "_index", lambda *asked: None)
    monkeypatch.setattr(plan, "_reach", lambda *asked: plan.Reach(None, None, (3, 20), False))
    plan.make_plan(ANY, border(), ANY, contract, {}, ((None,), (None,)), "auto")


def a_hole_of_the_archive(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = SimpleNamespace(run=SimpleNamespace(start=1, end=3, copies=0))
    monkeypatch.setattr(plan.needs, "archive_faults", lambda *asked: {0: [fault]})
    monkeypatch.setattr("plumbline.connect.kafka.compacted", lambda *asked: True)
    pieces = [plan.Piece("archive", 0, 0, 5)]
    plan._refuse_holes(ANY, {}, "left", contract, contract.left, pieces, (None,))


def another_spark(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_versions, "_recorded", lambda *asked: ["9.9.9"])
    monkeypatch.setattr(spark_versions, "_unrecorded", lambda *asked: [])
    lake: Any = SimpleNamespace(exists=lambda table: False)
    spark_versions.refuse_unproven(ANY, border(), (), lake, contract, accepted=False)


ANY: Any = SimpleNamespace(con=None)


def border() -> Any:
    ends = ({"0": 5}, {"0": 5})
    return SimpleNamespace(ends=ends, late_watermark_ms=1_700_000_000_000)


@pytest.mark.parametrize("lack", [begun_behind, gone_from_both, a_hole_of_the_archive, another_spark])
def test_an_aggregate_is_not_told_to_accept_what_it_refuses(lack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IncompleteError) as of_rows:
        lack(ROWS, monkeypatch)
    assert "--accept-" in str(of_rows.value.next_step)
    with pytest.raises(IncompleteError) as of_lines:
        lack(LINES, monkeypatch)
    step = str(of_lines.value.next_step)
    assert "--accept-" not in step
    assert step.endswith(f"{ANEW}: an aggregate is recovered exactly or not at all")
