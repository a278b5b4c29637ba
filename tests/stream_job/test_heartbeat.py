"""What the running job says of its sources: who is idle, who holds the watermark back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from plumbline.stream_job import heartbeat
from plumbline.stream_job.heartbeat import Heartbeat
from plumbline.stream_job.ledger import Epoch
from plumbline.stream_job.progress import Done
from plumbline.stream_job.status_text import idle_changes, idle_line, progress_line, span

MINUTE = 60_000
SOURCES = (("orders", "shop.orders"), ("payments", "shop.payments"))


def epoch(number: int, at_ms: int, left: tuple[int, int], right: tuple[int, int], watermark_ms: int = 0) -> Epoch:
    (start, end), (right_start, right_end) = left, right
    offsets = ({"0": start}, {"0": right_start}), ({"0": end}, {"0": right_end})
    return Epoch(number, "q", "r", at_ms, 0, watermark_ms, *offsets)


def after(*epochs: Epoch) -> Heartbeat:
    return Heartbeat.begin(SOURCES, list(epochs), MINUTE)


def test_a_source_is_idle_when_the_other_goes_on_for_longer() -> None:
    both, left_only = epoch(0, 0, (0, 5), (0, 5)), epoch(1, 50_000, (5, 9), (5, 5))
    assert after(both, left_only).idle(MINUTE) is None
    idle = after(both, left_only).idle(MINUTE + 1)
    assert idle is not None
    assert idle.name == "payments"
    line = idle_line(after(both, left_only), idle, 10 * MINUTE)
    assert line.startswith("payments has had no new event for 10 min while orders continues")


@pytest.mark.parametrize(
    ("before", "idle", "said"),
    [
        (None, None, []),
        (None, "orders", ["stream: warning: orders has had no new event"]),
        ("orders", "orders", []),
        ("orders", None, ["stream: orders is no longer idle"]),
        ("payments", "orders", ["stream: payments is no longer idle", "stream: warning: orders has had no new event"]),
    ],
)
def test_each_change_of_who_is_idle_is_said(before: str | None, idle: str | None, said: list[str]) -> None:
    """One source may go quiet before a look sees that the other is back."""
    found = after(epoch(0, 0, (0, 5), (0, 5)))
    flow = next((flow for flow in found.flows if flow.name == idle), None)
    lines = list(idle_changes(found, before, flow, 2 * MINUTE))
    assert [line[: len(start)] for line, start in zip(lines, said, strict=True)] == said


def test_two_silent_sources_are_no_reason_to_warn() -> None:
    assert after(epoch(0, 0, (0, 5), (0, 5)), epoch(1, 10, (5, 9), (5, 5))).idle(MINUTE + 11) is None


def test_an_epoch_without_data_is_no_event() -> None:
    quiet = [epoch(n, n * 30_000, (5, 5 + n), (5, 5)) for n in range(1, 4)]
    found = after(epoch(0, 0, (0, 5), (0, 5)), *quiet).idle(MINUTE + 30_000)
    assert found is not None
    assert found.moved_at_ms == 0


def test_a_new_job_counts_from_its_start() -> None:
    begun = after()
    moved = begun.after(epoch(0, begun.started_at_ms + MINUTE, (0, 5), (0, 0)))
    assert moved.idle(begun.started_at_ms + MINUTE) is None
    idle = moved.idle(begun.started_at_ms + MINUTE + 1)
    assert idle is not None
    assert idle.name == "payments"


def test_a_source_that_was_idle_for_longer_than_a_start_looks_back() -> None:
    begun = after(epoch(900, 0, (0, 5), (7, 7)), epoch(901, 10, (5, 9), (7, 7)))
    now = begun.started_at_ms + MINUTE + 1
    idle = begun.after(epoch(902, now - 1, (9, 12), (7, 7))).idle(now)
    assert idle is not None
    assert (idle.name, idle.moved_at_ms) == ("payments", None)
    assert "payments has had no new event for 60 s" in idle_line(begun, idle, now)


@pytest.mark.parametrize(
    ("watermarks", "name"),
    [
        pytest.param((100, 200), "orders", id="left behind"),
        pytest.param((200, 100), "payments", id="right behind"),
        pytest.param((200, None), "payments", id="right has had no event since the start"),
        pytest.param((100, 100), None, id="level"),
        pytest.param((None, None), None, id="nothing yet"),
    ],
)
def test_who_holds_the_watermark_back(watermarks: tuple[int | None, int | None], name: str | None) -> None:
    assert after().with_watermarks(watermarks).held_back_by == name


def test_events_are_counted_from_the_start_of_the_run() -> None:
    begun = after(epoch(0, 0, (0, 5), (0, 7)))
    assert [flow.events for flow in begun.flows] == [0, 0]
    assert [flow.events for flow in begun.after(epoch(1, 1, (5, 9), (7, 7))).flows] == [4, 0]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = after(epoch(0, 0, (0, 5), (0, 7), 9)).with_watermarks((5, None))
    heartbeat.write(tmp_path, written)
    assert heartbeat.read(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == [heartbeat.NAME]


@pytest.mark.parametrize("text", ["", "{", "{}", '{"pid": 1}'])
def test_an_unreadable_file_is_none(tmp_path: Path, text: str) -> None:
    assert heartbeat.read(tmp_path) is None
    (tmp_path / heartbeat.NAME).write_text(text)
    assert heartbeat.read(tmp_path) is None


def test_progress_adds_up_over_reports() -> None:
    operator = {"numRowsDroppedByWatermark": 3, "numRowsTotal": 8, "memoryUsedBytes": 100}
    report = {
        "batchId": 4,
        "timestamp": "2024-03-01T00:00:00.500Z",
        "durationMs": {"triggerExecution": 1500, "addBatch": 900},
        "stateOperators": [operator | {"customMetrics": {"stateOnCurrentVersionSizeBytes": 60}}],
    }
    done = Done().after(report).after(report | {"batchId": 5})
    assert (done.epochs, done.epoch, done.late_rows, done.state_rows) == (2, 5, 6, 8)
    assert (done.epoch_seconds, done.epoch_seconds_sum) == (1.5, 3.0)
    assert (done.state_bytes, done.memory_bytes, done.epoch_at_ms) == (60, 100, 1_709_251_202_000)


def test_rows_that_rocksdb_does_not_count_are_unknown() -> None:
    custom = {"rocksdbSstFileSize": 4096}
    operator = {"numRowsDroppedByWatermark": 0, "numRowsTotal": 0, "memoryUsedBytes": 9, "customMetrics": custom}
    report = {"batchId": 0, "timestamp": "2024-03-01T00:00:00Z", "durationMs": {}, "stateOperators": [operator]}
    done = Done().after(report)
    assert (done.state_rows, done.state_bytes) == (None, 4096)
    assert "state not counted" in progress_line(replace(after(), done=done))


def test_a_run_whose_first_epoch_is_not_reported_yet_names_none() -> None:
    first = epoch(7, 0, (0, 5), (0, 5))
    assert progress_line(after().after(first)).startswith("stream: 10 events, watermark ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (59, "59 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_a_span_is_coarse(seconds: float, text: str) -> None:
    assert span(seconds) == text
