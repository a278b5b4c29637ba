"""The curve says what the stream would have lost: held to a plain model that really runs with the other delay."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.lateness.curve import Lateness, choices, measure, steps_of
from tests.support.world import MINUTE_MS, START, Record, World, play, show

START_MS = round(START.timestamp() * 1000)


def epochs_of(seed: int) -> list[list[Record]]:
    """An evening of shows and plays, some of them delivered much later than they happened."""
    chance = random.Random(seed)
    records = [show(f"s{i}", i, i % 2) for i in range(120)] + [
        play(f"p{i}", f"s{i}", i + 9.25, i % 2) for i in range(120)
    ]
    delivered = sorted(records, key=lambda r: r.minute + (chance.randint(0, 90) if chance.random() < 0.2 else 0))
    return [delivered[i : i + 12] for i in range(0, len(delivered), 12)]


def dropped(epochs: Sequence[Sequence[Record]], delay_ms: int) -> dict[str, int]:
    """Records dropped per side when both delays are `delay_ms`: the late rule, played forward."""
    logged, before, newest, lost = 0, 0, dict.fromkeys(("left", "right"), 0), {"left": 0, "right": 0}
    for epoch in epochs:
        late, before = before, logged
        for record in epoch:
            lost[record.side] += record.us <= late * 1000
            newest[record.side] = max(newest[record.side], record.us // 1000)
        logged = max(logged, min(newest.values()) - delay_ms)
    return lost


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("minutes", [-10, -3, 0, 1, 7, 30, 75, 100])
def test_other_delays_lose_what_the_model_loses(make_world: Callable[..., World], seed: int, minutes: int) -> None:
    epochs = epochs_of(seed)
    world = make_world().play(*epochs).write()
    curves = measure(world.contract, world.home, world.reconcile(record=False).document)
    expected = dropped([*epochs, []], 10 * MINUTE_MS + minutes * MINUTE_MS)
    assert {"left": curves[0].lost(minutes * MINUTE_MS), "right": curves[1].lost(minutes * MINUTE_MS)} == expected
    assert [(curve.source, curve.delay_ms, curve.records) for curve in curves] == [
        ("shows", 600_000, 120),
        ("plays", 600_000, 120),
    ]
    assert dropped(epochs, 10 * MINUTE_MS) != {"left": 0, "right": 0}


def test_at_no_change_it_is_what_reconcile_found(make_world: Callable[..., World]) -> None:
    world = make_world().play(*epochs_of(1)).write()
    curves = measure(world.contract, world.home, world.reconcile(record=False).document)
    lost = {side: sum(found == side for found in world.late.values()) for side in ("left", "right")}
    assert {"left": curves[0].lost(0), "right": curves[1].lost(0)} == lost


def test_only_records_of_the_range_count(make_world: Callable[..., World]) -> None:
    world = make_world().play(*epochs_of(1)).write()
    hour = TimeRange(START, START.replace(hour=1))
    curves = measure(world.contract, world.home, world.reconcile(time_range=hour, record=False).document)
    assert curves[0].records == 60


def test_records_that_the_stream_has_not_read_are_not_lost(make_world: Callable[..., World]) -> None:
    world = make_world().play(*epochs_of(1), archived_only=[show("unread", 1), play("unread play", "s1", 2)]).write()
    curves = measure(world.contract, world.home, world.reconcile(record=False).document)
    assert [curve.records for curve in curves] == [120, 120]


def test_no_ledger_no_curve(make_world: Callable[..., World]) -> None:
    world = make_world().play(*epochs_of(1))
    world.ledger = []
    world.write()
    assert measure(world.contract, world.home, world.reconcile(record=False).document) == ()


def test_steps_and_choices_agree_with_the_counts() -> None:
    curve = Lateness("shows", 10 * MINUTE_MS, 50, ((-8, 5), (-2, 3), (0, 2), (61, 1)))
    assert [curve.lost(m * MINUTE_MS) for m in (-10, -8, -7, 0, 1, 61, 62)] == [11, 11, 6, 3, 1, 1, 0]
    for ms, lost in steps_of(curve, -10 * MINUTE_MS, 62 * MINUTE_MS):
        assert lost == curve.lost(ms)
    assert choices([curve]) == [
        (-5 * MINUTE_MS, (6,)),
        (0, (3,)),
        (30 * MINUTE_MS, (1,)),
        (60 * MINUTE_MS, (1,)),
        (62 * MINUTE_MS, (0,)),
    ]


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = Lateness("shows", 0, 5000, tuple((minute, 1) for minute in range(5000)))
    steps = steps_of(curve, 0, 5001 * MINUTE_MS)
    assert len(steps) <= 401
    assert steps[0] == (0, 5000)
    assert steps[-1] == (5000 * MINUTE_MS, 0)
