"""The plot of the watermark against event time: bars below the line are what was dropped, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from plumbline.reconcile.lateness.curve import Epoch, Lateness, measure
from plumbline.reconcile.report.plots import Chart
from plumbline.reconcile.report.watermark import against_event_time
from tests.support.examples_of_runs import DAY
from tests.support.world import World, play, show

START_MS = round(DAY.timestamp() * 1000)
HOUR_MS = 3_600_000


def drawn(*epochs: Epoch) -> Chart:
    chart = against_event_time([Lateness("shows", 600_000, 9, (), epochs), Lateness("plays", 600_000, 0, ())])
    assert chart is not None
    return chart


def test_only_what_was_dropped_is_below_the_line() -> None:
    chart = drawn(Epoch(START_MS, 5, 0, -90, -10), Epoch(START_MS + HOUR_MS, 7, 3, -60, 45))
    assert chart.level is not None
    line = 100 - chart.level
    below = [bar for bar in chart.bars if bar.y + bar.height > line + 1e-6]
    assert [(bar.shade, bar.y) for bar in below] == [("late_left", pytest.approx(line))]
    assert below[0].title == "1 Mar 2024: 3 of shows dropped, up to 45 min behind the watermark"
    assert chart.alt.endswith("shows: 3 records dropped, up to 45 min behind the watermark; plays: 0 records dropped.")


def test_a_deeper_loss_is_a_longer_bar() -> None:
    chart = drawn(*(Epoch(START_MS + i * HOUR_MS, 1, 1, 5, 10**i) for i in range(4)))
    depths = [bar.height for bar in chart.bars if bar.shade == "late_left"]
    assert depths == sorted(depths)
    assert len(set(depths)) == 4


def test_the_deepest_loss_ends_above_the_floor_and_far_ahead_is_cut_at_a_day() -> None:
    chart = drawn(Epoch(START_MS, 5, 1, -14_400, 464), Epoch(START_MS + HOUR_MS, 7, 1, -2_000, 45))
    assert max(bar.y + bar.height for bar in chart.bars) < 99
    assert max(chart.y_ticks, key=lambda tick: tick.at).text == "+1 d"
    assert [bar.y for bar in chart.bars if bar.shade == "in_time"] == pytest.approx([0, 0])
    assert "up to 10 d ahead of the watermark" in chart.bars[0].title


def test_many_epochs_become_few_bars_and_keep_every_record() -> None:
    chart = drawn(*(Epoch(START_MS + i * HOUR_MS, 10, 1, -5, i) for i in range(5_000)))
    late = [bar for bar in chart.bars if bar.shade == "late_left"]
    assert len(late) <= 48
    assert sum(int(bar.title.split(": ")[1].split()[0]) for bar in late) == 5_000
    assert all(bar.y >= -1e-6 and bar.y + bar.height <= 100 + 1e-6 for bar in chart.bars)
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 for bar in chart.bars)


def test_a_watermark_that_never_moved_is_not_drawn() -> None:
    assert against_event_time([Lateness("shows", 1, 1, (), (Epoch(START_MS, 1, 0, 0, 0),))]) is None
    assert against_event_time([]) is None


@pytest.mark.parametrize(
    ("span", "texts"),
    [
        (timedelta(minutes=20), ["1 Mar", "00:05", "00:10", "00:15"]),
        (timedelta(hours=30), ["1 Mar", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "2 Mar"]),
        (timedelta(days=4), ["1 Mar", "2 Mar", "3 Mar", "4 Mar"]),
    ],
)  # fmt: skip
def test_times_of_day_within_two_days(span: timedelta, texts: list[str]) -> None:
    ends = (START_MS, START_MS + round(span.total_seconds() * 1000))
    chart = drawn(*(Epoch(ms, 1, 0, -5, -5) for ms in ends))
    assert [tick.text for tick in chart.x_ticks][: len(texts)] == texts


def test_what_an_epoch_dropped_is_what_the_world_lost(make_world: Callable[..., World]) -> None:
    world = make_world().play(
        [show("a", 0), play("pa", "a", 5), show("b", 1)],
        [show("d", 100), play("pd", "d", 120)],
        [],
        [show("x", 3), play("pb", "b", 4)],
        [show("f", 300), play("pf", "f", 301)],
    )
    world.write()
    shows, plays = measure(world.contract, world.home, world.reconcile().document)
    assert sum(epoch.dropped for epoch in shows.epochs) == sum(side == "left" for side in world.late.values()) == 1
    assert sum(epoch.dropped for epoch in plays.epochs) == sum(side == "right" for side in world.late.values()) == 1
    assert max(epoch.oldest for epoch in shows.epochs) * 60_000 == shows.worst_ms
