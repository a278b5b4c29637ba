"""The recorded tables of a real Flink, beside what tells how far it had read: its checkpoints, or rows that count what
it dropped. With half of its late table withheld, sources swapped, first checkpoints purged, two contracts over one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.expressions import In

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.loader import load
from plumbline.stream_job.observe.observer import observe
from tests.reconcile.test_flink_tables import AT, RECORDED, SENT, recorded
from tests.support.flink_contract import judged, with_lines
from tests.support.flink_model import drifted, reported_names
from tests.support.flink_traffic import HOUR_MS, TOPICS, unread
from tests.support.job_reports import PROGRESS
from tests.support.written_metadata import metadata, operator, reader_state, split, subtask

LATER = {one.name for one in unread(SENT)}
JOB, PARTS = "a" * 32, 4
"""The job was killed and restored after each quarter of the events but the last."""
LATE = {"reported_late", "late_left", "late_right"}
"""The last two where the job says of all of a part's records what became of them."""
COUNTED = pa.schema([pa.field("topic", pa.string()) if field.name == "source" else field for field in PROGRESS])
Ends = Counter[tuple[str, int]]


def ends(part: int) -> Ends:
    """Where each partition ended when so many parts had been read."""
    return Counter((one.topic, one.partition) for one in SENT[: len(SENT) * part // PARTS])


def counted(lake: Lake) -> None:
    """Write a row for each part and partition, as a team's own sidecar would: how many of its records were reported."""
    rows = []
    reported = [
        (r["topic"], r["partition"], r["offset"]) for r in lake.load("ops.dropped").scan().to_arrow().to_pylist()
    ]
    for part in range(PARTS):
        before, now = ends(part), ends(part + 1)
        for topic, partition in now:
            start, end = before[topic, partition], now[topic, partition]
            dropped = sum(place[:2] == (topic, partition) and start <= place[2] < end for place in reported)
            row = {"topic": topic, "partition": partition, "checkpoint_id": part + 1, "start_offset": start}
            rows.append(row | {"end_offset": end, "dropped": dropped, "closed_until": closed(part)})
    lake.ensure_table("ops.progress", COUNTED)
    lake.append("ops.progress", pa.Table.from_pylist(rows, schema=COUNTED))


def closed(part: int) -> datetime | None:
    """The last events come a day later and close all windows before them."""
    return datetime.fromtimestamp((SENT[-1].ms - 3 * HOUR_MS) / 1000, UTC) if part == PARTS - 1 else None


def withhold_half(lake: Lake) -> None:
    places = [("topic", "ascending"), ("partition", "ascending"), ("offset", "ascending")]
    rows = lake.load("ops.dropped").scan().to_arrow().sort_by(places)
    lake.catalog().load_table("ops.dropped").overwrite(rows.take(list(range(0, len(rows), 2))))


def lose(lake: Lake, count: int = 10) -> set[str]:
    """Delete rows of the job's table, as a hand would: nothing late is behind them. Their names."""
    wrong = drifted(lake, AT)
    matched = sorted({one.name for one in SENT if one.topic == "plays"} - wrong - {"end0", "end1"})
    lost = matched[:: len(matched) // count]
    lake.catalog().load_table("ads.takes").delete(In("imp_id", lost))
    return set(lost)


@pytest.fixture(params=[(".", ()), ("full_outer", ("late_left: padded",))], ids=["gated", "full_outer"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Home, Sequence[str]]:
    """A recorded run and the lines that its contract needs."""
    folder, lines = request.param
    return recorded(tmp_path, RECORDED / folder), lines


def test_a_late_table_of_which_half_is_withheld_is_incomplete_and_nothing_is_lost(
    run: tuple[Home, Sequence[str]], tmp_path: Path
) -> None:
    """What is still reported stays proven; the rest may have been late, or lost, and has no cause."""
    home, lines = run
    lake = Lake.open(home)
    counted(lake)
    contract, late, lost = with_lines(tmp_path, "progress: ops.progress", *lines), reported_names(lake, AT), lose(lake)
    document, told = judged(lake, home, contract)
    assert document["reports"] is not None
    assert document["reports"]["incomplete"] == 0
    assert lost <= {name for name, found in told.items() if found == {"unexplained"}}
    withhold_half(lake)
    document, told = judged(lake, home, contract)
    assert document["reports"] is not None
    assert document["reports"]["incomplete"] > 0
    assert "are reported" in document["reports"]["gaps"][0]
    assert document["predicted"] is None
    assert "lost_output" in document["unknown"]["causes"]
    kept = reported_names(lake, AT)
    assert kept < late
    assert set().union(*told.values()) - LATE == {"unexplained", "pending"}
    assert {name for name, found in told.items() if found & LATE} == kept & set(told)


def checkpoint(folder: Path, part: int, topics: Sequence[str] = TOPICS, job: str = JOB) -> None:
    """Write the `_metadata` of the checkpoint at the end of a part, its sources in that order."""
    sources = []
    for topic in topics:
        splits = [split(topic, partition, end) for (of, partition), end in ends(part).items() if of == topic]
        sources.append(operator(topic, subtask(0, reader_state(*splits))))
    path = folder / job / f"chk-{part}" / "_metadata"
    path.parent.mkdir(parents=True)
    path.write_bytes(metadata(*sources, checkpoint=part))


def commit(lake: Lake, part: int) -> None:
    """An empty commit of Flink's sink: the table is at that checkpoint."""
    said = {"flink.job-id": JOB, "flink.max-committed-checkpoint-id": str(part)}
    lake.append("ads.takes", lake.load("ads.takes").scan(limit=0).to_arrow(), said)


def told(home: Home, contract: Path, published: int = 1) -> dict[str, set[str]]:
    """Observe, which notes so many checkpoints, and reconcile."""
    assert observe(load(contract), home, once=True, say=pytest.fail)["published"] == published
    return judged(Lake.open(home), home, contract)[1]


def true(lake: Lake) -> dict[str, set[str]]:
    """What must be told of each name, by the model: the reports are true, as `make test-flink` has found."""
    reported = reported_names(lake, AT)
    late = {name: {"reported_late"} if name in reported else {"unexplained"} for name in drifted(lake, AT) - LATER}
    return late | {name: {"pending"} for name in LATER}


def test_sources_in_another_order_and_first_checkpoints_that_are_purged_change_nothing(
    run: tuple[Home, Sequence[str]], tmp_path: Path
) -> None:
    """Offsets go by topic, not by the place of a source in the checkpoint or in the contract."""
    home, lines = run
    lake = Lake.open(home)
    commit(lake, 1)
    checkpoint(tmp_path / "ck", PARTS, TOPICS[::-1])
    commit(lake, PARTS)
    contract = with_lines(tmp_path, f"checkpoint: {tmp_path}/ck", "progress: ops.progress", *lines)
    head, _, rest = contract.read_text().partition("  impressions:\n")
    impressions, _, rest = rest.partition("  plays:\n")
    plays, _, rest = rest.partition("join:\n")
    contract.write_text(f"{head}  plays:\n{plays}  impressions:\n{impressions}join:\n{rest}")
    assert [source.topic for source in load(contract).sources.values()] == ["plays", "impressions"]
    assert told(home, contract) == true(lake)


@pytest.mark.parametrize("shared", [False, True])
def test_two_contracts_over_one_checkpoint_are_each_told_the_same(
    shared: bool, run: tuple[Home, Sequence[str]], tmp_path: Path
) -> None:
    """Each observes the job into a table of its own, or one of them for both."""
    home, lines = run
    lake = Lake.open(home)
    checkpoint(tmp_path / "ck", PARTS)
    commit(lake, PARTS)
    contract = with_lines(tmp_path, f"checkpoint: {tmp_path}/ck", "progress: ops.progress", *lines)
    other = tmp_path / "other.yaml"
    text = contract.read_text().replace("contract: takes\n", "contract: other\n")
    other.write_text(text if shared else text.replace("ops.progress", "ops.other_progress"))
    first, expected = told(home, contract), true(lake)
    assert first == expected
    assert told(home, other, published=int(not shared)) == expected
    assert told(home, contract, published=0) == expected
