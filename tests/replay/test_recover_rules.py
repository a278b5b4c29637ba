"""The decisions of a recovery without Spark: what is read, what is due, how a gap is cut, how the exchange is made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.replay.pieces import Piece
from plumbline.replay.recover.border import Border
from plumbline.replay.recover.checkpoint import due
from plumbline.replay.recover.gap import Judged, epochs_of
from plumbline.replay.recover.plan import Reach, pieces_of
from plumbline.stream_job.checkpoint_health import Exchange, JobFolder, _broken_stores
from plumbline.stream_job.ledger import Epoch

KAFKA, ARCHIVE = "kafka", "archive"


def reads(end: int, reach: Reach, door: str = "auto") -> list[tuple[str, int, int]] | str:
    found = pieces_of(3, end, reach, door)
    return found if isinstance(found, str) else [(piece.door, piece.start, piece.end) for piece in found]


WHOLE_KAFKA = (0, 100)
PLANS = [
    pytest.param(Reach((0, 90), 40, WHOLE_KAFKA, True), "auto", [(KAFKA, 40, 80)], id="the topic still has all"),
    pytest.param(Reach((0, 90), 40, (50, 100), True), "auto", [(ARCHIVE, 40, 80)], id="the topic begins later"),
    pytest.param(
        Reach((0, 60), 40, (50, 100), True), "auto", [(ARCHIVE, 40, 60), (KAFKA, 60, 80)], id="a seam at its end"
    ),
    pytest.param(
        Reach((0, 60), 40, WHOLE_KAFKA, True), ARCHIVE, [(ARCHIVE, 40, 60), (KAFKA, 60, 80)], id="archive as asked"
    ),
    pytest.param(Reach((0, 90), None, (100, 100), True), "auto", [], id="nothing of it matters"),
    pytest.param(Reach((0, 60), None, WHOLE_KAFKA, True), "auto", [(KAFKA, 60, 80)], id="only what it has not seen"),
    pytest.param(Reach(None, None, WHOLE_KAFKA, False), "auto", [(KAFKA, 0, 80)], id="no archive: from the beginning"),
    pytest.param(
        Reach((20, 90), 25, WHOLE_KAFKA, False), "auto", [(KAFKA, 0, 80)], id="an archive that begins too late"
    ),
    pytest.param(
        Reach((20, 90), 25, WHOLE_KAFKA, False),
        ARCHIVE,
        [(KAFKA, 0, 20), (ARCHIVE, 20, 80)],
        id="a seam at its beginning",
    ),
]


@pytest.mark.parametrize(("reach", "door", "pieces"), PLANS)
def test_what_is_read(reach: Reach, door: str, pieces: list[tuple[str, int, int]]) -> None:
    assert reads(80, reach, door) == pieces


REFUSED = [
    pytest.param(Reach((0, 90), 40, (50, 100), True), KAFKA, "offsets 40 to 49 are gone from the topic", id="gone"),
    pytest.param(Reach((0, 60), 40, (70, 100), True), "auto", "offsets 60 to 69 .* not yet in the archive", id="both"),
    pytest.param(Reach(None, None, (5, 100), False), "auto", "offsets 0 to 4 .* the archive has none", id="no archive"),
    pytest.param(Reach((9, 90), 9, (5, 100), False), "auto", "offsets before 5 are gone from both", id="too short"),
    pytest.param(
        Reach((0, 90), 40, (0, 7), True), "auto", "ends at offset 7, .* up to 80: it was recreated", id="anew"
    ),
]


@pytest.mark.parametrize(("reach", "door", "message"), REFUSED)
def test_what_cannot_be_read(reach: Reach, door: str, message: str) -> None:
    found = reads(80, reach, door)
    assert isinstance(found, str)
    assert re.search(message, found)


def test_gaps_can_be_accepted() -> None:
    assert pieces_of(3, 80, Reach((0, 90), 40, (50, 100), True), KAFKA, accept_gaps=True) == [Piece(KAFKA, 3, 50, 80)]


def border(ends: dict[str, int]) -> Border:
    return Border("q", 4, 0, (ends, ends), (ends, ends), 1000, 1000, "ledger")


@pytest.mark.parametrize(
    ("now", "next_ms", "ends"),
    [
        pytest.param({"0": 5, "1": 0}, 1000, None, id="nothing came and nothing closes"),
        pytest.param({"0": 5, "1": 0}, 1001, {"0": 5}, id="only windows close"),
        pytest.param({"0": 9, "1": 2}, 1000, {"0": 9, "1": 2}, id="what the topic holds"),
        pytest.param({"0": 16, "1": 0}, 2000, None, id="a backlog is read on by the job itself"),
    ],
)
def test_the_epoch_that_is_due(now: dict[str, int], next_ms: int, ends: dict[str, int] | None) -> None:
    found = due(border({"0": 5}), (now, now), 10, next_ms)
    assert found == (None if ends is None else (ends, ends))


rows_of_a_gap = st.lists(
    st.tuples(st.sampled_from(["left", "right"]), st.integers(0, 1), st.integers(1, 40), st.booleans()), max_size=30
)


@given(rows_of_a_gap)
def test_a_gap_is_cut_so_that_exactly_the_judged_rows_are_late(drawn: list[tuple[str, int, int, bool]]) -> None:
    counts: dict[tuple[str, int], int] = {}
    rows = []
    for side, partition, moment, dropped in sorted(drawn, key=lambda row: row[:2]):
        offset = 5 + counts.get((side, partition), 0)
        counts[side, partition] = offset - 4
        # Above the watermark that was surely in force: 100 ms.
        rows.append(Judged((side, partition, offset), 100_000 + moment * 500, dropped))
    start = {"0": 5, "1": 5}
    end = {str(p): 7 + max(counts.get(("left", p), 0), counts.get(("right", p), 0)) for p in (0, 1)}
    whole = Epoch(9, "q", "r", 1, 100, 130, (start, start), (end, end))
    epochs = epochs_of(whole, rows)
    assert [epoch.epoch for epoch in epochs] == list(range(9, 9 + len(epochs)))
    assert epochs[0].start == whole.start
    assert epochs[-1].end == whole.end
    assert all(a.end == b.start for a, b in pairwise(epochs))
    for row in rows:
        side, partition, offset = row.place
        (epoch,) = [e for e in epochs if covers(e, side, str(partition), offset)]
        assert (row.event_us <= epoch.late_watermark_ms * 1000) is row.dropped


def covers(epoch: Epoch, side: str, partition: str, offset: int) -> bool:
    which = 0 if side == "left" else 1
    return epoch.start[which][partition] <= offset < epoch.end[which][partition]


@pytest.mark.parametrize(
    ("files", "broken"),
    [
        pytest.param(["1.delta", "2.delta", "3.delta"], False, id="all deltas"),
        pytest.param(["2.snapshot", "3.delta"], False, id="a snapshot and the delta after it"),
        pytest.param(["1.delta", "3.delta"], True, id="a delta is missing"),
        pytest.param(["1.delta", "2.delta"], True, id="the newest is missing"),
        pytest.param(["2.zip", "3.changelog"], False, id="rocksdb"),
        pytest.param(["3_c0ffee.zip"], False, id="rocksdb with ids"),
        pytest.param([], True, id="nothing"),
    ],
)
def test_state_files_that_lead_to_version_3(tmp_path: Path, files: list[str], broken: bool) -> None:
    store = tmp_path / "0" / "1" / "left-keyToNumValues"
    store.mkdir(parents=True)
    for name in files:
        (store / name).touch()
    assert bool(list(_broken_stores(tmp_path, 3))) is broken


def test_a_partition_that_is_one_store_with_its_files_below_it(tmp_path: Path) -> None:
    store = tmp_path / "0" / "1"
    for name in ("SSTs/000009.sst", "_metadata/schema", "2.zip", "3.changelog"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).touch()
    assert not list(_broken_stores(tmp_path, 3))
    assert list(_broken_stores(tmp_path, 4)) == ["version 4 of 0/1"]


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exchange:
    """A proven checkpoint waits beside a lost one; publishing is noted, not done."""
    monkeypatch.setattr("plumbline.stream_job.checkpoint_health.epochs.publish", lambda lake, contract, ledger: 0)
    made = Exchange(JobFolder(tmp_path / "job"))
    for root, word in ((made.job.root, "old"), (made.built.root, "new")):
        for name in ("ledger", "layouts", *(["join"] if word == "new" else [])):
            (root / name).mkdir(parents=True)
            (root / name / "which").write_text(word)
        (root / "contract.json").write_text(word)
    (made.built.root / "archive-orders").mkdir()
    made.ready.write_text(json.dumps({"id": "r1"}))
    return made


def settled(exchange: Exchange) -> None:
    root, aside = exchange.job.root, exchange.job.root / "given-up" / "r1"
    assert {(root / name / "which").read_text() for name in ("join", "ledger", "layouts")} == {"new"}
    assert (root / "contract.json").read_text() == "new"
    assert {(aside / name / "which").read_text() for name in ("ledger", "layouts")} == {"old"}
    assert (aside / "contract.json").read_text() == "old"
    assert json.loads((aside / "recovery.json").read_text()) == {"id": "r1"}
    assert not exchange.folder.exists()
    assert (root / "archive-orders").is_dir()


@pytest.mark.parametrize("steps", range(9))
def test_an_exchange_killed_at_any_step_is_finished_by_the_next(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    rename: Callable[[Path, Path], Path] = Path.rename
    done = []

    def killed(path: Path, target: Path) -> Path:
        if len(done) == steps:
            raise KeyboardInterrupt
        done.append(path)
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            exchange.finish(None, None)  # type: ignore[arg-type]
    assert exchange.ready.exists()
    assert exchange.finish(None, None) == {"id": "r1"}  # type: ignore[arg-type]
    settled(exchange)
    assert exchange.finish(None, None) is None  # type: ignore[arg-type]
