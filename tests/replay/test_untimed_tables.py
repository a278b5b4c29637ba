"""A stream table without `_event_time`: a replay could not find the rows that it replaces, and the plan says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from plumbline.cli import run
from plumbline.connect.lake import Lake
from tests.support.world import CONTRACT, World, play, show

STREAM = "joined.plays_stream"
RANGE = ["--from", "2024-02-29T20:00Z", "--to", "2024-02-29T22:00Z", "--source", "iceberg"]


def as_moment(rows: pa.Table, name: str, kind: pa.DataType | None) -> pa.Table:
    """The rows with their event times under another name and of another type."""
    place = rows.column_names.index("_event_time")
    return rows.set_column(place, name, rows.column(place).cast(kind or pa.timestamp("us", "UTC")))


def of_a_team(lake: Lake, name: str, kind: pa.DataType | None = None) -> None:
    rows = as_moment(lake.load(STREAM).scan().to_arrow(), name, kind)
    lake.catalog().drop_table(STREAM)
    lake.ensure_table(STREAM, rows.schema)
    lake.append(STREAM, rows)


def renamed(lake: Lake) -> None:
    with lake.load(STREAM).update_schema() as change:
        change.rename_column("_event_time", "moment")


def dropped(lake: Lake) -> None:
    table = lake.load(STREAM)
    with table.update_spec() as change:
        change.remove_field("_event_time_day")
    with table.update_schema() as change:
        change.delete_column("_event_time")


CASES: dict[str, tuple[Any, str]] = {
    "under a name of the team's": (lambda lake: of_a_team(lake, "began"), "has no column _event_time"),
    "as text": (
        lambda lake: of_a_team(lake, "_event_time", pa.string()),
        "_event_time of joined.plays_stream is string,",
    ),
    "without a zone": (
        lambda lake: of_a_team(lake, "_event_time", pa.timestamp("us")),
        "_event_time of joined.plays_stream is timestamp,",
    ),
    "renamed": (renamed, "column _event_time of joined.plays_stream was renamed to moment by another tool"),
    "dropped": (dropped, "column _event_time of joined.plays_stream was dropped by another tool"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("named", [False, True], ids=["", "which the contract names"])
def test_the_plan_names_it(case: str, named: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    World.at(tmp_path).play([show("a", 0), play("pa", "a", 5)], [show("d", 300), play("pd", "d", 300)], []).write()
    world = World.at(tmp_path)
    spoil, said = CASES[case]
    spoil(world.lake)
    contract = tmp_path / "plays.yaml"
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    contract.write_text(text.replace("output:\n", "output:\n  event_time: began\n") if named else text)
    code = run(["replay", "plan", str(contract), *RANGE, "--home", str(tmp_path)])
    error = capsys.readouterr().err
    assert said in error
    assert "Next: " in error
    assert code in (2, 3)
    assert not list(world.home.replays.glob("*/plan.json"))
