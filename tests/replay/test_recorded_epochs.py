"""Which recorded epochs a faithful replay plays, and how its watermarks are judged: rules on plain values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plumbline.contract.errors import IncompleteError
from plumbline.replay.fidelity import watermarks
from plumbline.replay.play import segments
from plumbline.replay.recorded import Recorded, first_unknown, offsets, restarts, stretch

T0 = datetime(2024, 3, 1, tzinfo=UTC)


def epochs(*evict_ms: int, runs: str = "", queries: str = "", numbers: list[int] | None = None) -> list[Recorded]:
    """Epochs of two offsets each in partition 0 of one source, with these evict watermarks."""
    count = len(evict_ms)
    return [
        Recorded(
            epoch=(numbers or list(range(count)))[i],
            query_id=(queries or "q" * count)[i],
            run_id=(runs or "a" * count)[i],
            planned_at=T0 + i * timedelta(minutes=1),
            late_watermark_ms=0,
            evict_watermark_ms=ms,
            spans={"orders": {0: (2 * i, 2 * i + 2)}},
        )
        for i, ms in enumerate(evict_ms)
    ]


@pytest.mark.parametrize(
    ("first", "closed_at", "played"),
    [
        pytest.param(1, 30, [1, 2], id="from the first row to the first epoch that closed the range"),
        pytest.param(0, 40, [0, 1, 2, 3], id="everything"),
        pytest.param(None, 30, [2], id="no row at all: the closing epoch alone"),
        pytest.param(3, 20, [1], id="rows only after the range was closed: they were late"),
    ],
)
def test_the_epochs_between_the_first_row_and_the_close(first: int | None, closed_at: int, played: list[int]) -> None:
    found = stretch(epochs(0, 20, 30, 40), first, lambda ms: ms >= closed_at)
    assert [epoch.epoch for epoch in found] == played


@pytest.mark.parametrize(
    "lived",
    [
        pytest.param(epochs(0, 20, 30, queries="qqr"), id="another checkpoint"),
        pytest.param(epochs(0, 20, 30, numbers=[0, 1, 3]), id="an epoch is missing"),
    ],
)
def test_a_lost_checkpoint_inside_cannot_be_played_again(lived: list[Recorded]) -> None:
    with pytest.raises(IncompleteError, match=r"lost its checkpoint between epochs 0 and \d.*--late complete"):
        stretch(lived, 0, lambda ms: ms >= 30)


def test_nor_can_epochs_that_a_recovery_wrote() -> None:
    one = epochs(30)[0]
    recovered = replace(one, run_id="recover-2024")
    with pytest.raises(IncompleteError, match="lost its checkpoint"):
        stretch([recovered], 0, lambda ms: ms >= 30)


def test_a_range_that_no_epoch_closed() -> None:
    with pytest.raises(IncompleteError, match="no epoch that closed the range"):
        stretch(epochs(0, 20), 0, lambda ms: ms >= 30)


def test_restarts_split_the_play() -> None:
    lived = epochs(0, 1, 2, 3, 4, runs="aabbc")
    assert restarts(lived) == [False, False, True, False, True]
    assert restarts(lived[2:]) == [False, False, True], "what was before the tape is no restart of it"
    plan: Any = type("P", (), {})()
    plan.faithful, plan.epochs = True, [{"restart": anew} for anew in restarts(lived)]
    assert segments(plan) == [2, 4, 5]


def test_offsets_of_all_played_epochs() -> None:
    assert offsets(epochs(0, 1, 2)[1:], "orders") == {0: (2, 6)}


def test_the_first_epoch_that_read_something_unknown() -> None:
    lived = epochs(0, 1, 2)
    assert first_unknown(lived, "orders", [(0, 3, 4)]) == 1
    assert first_unknown(lived, "orders", [(0, 6, 9), (1, 0, 9)]) is None


@pytest.mark.parametrize(
    ("live", "played", "expected"),
    [
        pytest.param([0, 20, 30], [0, 20, 30], (3, 0, []), id="the same"),
        pytest.param([5, 20, 30], [0, 20, 30], (2, 1, []), id="both before the range: neither decides anything"),
        pytest.param([5, 20, 30], [0, 19, 30], (1, 1, [1]), id="apart"),
        pytest.param([5, 20, 30], [5, 20], (2, 0, [2]), id="an epoch too few"),
        pytest.param([5], [5, 20], (1, 0, [1]), id="an epoch too many"),
    ],
)
def test_watermarks(live: list[int], played: list[int], expected: tuple[int, int, list[int]]) -> None:
    found = watermarks(live, played, since_us=10_000)
    assert (found["same"], found["before"], found["apart"]) == expected
