"""Other delays: what they lose and hold open, held to a plain model that plays the epochs with those delays."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from plumbline.commands.lateness import lateness as command
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.lateness.curve import Lateness, smallest
from plumbline.reconcile.lateness.what_if import what_if
from tests.reconcile.lateness.test_lateness_curve import epochs_of
from tests.support.world import CONTRACT, MINUTE_MS, WITHIN, Record, World

MakeWorld = Callable[..., World]


def most_held(epochs: Sequence[Sequence[Record]], delay_ms: int) -> dict[str, int]:
    """The most rows per side in state after an epoch when both delays are `delay_ms`: the window rule, played."""
    late, evict, newest, most = 0, 0, dict.fromkeys(("left", "right"), 0), {"left": 0, "right": 0}
    state: dict[str, list[int]] = {"left": [], "right": []}
    for epoch in epochs:
        for record in epoch:
            if record.us > late * 1000:
                state[record.side].append(record.us)
        state["left"] = [us for us in state["left"] if us > (evict - WITHIN * MINUTE_MS - 1) * 1000]
        state["right"] = [us for us in state["right"] if us > (evict - 1) * 1000]
        most = {side: max(most[side], len(state[side])) for side in most}
        for record in epoch:
            newest[record.side] = max(newest[record.side], record.us // 1000)
        late, evict = evict, max(evict, min(newest.values()) - delay_ms)
    return most


@pytest.mark.parametrize("seed", range(2))
def test_rows_held_open_are_what_the_model_holds(seed: int, make_world: MakeWorld) -> None:
    epochs = epochs_of(seed)
    world = make_world().play(*epochs).write()
    document = what_if(world.contract, world.home, TimeRange())
    changes = [choice["change_ms"] for choice in document["choices"]]
    assert min(changes) < 0 < max(changes)
    for choice in document["choices"]:
        model = most_held([*epochs, []], 10 * MINUTE_MS + choice["change_ms"])
        assert [source["held_rows"] for source in choice["sources"].values()] == [model["left"], model["right"]]


def test_the_smallest_delay_for_a_wanted_loss(make_world: MakeWorld) -> None:
    world = make_world().play(*epochs_of(1)).write()
    document = what_if(world.contract, world.home, TimeRange(), lose=0.05)
    wanted = document["wanted"]
    assert all(source["share"] <= 0.05 for source in wanted["sources"].values())
    assert wanted["change_ms"] == max(source["smallest_ms"] for source in document["sources"].values())
    for minute in range(1, 5):
        shorter = wanted["change_ms"] - minute * MINUTE_MS
        lost = [choice for choice in document["choices"] if choice["change_ms"] == shorter]
        assert not lost or any(source["share"] > 0.05 for source in lost[0]["sources"].values())


@pytest.mark.parametrize(
    ("share", "minutes"),
    [
        pytest.param(1.0, -10, id="all may be lost: no delay at all"),
        pytest.param(0.5, -10, id="half may be lost: 22 of 50 are with no delay"),
        pytest.param(0.4, -9, id="a minute less is lost from the tenth minute on"),
        pytest.param(0.06, -1, id="a minute less loses no more than now"),
        pytest.param(0.02, 1, id="a minute more"),
        pytest.param(0.0, 62, id="nothing may be lost"),
    ],
)
def test_smallest(share: float, minutes: int) -> None:
    curve = Lateness("shows", 10 * MINUTE_MS, 50, ((-10, 11), (-8, 5), (-2, 3), (0, 2), (61, 1)))
    assert smallest(curve, share) == minutes * MINUTE_MS


def test_the_command(make_world: MakeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world = make_world().play(*epochs_of(1)).write()
    path = world.home.root / "plays.yaml"
    path.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    arguments = [str(path), "--home", str(world.home.root), "--lose", "5%"]
    command.main(arguments, standalone_mode=False)
    page = capsys.readouterr().out
    assert "as they are" in page
    assert "to lose at most 5%:" in page
    command.main([*arguments, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["lose"] == 0.05
    with pytest.raises(UsageError, match="not a percentage"):
        command.main([str(path), "--home", str(world.home.root), "--lose", "some"], standalone_mode=False)


def test_without_a_ledger_nothing_can_be_said(make_world: MakeWorld) -> None:
    world = make_world().play(*epochs_of(1))
    world.ledger = []
    world.write()
    with pytest.raises(SetupError, match="has no rows of contract plays"):
        what_if(world.contract, world.home, TimeRange())
